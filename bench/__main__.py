# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure all, print a table, write RESULTS.md; the exit status is 1 where a target is missed."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

from bench import command, idle, kernel_log, looking, notice, objects, results, rivals, starting
from bench.figure import Figure
from bench.scale import FULL, QUICK, Scale
from bench.targets import TARGETS
from tests.support.message_bus import Broker, private_bus
from tests.support.process import ServiceError

Measure = Callable[[Path, str, Scale], AsyncIterator[Figure]]
PARTS: Mapping[str, Measure] = {
    "starting": starting.measure,
    "rivals": rivals.measure,
    "idle": idle.measure,
    "notice": notice.measure,
    "looking": looking.measure,
    "objects": objects.measure,
    "kernel_log": kernel_log.measure,
    "command": command.measure,
}
FAILED = "failed"
RESULTS = Path(__file__).with_name("RESULTS.md")


async def measured(parts: Sequence[str], scale: Scale) -> list[Figure]:
    """Return all figures of these parts."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="kdumpd-bench-") as directory:
        work = Path(directory)
        async with private_bus(work, Broker.DBUS_DAEMON) as bus:
            for part in parts:
                sys.stderr.write(f"measuring: {part}\n")
                try:
                    figures += [one async for one in PARTS[part](work, bus.address, scale)]
                except (OSError, ServiceError, TimeoutError) as error:
                    figures.append(Figure(name=part, against="", missing=f"{FAILED}: {error!r}"))
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of all, in four minutes")
    parser.add_argument("--write", action="store_true", help="write the table into RESULTS.md")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    options = parser.parse_args(arguments)
    began = list(results.machine())
    figures = asyncio.run(measured(options.parts or list(PARTS), QUICK if options.quick else FULL))
    lines = list(results.table(figures, TARGETS))
    print("\n".join(lines))
    if options.write:
        document = RESULTS.read_text() if RESULTS.exists() else ""
        RESULTS.write_text(results.with_figures(document, [*began, "", *lines]))
    missed = [
        one.name
        for one in figures
        if one.misses(TARGETS.get(one.name)) or one.missing.startswith(FAILED)
    ]
    if missed:
        sys.stderr.write(f"missed: {'; '.join(missed)}\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
