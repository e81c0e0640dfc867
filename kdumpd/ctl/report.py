# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpdctl report: one crash as a text to paste into a bug, with nothing in it that harms."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kdumpd import __version__
from kdumpd.ctl.client import Daemon, Properties, select
from kdumpd.ctl.describe import cause, has, joined
from kdumpd.ctl.terminal import print_json, print_paged, tell
from kdumpd.model.crashlog.incident import find_incident
from kdumpd.model.crashlog.lines import MAX_LOG_BYTES, LogLine, parse_lines
from kdumpd.model.crashlog.scrub import scrubbed
from kdumpd.model.text import USEC_PER_SEC, human_size, printable
from kdumpd.model.vocabulary import CaptureState

HARDWARE_PREFIX = b"Hardware name: "
MAX_LINES_WITHOUT_INCIDENT = 60  # of a log in which nothing tells where it begins
HOST_PLACEHOLDER = "(host)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """What a report may tell."""

    addresses: bool = False  # registers and code too
    host: bool = False


async def report(daemon: Daemon, options: argparse.Namespace) -> int:
    """Print what is known of one crash, or of the newest, to paste it into a bug."""
    capture = select(await daemon.captures(), options.id)
    log = read_log(await daemon.open_dmesg(capture["Id"], interactive=sys.stdin.isatty()))
    if capture.get("Hidden"):  # from who had not shown his right to the log yet
        capture = select(await daemon.captures(), capture["Id"])
    report_options = ReportOptions(addresses=options.addresses, host=options.host)
    lines = parse_lines(log)
    facts, log_lines = (
        report_facts(capture, lines, report_options),
        log_extract(capture, lines, report_options),
    )
    if options.json == "off":
        await print_paged(report_lines(facts, log_lines, report_options), options)
    else:
        named = {name.lower().replace(" ", "_"): text for name, text in facts.items()}
        print_json({**named, "log": log_lines}, options.json)
    if options.addresses:
        tell("It holds addresses of the kernel: think before you publish it.")
    return 0


def report_lines(
    facts: dict[str, str], log_lines: Sequence[str], report_options: ReportOptions
) -> Iterator[str]:
    """Yield the whole text."""
    known = {name: text for name, text in facts.items() if text}
    width = max(len(name) for name in known)
    yield from (f"{name:>{width}}: {text}" for name, text in known.items())
    yield ""
    without = "" if report_options.addresses else "; * stands for what may be an address"
    yield f"The kernel's log, from the first sign of it to its end{without}:"
    yield ""
    yield from log_lines


def report_facts(
    capture: Properties, lines: Sequence[LogLine], report_options: ReportOptions
) -> dict[str, str]:
    """Return what the report says before the log, by its names; an unknown text is empty."""
    return {
        "Kernel": joined(capture["KernelRelease"], capture["Architecture"]),
        "Build id": capture["BuildId"],
        "Class": capture["Class"],
        "Reason": capture["Reason"],
        "Where": cause(capture).partition(" in ")[2],
        "Signature": capture["Signature"],
        "Occurrence": str(capture["Occurrence"] or ""),
        "Command": capture["Command"],
        "Tainted": capture["Tainted"],
        "Hardware": hardware(lines),
        "Hardware error": "the log tells of one" if capture["HardwareError"] else "",
        "Host": capture["Host"] if report_options.host else "",
        "Dump": _dump(capture),
        "Reported by": f"kdumpdctl {__version__}",
    }


def hardware(lines: Sequence[LogLine]) -> str:
    """Return the machine's name as the kernel printed it last, empty where it did not."""
    for line in reversed(lines):
        if HARDWARE_PREFIX in line.text:
            return printable(line.text.partition(HARDWARE_PREFIX)[2])
    return ""


def log_extract(
    capture: Properties, lines: Sequence[LogLine], report_options: ReportOptions
) -> list[str]:
    """Return the log's lines from the first sign of the crash, or its last where there is none."""
    incident = find_incident(lines)
    start = max(0, len(lines) - MAX_LINES_WITHOUT_INCIDENT) if incident is None else incident.start
    host = "" if report_options.host else capture["Host"]
    return [_shown(line, host, report_options) for line in lines[start:]]


def read_log(fd: int) -> bytes:
    """Return what is read from the descriptor, of a long log its end, and close it."""
    with os.fdopen(fd, "rb") as log:
        size = os.fstat(log.fileno()).st_size
        log.seek(max(0, size - MAX_LOG_BYTES))
        return log.read(MAX_LOG_BYTES)


def _shown(line: LogLine, host: str, report_options: ReportOptions) -> str:
    text = printable(line.text) if report_options.addresses else scrubbed(line.text)
    if host:
        text = text.replace(host, HOST_PLACEHOLDER)
    if line.time is None:
        return text
    seconds, fraction = divmod(line.time, USEC_PER_SEC)
    return f"[{seconds:5}.{fraction:06}] {text}"


def _dump(capture: Properties) -> str:
    if capture["State"] in {CaptureState.COMPLETE, CaptureState.INCOMPLETE} and has(
        capture, "CoreFile"
    ):
        return joined(
            capture["State"], human_size(capture["Size"]), capture["Format"], capture["Problem"]
        )
    return str(capture["State"])
