# SPDX-License-Identifier: GPL-2.0-or-later
"""Real cores of one real panic, in every format that makedumpfile writes here.

`python -m tests.vm.corpus [DIR]` says where they are, and copies them to DIR, which must be new.
"""

import asyncio
import shutil
import sys
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path

from tests.support.image_cache import Cache, default_cache
from tests.vm.guest import GuestError, Scenario, given, run_guest
from tests.vm.image import GuestImage, build_image

SCENARIO = Scenario(
    capture="""
mkdir /host/cores
cd /host/cores
quietly='--message-level 6' # without progress: a megabyte on the serial line
makedumpfile --dump-dmesg /proc/vmcore dmesg
makedumpfile $quietly -F -c -d 31 /proc/vmcore > flattened
makedumpfile $quietly -F -d 31 /proc/vmcore > flattened_raw
makedumpfile $quietly -F -E -d 31 /proc/vmcore > flattened_elf
makedumpfile $quietly -c -d 31 /proc/vmcore zlib
makedumpfile $quietly -l -d 31 /proc/vmcore lzo
makedumpfile $quietly -E -d 31 /proc/vmcore elf
mkdir split
cd split
makedumpfile $quietly -c -d 31 --split --splitblock-size 1024 /proc/vmcore vmcore.1 vmcore.2
"""
)
# Without a block's size, in KiB, all memory below the default, 1 GiB, goes into the first file.


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """The captures of one crash, without the pages that nobody asks for (-d 31)."""

    dmesg: Path  # as --dump-dmesg took it from /proc/vmcore
    # kdump-compressed inside, zlib: Debian's default, and what kdump-utils calls vmcore.flat
    flattened: Path
    flattened_raw: Path  # the same without compression
    flattened_elf: Path  # ELF inside
    zlib: Path  # kdump-compressed
    lzo: Path  # kdump-compressed, the default of kdump-utils
    elf: Path
    split: Path  # a directory with vmcore.1 and vmcore.2, each half of one kdump-compressed, zlib
    console: Path  # what both kernels said on the serial line


async def real_cores(cache: Cache) -> Corpus:
    """Return real cores from `cache`; the first call crashes a guest, which takes a minute."""
    image = await build_image(cache)
    directory = await cache.make(f"cores-{_key(image)}", lambda work: _crash(image, work))
    return Corpus(**{field.name: directory / field.name for field in fields(Corpus)})


async def _crash(image: GuestImage, host: Path) -> Path:
    outcome = await run_guest(image, SCENARIO, host)
    if outcome.capture_status != 0:
        raise GuestError(f"no cores were captured:\n{outcome.tail}")
    (host / "guest/console").rename(host / "cores/console")
    return host / "cores"


def _key(image: GuestImage) -> str:
    return sha256(repr((image.directory.name, given(SCENARIO))).encode()).hexdigest()[:16]


if __name__ == "__main__":
    made = asyncio.run(real_cores(Cache(default_cache()))).dmesg.parent
    for target in sys.argv[1:]:
        shutil.copytree(made, target)
    sys.stdout.write(f"{made}\n")
