# SPDX-License-Identifier: GPL-2.0-or-later
"""What is true of this machine, on one screen of a terminal; captures as a table."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from kdumpd.ctl.client import Properties
from kdumpd.ctl.describe import (
    UNTRUSTED,
    armed_line,
    cause,
    count_captures,
    crash_test_line,
    has,
    local_time,
    new_word,
    reservation,
    state_word,
    unread_hint,
)
from kdumpd.ctl.terminal import NO_SCREEN, Screen, Style
from kdumpd.json_output import readiness_report
from kdumpd.model.readiness.finding import Severity
from kdumpd.model.readiness.report import UNKNOWN_OUTCOME, problems_of, text_columns
from kdumpd.model.text import human_size, shown, time_from_microseconds, wrapped, wrapped_at_clauses
from kdumpd.model.vocabulary import BootEnd, CaptureState, Readiness

MAX_NEWEST_CAPTURES = 3
LABEL_COLUMNS = 14
BAR_COLUMNS = 20  # between its ends
TIME_COLUMNS, SHORT_ID_COLUMNS, STATE_COLUMNS = 16, 8, 10
INDENT = GAP = "  "

READINESS_STYLES = {
    Readiness.READY: Style.GOOD,
    Readiness.DEGRADED: Style.DOUBTFUL,
    Readiness.NOT_READY: Style.BAD,
}
OUTCOME_STYLES = {
    Severity.FATAL: Style.BAD,
    Severity.WARNING: Style.DOUBTFUL,
    UNKNOWN_OUTCOME: Style.DOUBTFUL,
}
STATE_STYLES: Mapping[str, Style] = {
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
    name, proof = crash_test_line(manager, test, now).split(": ", 1)
    yield from _fact(name, proof, screen)
    yield from _fact("Captures", count_captures(manager, captures), screen)
    for capture in captures[: -MAX_NEWEST_CAPTURES - 1 : -1]:
        yield _labelled("", _capture(capture, screen), screen)
    if hint := unread_hint(captures):
        name, what = hint.split(": ", 1)
        yield from _fact(name, what, screen)
    directories = ", ".join(shown(directory) for directory in manager["CrashDirectories"])
    yield from _fact("Watching", directories, screen)
    yield from _what_to_do(manager, screen)


def reservation_bar(manager: Properties, *, unicode: bool) -> str:
    """Return how much of what the kernel should have reserved it has, empty where that is unknown.

    A reservation larger than that fills the bar.
    """
    reserved = manager["ReservedBytes"]
    target = manager["ExpectedBytes"] or manager["SuggestedBytes"]
    if not target:
        return ""
    filled = min(BAR_COLUMNS, BAR_COLUMNS * reserved // target)
    full, empty = ("█", "░") if unicode else ("#", "-")
    percent = 100 * reserved // target
    return f"[{full * filled}{empty * (BAR_COLUMNS - filled)}] {percent} %"


def _sentence(manager: Properties, screen: Screen) -> Iterator[str]:
    word = manager["Readiness"]
    style = READINESS_STYLES.get(Readiness(word)) if word else None
    for number, line in enumerate(wrapped(manager["Summary"], _width(screen))):
        known = number == 0 and line.startswith(word)
        yield screen.styled(word, style) + line.removeprefix(word) if known else line


def _what_to_do(manager: Properties, screen: Screen) -> Iterator[str]:
    unacknowledged = manager["Unacknowledged"]
    findings = problems_of(readiness_report(manager).checks)
    if not findings and not unacknowledged:
        return
    yield ""
    yield screen.styled("What to do", Style.BOLD)
    for one in findings:
        text = f"{one.outcome}: {one.message} [{one.code}]"
        for number, line in enumerate(wrapped(text, _width(screen) - len(INDENT))):
            outcome = screen.styled(one.outcome, OUTCOME_STYLES.get(one.outcome))
            yield INDENT + (outcome + line.removeprefix(one.outcome) if number == 0 else line)
        if one.remedy:
            for line in wrapped_at_clauses(one.remedy, _width(screen) - len(INDENT * 2)):
                yield INDENT * 2 + line
    if unacknowledged:
        crashes = "crash is" if unacknowledged == 1 else "crashes are"
        yield f"{INDENT}{unacknowledged} {crashes} not acknowledged"
        yield f"{INDENT * 2}kdumpdctl acknowledge --all"


def _capture(capture: Properties, screen: Screen) -> str:
    """Return a capture on one line: of a place that has no room, the class alone."""
    at = time_from_microseconds(capture["CrashedAt"])
    when = f"{at.astimezone():%Y-%m-%d %H:%M}" if capture["CrashedAt"] else "at unknown time"
    state = state_word(capture)
    head = f"{when:<{TIME_COLUMNS}}  {capture['Id'][:SHORT_ID_COLUMNS]}  "
    room = _width(screen) - LABEL_COLUMNS - len(GAP) - len(head) - STATE_COLUMNS - len(GAP)
    what = cause(capture) if len(cause(capture)) <= room else capture["Class"]
    padding = " " * (STATE_COLUMNS - len(state))
    return f"{head}{screen.styled(state, STATE_STYLES.get(state))}{padding}{GAP}{what}".rstrip()


def _fact(name: str, text: str, screen: Screen) -> Iterator[str]:
    for number, line in enumerate(wrapped(text, _width(screen) - LABEL_COLUMNS - len(GAP))):
        yield _labelled(name if number == 0 else "", line, screen)


def _labelled(name: str, line: str, screen: Screen) -> str:
    return " " * (LABEL_COLUMNS - len(name)) + screen.styled(name, Style.DIM) + GAP + line


def _width(screen: Screen) -> int:
    return text_columns(screen.width)


NO_VALUE = "-"
COLUMN_GAP = 2
TIME_TITLE = "TIME"
KERNEL_TITLE = "KERNEL"
CLASS_TITLE = "CLASS"
STATE_TITLE = "STATE"
NEW_TITLE = "NEW"
SIZE_TITLE = "SIZE"
ID_TITLE = "ID"
DIRECTORY_TITLE = "DIRECTORY"
COLUMNS: Mapping[str, Callable[[Properties], str]] = {
    TIME_TITLE: lambda capture: local_time(capture["CrashedAt"]) or NO_VALUE,
    KERNEL_TITLE: lambda capture: capture["KernelRelease"] or NO_VALUE,
    CLASS_TITLE: lambda capture: str(capture["Class"]),
    STATE_TITLE: state_word,
    NEW_TITLE: lambda capture: new_word(capture) or NO_VALUE,
    SIZE_TITLE: lambda capture: (
        human_size(capture["Size"]) if has(capture, "CoreFile") else NO_VALUE
    ),
    ID_TITLE: lambda capture: str(capture["Id"]),
    DIRECTORY_TITLE: lambda capture: shown(capture["Directory"]) or NO_VALUE,
}
# What a narrow terminal does without, one after the other.
EXPENDABLE_TITLES = (DIRECTORY_TITLE, KERNEL_TITLE, SIZE_TITLE, NEW_TITLE)

Table = Mapping[str, Sequence[str]]  # the cells by their columns


def list_lines(
    captures: Sequence[Properties], screen: Screen = NO_SCREEN, *, legend: bool = True
) -> Iterator[str]:
    """Yield a table of captures, a line each, in their order."""
    table = {name: [cell(capture) for capture in captures] for name, cell in COLUMNS.items()}
    widths = fitting({name: _column_width(name, cells) for name, cells in table.items()}, screen)
    if legend:
        yield screen.styled(_line({name: name for name in widths}, widths, NO_SCREEN), Style.BOLD)
    for number in range(len(captures)):
        yield _line({name: table[name][number] for name in widths}, widths, screen)


def fitting(widths: Mapping[str, int], screen: Screen) -> Mapping[str, int]:
    """Return the columns that fit on the screen, with their widths; at least those of a pipe."""
    kept = dict(widths)
    for name in EXPENDABLE_TITLES:
        total = sum(kept.values()) + COLUMN_GAP * (len(kept) - 1)
        if not screen.is_terminal or total <= screen.width:
            break
        del kept[name]
    return kept


def _column_width(name: str, cells: Sequence[str]) -> int:
    return max(len(name), *(len(cell) for cell in cells), 0)


def _line(cells: Mapping[str, str], widths: Mapping[str, int], screen: Screen) -> str:
    last = list(widths)[-1]
    parts = []
    for name, width in widths.items():
        cell = cells[name]
        room = " " * (width - len(cell))
        styled = screen.styled(cell, STATE_STYLES.get(cell) if name == STATE_TITLE else None)
        parts.append(
            room + styled if name == SIZE_TITLE else styled + ("" if name == last else room)
        )
    return (" " * COLUMN_GAP).join(parts)
