# SPDX-License-Identifier: GPL-2.0-or-later
"""What is true of this machine, on one screen of a terminal."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from kdumpd.client.proof import proof_line
from kdumpd.client.selection import Properties
from kdumpd.client.summary import UNTRUSTED, cause, state_word
from kdumpd.ctl.describe import armed_line, count_captures, reservation
from kdumpd.ctl.terminal import Screen, Style
from kdumpd.json_output import readiness_report
from kdumpd.model.readiness.finding import Severity
from kdumpd.model.readiness.report import UNKNOWN
from kdumpd.model.text import shown
from kdumpd.model.time import time_from_microseconds
from kdumpd.model.vocabulary import BootEnd, CaptureState, Readiness

NEWEST = 3  # captures
LABEL = 14  # columns
BAR = 20  # columns between its ends
WIDEST = 100  # columns of text; longer lines are hard to read
WHEN, SHORT_ID, STATE = 16, 8, 10  # columns
INDENT = GAP = "  "

OF_READINESS = {
    Readiness.READY: Style.GOOD,
    Readiness.DEGRADED: Style.DOUBTFUL,
    Readiness.NOT_READY: Style.BAD,
}
OF_OUTCOME = {
    Severity.FATAL: Style.BAD,
    Severity.WARNING: Style.DOUBTFUL,
    UNKNOWN: Style.DOUBTFUL,
    Severity.OK: Style.GOOD,
}
OF_STATE: Mapping[str, Style] = {
    CaptureState.COMPLETE: Style.GOOD,
    CaptureState.INCOMPLETE: Style.DOUBTFUL,
    CaptureState.DMESG_ONLY: Style.DOUBTFUL,
    CaptureState.UNREADABLE: Style.BAD,
    UNTRUSTED: Style.BAD,
    CaptureState.GONE: Style.DIM,
}


def screen_lines(
    manager: Properties,
    captures: Sequence[Properties],
    test: Properties,
    now: datetime,
    screen: Screen,
) -> Iterator[str]:
    """Yield what is true, in one sentence first, then as facts, and at last what to do."""
    yield from _sentence(manager, screen)
    yield ""
    yield from _fact("Reservation", reservation(manager), screen)
    if bar := reservation_bar(manager, unicode=screen.unicode):
        yield from _fact("", bar, screen)
    name, armed = armed_line(manager).split(": ", 1)
    yield from _fact(name, armed, screen)
    previous, why = manager["PreviousBoot"], manager["PreviousBootReason"]
    told = "clean" if previous == BootEnd.CLEAN else f"{previous}: {why}".rstrip(": ")
    yield from _fact("Boot before", told, screen)
    name, proof = proof_line(manager, test, now).split(": ", 1)
    yield from _fact(name, proof, screen)
    yield from _fact("Captures", count_captures(manager, captures), screen)
    for capture in captures[: -NEWEST - 1 : -1]:
        yield _labelled("", _capture(capture, screen), screen)
    folders = ", ".join(shown(folder) for folder in manager["CrashDirectories"])
    yield from _fact("Watching", folders, screen)
    yield from _what_to_do(manager, screen)


def reservation_bar(manager: Properties, *, unicode: bool) -> str:
    """Return how much of what the kernel should have reserved it has, empty where that is unknown.

    A reservation larger than that fills the bar.
    """
    reserved = manager["ReservedBytes"]
    target = manager["ExpectedBytes"] or manager["SuggestedBytes"]
    if not target:
        return ""
    filled = min(BAR, BAR * reserved // target)
    full, empty = ("█", "░") if unicode else ("#", "-")
    percent = 100 * reserved // target
    return f"[{full * filled}{empty * (BAR - filled)}] {percent} %"


def _sentence(manager: Properties, screen: Screen) -> Iterator[str]:
    word = manager["Readiness"]
    style = OF_READINESS.get(Readiness(word)) if word else None
    for number, line in enumerate(_wrapped(manager["Summary"], _width(screen))):
        known = number == 0 and line.startswith(word)
        yield screen.styled(word, style) + line.removeprefix(word) if known else line


def _what_to_do(manager: Properties, screen: Screen) -> Iterator[str]:
    unacknowledged = manager["Unacknowledged"]
    findings = [one for one in readiness_report(manager).checks if one.outcome != Severity.OK]
    if not findings and not unacknowledged:
        return
    yield ""
    yield screen.styled("What to do", Style.BOLD)
    for one in findings:
        text = f"{one.outcome}: {one.message} [{one.code}]"
        for number, line in enumerate(_wrapped(text, _width(screen) - len(INDENT))):
            outcome = screen.styled(one.outcome, OF_OUTCOME.get(one.outcome))
            yield INDENT + (outcome + line.removeprefix(one.outcome) if number == 0 else line)
        # Whole, however long: it is copied and typed.
        yield f"{INDENT * 2}{one.remedy}"
    if unacknowledged:
        crashes = "crash is" if unacknowledged == 1 else "crashes are"
        yield f"{INDENT}{unacknowledged} {crashes} not acknowledged"
        yield f"{INDENT * 2}kdumpdctl acknowledge --all"


def _capture(capture: Properties, screen: Screen) -> str:
    """Return a capture on one line: of a place that has no room, the class alone."""
    at = time_from_microseconds(capture["CrashedAt"])
    when = f"{at.astimezone():%Y-%m-%d %H:%M}" if capture["CrashedAt"] else "at unknown time"
    state = state_word(capture)
    head = f"{when:<{WHEN}}  {capture['Id'][:SHORT_ID]}  "
    room = _width(screen) - LABEL - len(GAP) - len(head) - STATE - len(GAP)
    what = cause(capture) if len(cause(capture)) <= room else capture["Class"]
    padding = " " * (STATE - len(state))
    return f"{head}{screen.styled(state, OF_STATE.get(state))}{padding}{GAP}{what}".rstrip()


def _fact(name: str, text: str, screen: Screen) -> Iterator[str]:
    for number, line in enumerate(_wrapped(text, _width(screen) - LABEL - len(GAP))):
        yield _labelled(name if number == 0 else "", line, screen)


def _labelled(name: str, line: str, screen: Screen) -> str:
    return " " * (LABEL - len(name)) + screen.styled(name, Style.DIM) + GAP + line


def _width(screen: Screen) -> int:
    return min(screen.width, WIDEST)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
