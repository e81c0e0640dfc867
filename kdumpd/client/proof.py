# SPDX-License-Identifier: GPL-2.0-or-later
"""What the last crash test has proven, on one line."""

from datetime import datetime, timedelta

from kdumpd.client.selection import Properties
from kdumpd.model.text import human_size
from kdumpd.model.time import time_from_microseconds
from kdumpd.model.vocabulary import Proof, Readiness

UNITS = (
    ("week", timedelta(weeks=1)),
    ("day", timedelta(days=1)),
    ("hour", timedelta(hours=1)),
    ("minute", timedelta(minutes=1)),
)
# Objections of kdumpd-trigger that are fatal, by the findings that are their cause.
OBSTACLES = {
    "container": "the kernel is that of the container's host",
    "capture-kernel-running": "the crash kernel runs, and has a dump to save",
    "live-system": "a live system forgets the dump at the reboot",
}
FEWEST = 2  # of a unit, or it would be too rough


def proof_line(manager: Properties, test: Properties, now: datetime) -> str:
    """Return what the properties of org.kdumpd1.CrashTest say, of the machine as it is."""
    match test["Verdict"]:
        case Proof.NONE if obstacle := _obstacle(manager):
            return f"Crash test: not possible here, as {obstacle}"
        case Proof.NONE:
            return "Never proven: kdumpdctl test crashes this machine to see (kdumpd-trigger(8))"
        case Proof.PASSED:
            return f"Last proven: {_occasion(test, now)}{_proof(test)}{_doubt(test)}"
        case Proof.FAILED:
            why = test["Reason"].rstrip(".") or "nothing says why"
            return f"Last test: failed {_occasion(test, now)}: {why}{_doubt(test)}"
        case _:
            return f"Last test: {_occasion(test, now)}, what came of it is not known yet"


def ago(at: datetime, now: datetime) -> str:
    """Return a time as how long ago it was, in one unit from seconds to weeks."""
    passed = now - at
    if passed < timedelta():
        return "in the future, by this machine's clock,"
    for name, unit in UNITS:
        if passed >= FEWEST * unit:
            return f"{passed // unit} {name}s ago"
    seconds = passed // timedelta(seconds=1)
    return f"{seconds} second{'' if seconds == 1 else 's'} ago"


def _obstacle(manager: Properties) -> str:
    """Return why a test is refused whatever is done, empty where one can be made."""
    codes = [code for code, *_ in manager["Findings"]]
    why = next((why for code, why in OBSTACLES.items() if code in codes), "")
    if not why and manager["Readiness"] == Readiness.UNSUPPORTED:
        return "the kernel cannot capture its own crash"
    return why


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
