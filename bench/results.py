# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures as a table: in a terminal, and in RESULTS.md with what they were measured on."""

import platform
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.figure import Figure, shown_median
from kdumpd import __version__

LIBRARIES = ("dbus-fast", "pyinotify", "systemd-python", "drgn")
PROGRAMS = ("dbus-daemon", "makedumpfile", "systemctl")
HEADINGS = ("figure", "kdumpd", "bare", "by", "times", "spread", "at most", "")
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def rows(figures: Sequence[Figure], targets: Mapping[str, float]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each figure."""
    for one in figures:
        most = targets.get(one.name)
        if one.missing:
            yield one.name, "–", "–", one.against, "–", "–", "", one.missing
            continue
        ratios = one.ratios
        yield (
            one.name,
            shown_median(one.ours, one.unit),
            shown_median(one.theirs, one.unit),
            one.against,
            f"{one.ratio:.2f}" if one.ratio is not None else "–",
            f"{ratios[0]:.2f}–{ratios[-1]:.2f}" if ratios else "–",
            f"{most:g}" if most is not None else "",
            "MISSED" if one.misses(most) else "",
        )


def table(figures: Sequence[Figure], targets: Mapping[str, float]) -> Iterator[str]:
    """Yield the lines of a table that is Markdown and can be read as it stands."""
    lines = [HEADINGS, *rows(figures, targets)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(HEADINGS))]
    for number, line in enumerate(lines):
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield f"| {' | '.join(cells)} |"
        if number == 0:
            yield f"|{'|'.join('-' * (width + 2) for width in widths)}|"


def machine() -> Iterator[str]:
    """Yield what was measured on, and when."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    count = Path("/proc/cpuinfo").read_text().count("processor\t")
    memory = int(Path("/proc/meminfo").read_text().split()[1]) >> 20
    yield f"- {datetime.now(UTC):%Y-%m-%d}, kdumpd {__version__}"
    yield f"- {cpu}, {count} processors, {memory} GiB; Linux {platform.release()}"
    yield f"- load when it began: {Path('/proc/loadavg').read_text().split()[0]}"
    libraries = ", ".join(f"{name} {_version(name)}" for name in LIBRARIES)
    yield f"- Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {libraries}"
    yield f"- {', '.join(filter(None, map(_program, PROGRAMS)))}"


def with_figures(document: str, lines: Sequence[str]) -> str:
    """Return the document with these lines in the place of those between the marks."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}"


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "(missing)"


def _program(name: str) -> str:
    option = "-v" if name == "makedumpfile" else "--version"
    try:
        said = subprocess.run([name, option], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return (said.stdout + said.stderr).strip().partition("\n")[0]
