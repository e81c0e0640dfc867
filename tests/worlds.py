# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines of many distributions, and what `kdumpd --check` says of each.

The real ones are in tests/samples/trees, the remade ones in tests/samples/worlds, the words in
tests/samples/verdicts. `python -m tests.worlds` writes the words anew; read the difference before
it is committed. `python -m tests.worlds NAME DIR` makes the folder of one machine.
"""

import io
import os
import re
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

from kdumpd.config import read_configuration
from kdumpd.observe.files import Files
from kdumpd.once import check
from tests.vm.tree import TREES, materialise, parse_listing

SAMPLES = Path(__file__).parent / "samples"
WORLDS, VERDICTS = SAMPLES / "worlds", SAMPLES / "verdicts"
MOMENT = 1_760_000_000  # when every file was changed for which the listing has no other time
# How much room there is, is a matter of the disk that the tests run on.
ROOM = re.compile(r"has [0-9.]+ [KMGTP]iB for it")


def machines() -> dict[str, Path]:
    """Return the sample of each machine by its name."""
    found = (path for folder in (TREES, WORLDS) for path in folder.iterdir() if path.is_dir())
    return {path.name: path for path in sorted(found, key=lambda path: path.name)}


def build(sample: Path, root: Path) -> None:
    """Make the machine's folder `root`, which must be new or empty, out of its sample."""
    materialise(sample, root)
    if sample.parent != WORLDS:
        return
    timed = {entry.path for entry in parse_listing((sample / "listing").read_text())}
    for path in root.rglob("*"):
        if not path.is_symlink() and str(path.relative_to(root)) not in timed:
            os.utime(path, (MOMENT, MOMENT))


def verdict(sample: Path, root: Path) -> str:
    """Return what the machine is, what is said of it, and the exit status; `root` is new."""
    build(sample, root)
    out = io.StringIO()
    with redirect_stdout(out):
        status = check(Files(root), read_configuration(root, None), "off")
    said = ROOM.sub("has ... for it", out.getvalue().replace(str(root), ""))
    return f"{story(sample)}\n\n$ kdumpd --check\n{said}(exit status {status})\n"


def story(sample: Path) -> str:
    """Return in one line what the machine is."""
    files = [sample / name for name in ("README", "README.md")]
    return next(path.read_text().splitlines()[0] for path in files if path.exists())


def main(arguments: Iterable[str]) -> None:
    """Write all verdicts anew, or make one machine in a folder."""
    named = list(arguments)
    if named:
        name, folder = named
        build(machines()[name], Path(folder))
        return
    VERDICTS.mkdir(exist_ok=True)
    for old in VERDICTS.glob("*.txt"):
        old.unlink()
    for name, sample in machines().items():
        with TemporaryDirectory() as folder:
            text = verdict(sample, Path(folder) / "root")
        (VERDICTS / f"{name}.txt").write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
