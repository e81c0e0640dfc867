# SPDX-License-Identifier: GPL-2.0-or-later
"""One capture in a few words: what crashed, when, why, and what was got of it."""

from collections.abc import Iterator

from kdumpd.client.selection import Properties
from kdumpd.model.text import human_size, shown
from kdumpd.model.time import time_from_microseconds
from kdumpd.model.vocabulary import CaptureState, CrashClass, crash_was_intended

UNTRUSTED = "untrusted"


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
    size = human_size(capture["Size"])
    match capture["State"]:
        case CaptureState.COMPLETE:
            return f"The dump is complete: {core}, {size}"
        case CaptureState.DMESG_ONLY:
            return f"There is no dump, only the kernel log: {log}"
        case CaptureState.GONE:
            return f"What was captured is gone from {shown(capture['Directory'])}"
        case CaptureState.INCOMPLETE if core:
            return f"The dump is incomplete: {core}, {size}"
        case CaptureState.INCOMPLETE:
            return f"There is no dump, and no kernel log: {shown(capture['Directory'])}"
        case _:
            place = core or log or shown(capture["Directory"])
            return f"What was saved cannot be read: {place}"
