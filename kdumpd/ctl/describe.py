# SPDX-License-Identifier: GPL-2.0-or-later
"""What the daemon answers, as lines for people."""

import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime

from kdumpd.client.proof import proof_line
from kdumpd.client.selection import Properties
from kdumpd.client.summary import (
    cause,
    headline,
    joined,
    local_time,
    problem,
    summary_lines,
    was_intended,
)
from kdumpd.json_output import readiness_report
from kdumpd.model.readiness.report import status_lines
from kdumpd.model.text import human_size, shown
from kdumpd.model.vocabulary import BootEnd, CaptureState, Mechanism

# makedumpfile(8), option -d: bits of the dump level, and the pages that are left out.
PAGE_KINDS = {1: "zero", 2: "cache", 4: "private cache", 8: "user", 16: "free"}


def overview_lines(
    manager: Properties, captures: Sequence[Properties], test: Properties, now: datetime
) -> Iterator[str]:
    """Yield what is true, in one sentence first."""
    yield from status_lines(readiness_report(manager))
    yield ""
    yield f"Reservation: {reservation(manager)}"
    yield armed_line(manager)
    yield proof_line(manager, test, now)
    if manager["PreviousBoot"] != BootEnd.CLEAN:
        yield f"Boot before: {manager['PreviousBoot']}  ({manager['PreviousBootReason']})"
    yield f"Captures: {count_captures(manager, captures)}"
    if manager["Unacknowledged"]:
        yield f"Not acknowledged: {manager['Unacknowledged']}  (kdumpdctl acknowledge --all)"
    if captures:
        yield f"Last: {headline(captures[-1])}"
    folders = ", ".join(shown(folder) for folder in manager["CrashDirectories"])
    yield f"Watching: {folders}"


def info_lines(capture: Properties) -> Iterator[str]:
    """Yield what a capture is in two sentences, and then all that is known of it, a line each."""
    yield from summary_lines(capture)
    yield ""
    was = "was " if capture["State"] == CaptureState.GONE else ""
    facts = {
        "Capture": capture["Id"],
        "Crashed": _crashed(capture),
        "Cause": cause(capture),
        "Reason": capture["Reason"],
        "Command": capture["Command"],
        "Hardware": "the kernel's log tells of a hardware error"
        if capture["HardwareError"]
        else "",
        "Tainted": capture["Tainted"],
        "Kernel": joined(capture["KernelRelease"], capture["Architecture"]),
        "Build id": capture["BuildId"],
        "Host": capture["Host"],
        "State": capture["State"],
        "Trusted": "" if capture["Trusted"] else "no, so it is not read and counts as no crash",
        "Problem": problem(capture),
        "Core": was + shown(capture["CoreFile"]) if capture["CoreFile"] else "",
        "Size": human_size(capture["Size"]) if capture["CoreFile"] else "",
        "Format": joined(capture["Format"], capture["Compression"], _left_out(capture)),
        "Kernel log": was + shown(capture["DmesgFile"]) if capture["DmesgFile"] else "",
        "Directory": was + shown(capture["Directory"]),
        "Written by": capture["Layout"],
        "Crash kernel": _armed(capture),
        "Signature": _signature(capture),
        "Found": local_time(capture["FoundAt"]),
        "Removal": _removal(capture),
        "Acknowledged": _acknowledged(capture),
        "Warning": _warning(capture),
    }
    known = {name: text for name, text in facts.items() if text}
    width = max(len(name) for name in known)
    yield from (f"{name:>{width}}: {text}" for name, text in known.items())


def reservation(manager: Properties) -> str:
    """Return what is reserved for the crash kernel, and what should be."""
    asked, expected = manager["Crashkernel"], manager["ExpectedBytes"]
    reserved, suggested = manager["ReservedBytes"], manager["SuggestedBytes"]
    return joined(
        f"{human_size(reserved) if reserved else 'nothing'} reserved",
        f"{human_size(expected)} expected" if expected > reserved else "",
        f"{human_size(suggested)} usual" if suggested > reserved else "",
        f"crashkernel={asked}" if asked else "no crashkernel=",
    )


def armed_line(manager: Properties) -> str:
    """Return whether something would capture a panic, after its name and a colon."""
    armed = manager["CrashKernelLoaded"]
    if manager["Mechanism"] == Mechanism.FADUMP:
        return f"Fadump: {'registered' if armed else 'not registered'}"
    return f"Crash kernel: {'loaded' if armed else 'not loaded'}"


def count_captures(manager: Properties, captures: Sequence[Properties]) -> str:
    """Return how many captures there are, were, and come."""
    settling = manager["Settling"]
    gone = sum(capture["State"] == CaptureState.GONE for capture in captures)
    return joined(
        str(len(captures)),
        f"of which {gone} {'is' if gone == 1 else 'are'} gone" if gone else "",
        f"and {settling} more being written" if settling else "",
    )


def _crashed(capture: Properties) -> str:
    when = local_time(capture["CrashedAt"])
    return f"{when}, when its log was written" if when and not capture["CoreFile"] else when


def _acknowledged(capture: Properties) -> str:
    if capture["Acknowledged"]:
        return "yes"
    if not capture["Trusted"]:
        return ""
    return "no need to, it was on purpose" if was_intended(capture) else "no"


def _left_out(capture: Properties) -> str:
    level = capture["DumpLevel"]
    if level < 0:
        return ""
    kinds = [kind for bit, kind in PAGE_KINDS.items() if level & bit]
    return (
        f"dump level {level} (without {', '.join(kinds)} pages)"
        if kinds
        else "dump level 0 (all pages)"
    )


def _armed(capture: Properties) -> str:
    if capture["CoreFile"]:  # which proves it
        return ""
    return "was loaded when it died" if capture["CaptureArmed"] else "not known to have been loaded"


def _signature(capture: Properties) -> str:
    if not capture["Signature"]:
        return ""
    return f"{capture['Signature']} (number {capture['Occurrence']} of this kind)"


def _removal(capture: Properties) -> str:
    when, reason = local_time(capture["RemovalExpected"]), capture["RemovalReason"]
    return f"{when} or soon after: {reason}" if when else str(reason)


def _warning(capture: Properties) -> str:
    if not capture["WorldReadable"]:
        return ""
    folder = shlex.quote(shown(capture["Directory"]))
    return (
        "everybody may read it, and it holds the kernel's memory or log. Take the right away:"
        f" chmod -R go-rwx {folder}"
    )
