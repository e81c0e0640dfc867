# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures, readiness and crash tests in words for people."""

import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from kdumpd.ctl.client import Properties, obstacle_line
from kdumpd.json_output import readiness_report
from kdumpd.model.readiness.report import status_lines
from kdumpd.model.text import human_size, shown, time_from_microseconds
from kdumpd.model.vocabulary import (
    BootEnd,
    CaptureState,
    CrashClass,
    CrashTestVerdict,
    Mechanism,
    crash_was_intended,
)

UNTRUSTED = "untrusted"
MAX_CROWD_LINES = 5


def summary_lines(capture: Properties) -> Iterator[str]:
    """Yield two sentences: what crashed, and what was saved of it."""
    yield f"{_what(capture)}."
    yield f"{_saved(capture)}."


def headline(capture: Properties) -> str:
    """Return what tells a capture from others, on one line."""
    when = local_time(capture["CrashedAt"]) or "at an unknown time"
    kernel = f"kernel {capture['KernelRelease'] or 'unknown'}"
    return joined(kernel, when, cause(capture), state_word(capture), shown(capture["Directory"]))


def cause(capture: Properties) -> str:
    """Return the class, and where it happened; empty where nothing is known."""
    function, module = capture["Function"], capture["Module"]
    class_ = "" if capture["Class"] == CrashClass.UNKNOWN else str(capture["Class"])
    if not function:
        return class_
    owner = f" [{module}]" if module else ""
    return f"{class_} in {function}{owner}".lstrip()


# What a property holds, in the order in which it is said that this is hidden.
HIDDEN_WORDS = {
    "Reason": "reasons",
    "PreviousBootReason": "reasons",
    "Command": "commands",
    "Directory": "paths",
    "CoreFile": "paths",
    "DmesgFile": "paths",
    "Problem": "problems",
    "Findings": "names in findings",
    "Checks": "names in findings",
}


def hidden_sentence(*objects: Properties) -> str:
    """Return what of the objects is hidden from whoever asks, and who sees it; empty for nothing.

    A kdumpd that is older hides nothing.
    """
    names = {name for properties in objects for name in properties.get("Hidden", ())}
    words = dict.fromkeys(word for name, word in HIDDEN_WORDS.items() if name in names)
    if not words:
        return ""
    return (
        f"Hidden from you: {', '.join(words)}. On this machine they are for administrators, as the"
        " kernel's log or the crash directory is. To see them, run kdumpdctl as root."
    )


def has(capture: Properties, name: str) -> bool:
    """Return whether the capture has something of this name, such as a core, hidden or not."""
    return bool(capture[name]) or name in capture.get("Hidden", ())


def problem(capture: Properties) -> str:
    """Return what is wrong with the capture, as a clause of its own."""
    if capture["Problem"] and capture["CoreFile"] and capture["Trusted"]:
        return f"the core {capture['Problem']}"
    return str(capture["Problem"])


def state_word(capture: Properties) -> str:
    """Return the state; of what a stranger put there, which is not read, that it is that."""
    there = capture["State"] != CaptureState.GONE
    return UNTRUSTED if there and not capture["Trusted"] else str(capture["State"])


def new_word(capture: Properties) -> str:
    """Return no if somebody has acknowledged the crash, else yes; empty where nobody needs to."""
    if capture["Acknowledged"]:
        return "no"
    return "" if was_intended(capture) or not capture["Trusted"] else "yes"


def crowds_of(captures: Sequence[Properties]) -> Sequence[Sequence[Properties]]:
    """Return what strangers have put there and was never read, by user, where that is several."""
    crowds: defaultdict[int, list[Properties]] = defaultdict(list)
    for capture in captures:
        if state_word(capture) == UNTRUSTED and not capture["CrashedAt"]:
            crowds[capture["Owner"]].append(capture)
    several = [crowd for crowd in crowds.values() if len(crowd) > 1]
    return sorted(several, key=len, reverse=True)


def crowd_lines(crowds: Sequence[Sequence[Properties]]) -> Iterator[str]:
    """Yield a line for each user with several captures that are not trusted, up to a few."""
    for crowd in crowds[:MAX_CROWD_LINES]:
        uid = crowd[0]["Owner"]
        yield f"{len(crowd):,} captures of uid {uid} are not trusted: kdumpdctl list --untrusted"
    if rest := crowds[MAX_CROWD_LINES:]:
        yield f"{sum(map(len, rest)):,} captures of {len(rest):,} other uids are not trusted"


def was_intended(capture: Properties) -> bool:
    """Return whether the kernel was crashed on purpose, so that nobody needs to acknowledge it."""
    return crash_was_intended(capture["Class"], is_test=capture["IsTest"])


def local_time(microseconds: int) -> str:
    """Return a time as this machine's clock shows it, empty for an unknown one."""
    if not microseconds:
        return ""
    at = time_from_microseconds(microseconds)
    return f"{at.astimezone():%a %Y-%m-%d %H:%M:%S %Z}"


def joined(*texts: str) -> str:
    """Return the texts that say something, with commas between."""
    return ", ".join(filter(None, texts))


def _what(capture: Properties) -> str:
    if not capture["Trusted"]:
        return "This may be a capture, but anybody could have put it there"
    kernel = f"Kernel {capture['KernelRelease']}" if capture["KernelRelease"] else "A kernel"
    host = f" of {capture['Host']}" if capture["Host"] else ""
    when = local_time(capture["CrashedAt"])
    why = capture["Reason"] or cause(capture)
    place = f", in {capture['Function']}" if capture["Reason"] and capture["Function"] else ""
    return (
        f"{kernel}{host} {_how(capture)}"
        + (f" on {when}" if when else "")
        + (f": {why.rstrip('.')}{place}" if why else ", nothing says why")
    )


def _how(capture: Properties) -> str:
    if capture["IsTest"]:
        return "was crashed as a test"
    return "was crashed on purpose" if capture["Class"] == CrashClass.SYSRQ else "crashed"


def _saved(capture: Properties) -> str:
    core, log = shown(capture["CoreFile"]), shown(capture["DmesgFile"])
    directory, size = shown(capture["Directory"]), human_size(capture["Size"])
    match capture["State"]:
        case CaptureState.COMPLETE:
            return f"The dump is complete: {joined(core, size)}"
        case CaptureState.DMESG_ONLY:
            return _with_place("There is no dump, only the kernel log", log)
        case CaptureState.GONE:
            return "What was captured is gone" + (f" from {directory}" if directory else "")
        case CaptureState.INCOMPLETE if has(capture, "CoreFile"):
            return f"The dump is incomplete: {joined(core, size)}"
        case CaptureState.INCOMPLETE:
            return _with_place("There is no dump, and no kernel log", directory)
        case _:
            return _with_place("What was saved cannot be read", core or log or directory)


def _with_place(what: str, place: str) -> str:
    return f"{what}: {place}" if place else what


DURATION_UNITS = (
    ("week", timedelta(weeks=1)),
    ("day", timedelta(days=1)),
    ("hour", timedelta(hours=1)),
    ("minute", timedelta(minutes=1)),
)
MIN_UNITS = 2  # of a unit, or it would be too rough


def crash_test_line(manager: Properties, test: Properties, now: datetime) -> str:
    """Return what the properties of org.kdumpd1.CrashTest say, of the machine as it is."""
    match test["Verdict"]:
        case CrashTestVerdict.NONE if obstacle := obstacle_line(manager):
            return obstacle
        case CrashTestVerdict.NONE:
            return "Never tested: kdumpdctl test crashes this machine to see (kdumpd-trigger(8))"
        case CrashTestVerdict.PASSED:
            return f"Last test: passed {_occasion(test, now)}{_proof(test)}{_doubt(test)}"
        case CrashTestVerdict.FAILED:
            why = test["Reason"].rstrip(".") or "nothing says why"
            return f"Last test: failed {_occasion(test, now)}: {why}{_doubt(test)}"
        case _:
            return f"Last test: {_occasion(test, now)}, what came of it is not known yet"


def ago(at: datetime, now: datetime) -> str:
    """Return a time as how long ago it was, in one unit from seconds to weeks."""
    passed = now - at
    if passed < timedelta():
        return "in the future, by this machine's clock,"
    for name, unit in DURATION_UNITS:
        if passed >= MIN_UNITS * unit:
            return f"{passed // unit} {name}s ago"
    seconds = passed // timedelta(seconds=1)
    return f"{seconds} second{'' if seconds == 1 else 's'} ago"


def _occasion(test: Properties, now: datetime) -> str:
    at = time_from_microseconds(test["TestedAt"])
    when = ago(at, now) if test["TestedAt"] else "at an unknown time"
    return f"{when} on {test['TestedKernel']}" if test["TestedKernel"] else when


def _proof(test: Properties) -> str:
    size = f", {human_size(test['Size'])}" if test["Size"] else ""
    seconds = f" in {test['Seconds']} s" if size and test["Seconds"] else ""
    id_ = test["Capture"].rpartition("/")[2]
    return size + seconds + (f" (capture {id_})" if id_ else "")


def _doubt(test: Properties) -> str:
    return f", but: {test['StaleReason']}" if test["Stale"] else ""


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
    yield crash_test_line(manager, test, now)
    if manager["PreviousBoot"] != BootEnd.CLEAN:
        why = manager["PreviousBootReason"]
        yield f"Boot before: {manager['PreviousBoot']}" + (f"  ({why})" if why else "")
    yield f"Captures: {count_captures(manager, captures)}"
    if hint := unread_hint(captures):
        yield hint
    if manager["Unacknowledged"]:
        yield f"Not acknowledged: {manager['Unacknowledged']}  (kdumpdctl acknowledge --all)"
    if captures:
        yield f"Last: {headline(captures[-1])}"
    directories = ", ".join(shown(directory) for directory in manager["CrashDirectories"])
    yield f"Watching: {directories}"


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
        "Size": human_size(capture["Size"]) if has(capture, "CoreFile") else "",
        "Format": joined(capture["Format"], capture["Compression"], _left_out(capture)),
        "Kernel log": was + shown(capture["DmesgFile"]) if capture["DmesgFile"] else "",
        "Directory": was + shown(capture["Directory"]) if capture["Directory"] else "",
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
    untrusted = sum(state_word(capture) == UNTRUSTED for capture in captures)
    return joined(
        str(len(captures)),
        f"of which {gone} {'is' if gone == 1 else 'are'} gone" if gone else "",
        f"{untrusted} of them not trusted" if untrusted else "",
        f"and {settling} more being written" if settling else "",
    )


def unread_hint(captures: Sequence[Properties]) -> str:
    """Return of how many captures the class is unknown, as their cores gave no log, and what helps.

    Empty where there are none. drgn reads the log out of most cores, makedumpfile out of fewer.
    """
    count = sum(
        capture["Class"] == CrashClass.UNKNOWN
        and capture["State"] == CaptureState.COMPLETE
        and capture["Trusted"]
        and not has(capture, "DmesgFile")
        for capture in captures
    )
    if not count:
        return ""
    cores = "1 core gave" if count == 1 else f"{count} cores gave"
    return (
        f"Class unknown: {cores} no kernel log. kdumpdctl info says why; python3-drgn, where it is"
        " installed, reads most"
    )


def _crashed(capture: Properties) -> str:
    when = local_time(capture["CrashedAt"])
    without = not has(capture, "CoreFile")
    return f"{when}, when its log was written" if when and without else when


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
    if has(capture, "CoreFile"):  # which proves it
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
    what = "everybody may read it, and it holds the kernel's memory or log"
    if not capture["Directory"]:
        return f"{what}: tell an administrator"
    directory = shlex.quote(shown(capture["Directory"]))
    return f"{what}. Take the right away: chmod -R go-rwx {directory}"
