# SPDX-License-Identifier: GPL-2.0-or-later
"""Boots of a Debian that ended in all the ways there are, and what the last of them knows of it.

`python -m tests.vm.boots` runs them and writes tests/samples/boots anew. Needs root.
"""

import asyncio
import lzma
import shutil
import sys
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from tests.support.image_cache import Cache, default_cache
from tests.vm.debian import Series, Turn, build_debian, run_series
from tests.vm.journal_export import parse_export

SAMPLES = Path(__file__).parents[1] / "samples/boots"

PANIC = "echo c > /proc/sysrq-trigger"
CAPTURED = Turn(script=PANIC, crashes=True)
REBOOTED = Turn(script="systemctl is-system-running --wait || true")
NOT_CAPTURED = Turn(script=f"kdump-config unload\n{PANIC}", crashes=True)
RESET = Turn(script="echo b > /proc/sysrq-trigger", crashes=True)  # as when the power fails
# Leaves in /host what is known of the boots before.
LOOK = Turn(
    script="""
mkdir /host/exports
journalctl --sync
journalctl --quiet --list-boots > /host/boots
while read -r number id rest; do
    journalctl --boot="$id" --output=export > "/host/exports/$id"
done < /host/boots
cp -r /var/log/journal /var/crash /var/lib/systemd/pstore /host
"""
)
# Oldest first, by the names that they have in the samples. A crash kernel has no turn.
BOOTS: Mapping[str, Turn | None] = MappingProxyType(
    {
        "captured": CAPTURED,
        "crash-kernel": None,
        "rebooted": REBOOTED,
        "not-captured": NOT_CAPTURED,
        "reset": RESET,
        "running": LOOK,
    }
)
FIRST, LAST = 50, 40  # entries of a boot: of the kernel from the beginning, of all from the end


def boot_ids(host: Path) -> Sequence[str]:
    """Return the ids of the boots in the journal, the oldest first, where LOOK has left them."""
    return [line.split()[1] for line in (host / "boots").read_text().splitlines()]


def shorten(export: bytes) -> bytes:
    """Return of a boot's journal what tells how it began and how it ended."""
    entries = list(parse_export(export))
    of_kernel = [entry for entry in entries[:-LAST] if entry.fields["_TRANSPORT"] == "kernel"]
    return b"".join(entry.raw for entry in (*of_kernel[:FIRST], *entries[-LAST:]))


async def take(cache: Cache, samples: Path = SAMPLES) -> None:
    """Run all of BOOTS and write what they left into a directory; its README.md stays."""
    image = await build_debian(cache)
    turns = [turn for turn in BOOTS.values() if turn]
    with TemporaryDirectory(dir=cache.directory, prefix="rebooting-") as work:
        host = Path(work)
        await run_series(image, Series(turns=turns, records=True), host)
        _write(host, samples)


def _write(host: Path, samples: Path) -> None:
    for name, boot_id in zip(BOOTS, boot_ids(host), strict=True):
        export = shorten((host / "exports" / boot_id).read_bytes())
        (samples / f"{name}.export.xz").write_bytes(lzma.compress(export))
    with tarfile.open(samples / "journal.tar.xz", "w:xz") as archive:
        archive.add(host / "journal", "journal")
    for directory in ("crash", "pstore"):
        shutil.rmtree(samples / directory, ignore_errors=True)
        # The cores are too large.
        shutil.copytree(
            host / directory,
            samples / directory,
            copy_function=shutil.copyfile,
            ignore=shutil.ignore_patterns("dump.*", "kdump_lock"),
        )
    shutil.copyfile(host / "boots", samples / "list-boots")


if __name__ == "__main__":
    asyncio.run(take(Cache(default_cache())))
    sys.stdout.write(f"{SAMPLES}\n")
