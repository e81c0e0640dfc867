# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines of many distributions, and what `kdumpd --check` says of each.

The real ones are in tests/samples/captured, the others in tests/samples/remade, the words in
tests/samples/verdicts. `python -m tests.support.sample_machines` writes the words anew; read the
difference before it is committed. `python -m tests.support.sample_machines NAME DIR` makes the
directory of one machine.
"""

import io
import json
import re
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

from kdumpd.config import read_configuration
from kdumpd.json_output import properties_of, readiness_report
from kdumpd.model.readiness.report import check_lines
from kdumpd.observe.files import Files
from kdumpd.oneshot import check
from tests.support.machine_file import read_machine, unpack

SAMPLES = Path(__file__).parents[1] / "samples"
CAPTURED, REMADE, VERDICTS = SAMPLES / "captured", SAMPLES / "remade", SAMPLES / "verdicts"
# How much room there is, is a matter of the disk that the tests run on.
ROOM = re.compile(r"has room for [0-9.]+ [KMGTP]iB:")


def machines() -> dict[str, Path]:
    """Return the text of each machine by its name."""
    found = (path for directory in (CAPTURED, REMADE) for path in directory.glob("*.txt"))
    return {path.stem: path for path in sorted(found, key=lambda path: path.stem)}


def build(sample: Path, root: Path) -> None:
    """Make the machine's directory `root`, which must be new or empty, out of its text."""
    unpack(read_machine(sample), root)


def verdict(sample: Path, root: Path) -> str:
    """Return what the machine is, what is said of it, and the exit status; `root` is new."""
    build(sample, root)
    out = io.StringIO()
    with redirect_stdout(out):
        status = check(Files(root), read_configuration(root, None), "short")
    # Lines end where they would with the machine's own, shorter paths.
    record = ROOM.sub("has room for ...:", out.getvalue().replace(str(root), ""))
    lines = check_lines(readiness_report(properties_of(json.loads(record))), verbose=True)
    said = "".join(f"{line}\n" for line in lines)
    return f"{read_machine(sample).story}\n\n$ kdumpd --check -v\n{said}(exit status {status})\n"


def main(arguments: Iterable[str]) -> None:
    """Write all verdicts anew, or make one machine in a directory."""
    named = list(arguments)
    if named:
        name, directory = named
        build(machines()[name], Path(directory))
        return
    VERDICTS.mkdir(exist_ok=True)
    for old in VERDICTS.glob("*.txt"):
        old.unlink()
    for name, sample in machines().items():
        with TemporaryDirectory() as directory:
            text = verdict(sample, Path(directory) / "root")
        (VERDICTS / f"{name}.txt").write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
