# SPDX-License-Identifier: GPL-2.0-or-later
"""What each of the real deaths left behind: the kernel's log, a small core, the console.

`python -m tests.vm.panics [DIR]` makes those that are not yet made, says where they are, and copies
them to DIR, which must be new. The logs in tests/samples/logs came from here.
"""

import asyncio
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tests.support.image_cache import Cache, default_cache
from tests.vm.deaths import CRASHER, DEATHS, Death
from tests.vm.guest import GuestError, given, run_guest
from tests.vm.image import GuestImage, build_image
from tests.vm.kernel_module import build_crasher

AT_ONCE = 2  # guests; each keeps a processor of the host busy


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """The files of one panic."""

    console: Path  # what both kernels said on the serial line
    dmesg: Path | None  # as --dump-dmesg took it from /proc/vmcore
    core: Path | None  # kdump-compressed, zlib

    @property
    def log(self) -> Path:
        """The captured log; the console's where nothing was captured."""
        return self.dmesg or self.console


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What the deaths have in common."""

    cache: Cache
    image: GuestImage
    module: Path


async def build_bench(cache: Cache) -> Bench:
    """Return what is needed for every death, from `cache` where it has been built."""
    image, module = await build_image(cache), await build_crasher(cache)
    return Bench(cache=cache, image=image, module=module)


async def real_panic(bench: Bench, name: str) -> Remains:
    """Return what one of DEATHS left, from the cache; the first call takes half a minute."""
    death = DEATHS[name]
    directory = await bench.cache.make(
        f"panic-{name}-{_key(bench, death)}", lambda work: _die(bench, death, work)
    )
    dmesg, core = (directory / "dmesg", directory / "core") if death.captured else (None, None)
    return Remains(console=directory / "console", dmesg=dmesg, core=core)


async def real_panics(cache: Cache) -> Mapping[str, Remains]:
    """Return what each of DEATHS left; to make them all takes about ten minutes."""
    bench = await build_bench(cache)
    places = asyncio.Semaphore(AT_ONCE)

    async def die(name: str) -> Remains:
        async with places:
            return await real_panic(bench, name)

    async with asyncio.TaskGroup() as group:
        dying = {name: group.create_task(die(name)) for name in DEATHS}
    return {name: task.result() for name, task in dying.items()}


async def _die(bench: Bench, death: Death, host: Path) -> Path:
    """Return the directory with what was left, below `host`."""
    inside = host / CRASHER.removeprefix("/host/")
    inside.parent.mkdir()
    shutil.copyfile(bench.module, inside)
    outcome = await run_guest(bench.image, death.scenario, host)
    if outcome.capture_status != (0 if death.captured else None):
        raise GuestError(f"this was not the death that was wanted:\n{outcome.tail}")
    left = host / "left"
    left.mkdir(exist_ok=True)
    (host / "guest/console").rename(left / "console")
    return left


def _key(bench: Bench, death: Death) -> str:
    built = bench.module.parent.name if death.by_crasher else ""
    parts = (bench.image.directory.name, built, given(death.scenario))
    return sha256(repr(parts).encode()).hexdigest()[:16]


if __name__ == "__main__":
    for made, remains in asyncio.run(real_panics(Cache(default_cache()))).items():
        for target in sys.argv[1:]:
            shutil.copytree(remains.console.parent, Path(target) / made)
        sys.stdout.write(f"{remains.console.parent}\n")
