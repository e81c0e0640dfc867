# SPDX-License-Identifier: GPL-2.0-or-later
"""A captured machine, made into a folder that kdumpd reads by --root; needs no virtual machine.

`python -m tests.vm.tree NAME DIR` does it by hand.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

OF_ONE_LINE = ("proc/sys", "sys")
ONE_LINE = re.compile(rb"[ -~]{0,200}\n")
TREES = Path(__file__).parents[1] / "samples/trees"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A path as it was on the machine's disk."""

    kind: str  # file, folder or link
    mode: int
    mtime: int  # seconds since 1970
    size: int  # bytes; 0 for what is no file
    path: str  # without the leading slash
    target: str  # of a link


def materialise(sample: Path, root: Path) -> None:
    """Make the machine's folder `root`, which must be new or empty, out of its sample.

    A file of the listing whose content was not kept is sparse: it has its size and holds zeros.
    Links are as they were: an absolute one, as Debian's /var/lib/kdump/vmlinuz, leads out of `root`
    to whoever follows it without minding. Everything belongs to who calls this.
    """
    # The sample itself may be read-only.
    shutil.copytree(sample / "files", root, dirs_exist_ok=True, copy_function=shutil.copyfile)
    for name, value in parse_values(sample / "values"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    entries = list(parse_listing((sample / "listing").read_text()))
    for entry in entries:
        _make(entry, root / entry.path)
    # From the leaves up: what is made in a folder changes its time.
    for entry in sorted(entries, key=lambda entry: entry.path, reverse=True):
        path = root / entry.path
        if entry.kind != "link":
            path.chmod(entry.mode)
        os.utime(path, (entry.mtime, entry.mtime), follow_symlinks=False)


def gather(sample: Path) -> None:
    """Put the kernel's settings, of one line each, together in the sample's `values`."""
    values = dict(parse_values(sample / "values"))
    for folder in OF_ONE_LINE:
        for path in sorted((sample / "files" / folder).rglob("*")):
            content = path.read_bytes() if path.is_file() else b""
            if ONE_LINE.fullmatch(content):
                values[str(path.relative_to(sample / "files"))] = content.decode().rstrip("\n")
                path.unlink()
    lines = (f"{name}\t{value}\n" for name, value in sorted(values.items()))
    (sample / "values").write_text("".join(lines))


def parse_values(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and the only line of each file that the sample keeps so; it may keep none."""
    for line in path.read_text().splitlines() if path.exists() else ():
        name, _, value = line.partition("\t")
        yield name, value


def parse_listing(text: str) -> Iterator[Entry]:
    """Yield what the lines of a listing say; ValueError for one that is none."""
    for line in text.splitlines():
        kind, mode, mtime, size, path, *target = line.split("\t")
        yield Entry(
            kind=kind,
            mode=int(mode, 8),
            mtime=int(mtime),
            size=int(size),
            path=path,
            target="".join(target),
        )


def _make(entry: Entry, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if entry.kind == "folder":
        path.mkdir(exist_ok=True)
    elif entry.kind == "link":
        path.symlink_to(entry.target)
    elif not path.exists():
        with path.open("xb") as file:
            file.truncate(entry.size)


def main(arguments: Iterable[str]) -> None:
    """Make the machine of a name in a folder."""
    name, folder = arguments
    materialise(TREES / name, Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
