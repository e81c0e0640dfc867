# SPDX-License-Identifier: GPL-2.0-or-later
"""Which crashes a user has not been told of yet, and the notification for each."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from kdumpd.ctl.client import Properties
from kdumpd.ctl.describe import cause, has, local_time, problem, summary_lines, was_intended
from kdumpd.model.readiness.finding import Severity
from kdumpd.model.text import human_size, shown
from kdumpd.model.vocabulary import BootEnd, CaptureState

MAX_BODY_LINE_CHARACTERS = 200
MAX_BODY_WORD_CHARACTERS = 80  # of what is but a part of a line
ELLIPSIS = "…"
# Desktop Notifications Specification 1.2, Markup: that of XML, of which only these matter in text.
MARKUP_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
ALL_OPTION = "--all"
NOTHING_SAVED_SENTENCE = "Nothing was saved."
MAX_CRASHES_AT_ONCE = 3  # crashes; more are told of in one notification
MAX_LISTED_CRASHES = 5  # of these, where no terminal can say more
# Of findings: what is said of them at once, and where no terminal can say more.
MAX_FINDING_LINES, MAX_FINDING_FACTS = 2, 6
CAPTURE_ID_PATTERN = r"[0-9a-f]{16}"
BOOT_ID_PATTERN = r"[0-9a-f-]{1,36}"


def visible(text: str, longest: int = MAX_BODY_LINE_CHARACTERS) -> str:
    r"""Return the text on one line: control and bidi characters as \x1b or \u202e, the end cut."""
    line = shown(text[: longest + 1].encode("utf-8", "backslashreplace"))
    return line if len(line) <= longest else line[: longest - 1] + ELLIPSIS


def escaped(text: str) -> str:
    """Return the text as markup that shows it as it is."""
    return text.translate(MARKUP_ENTITIES)


def bold(text: str) -> str:
    """Return the markup that shows the text in bold letters."""
    return f"<b>{escaped(text)}</b>"


class Urgency(IntEnum):
    """The levels of the Desktop Notifications Specification 1.2, in its hint urgency."""

    LOW = 0
    NORMAL = 1
    CRITICAL = 2  # does not go away by itself


class Category(StrEnum):
    """Which kind it is, of those in the same specification."""

    DEVICE = "device"
    DEVICE_ERROR = "device.error"


class Action(StrEnum):
    """What one can press on it."""

    DETAILS = "details"
    ACKNOWLEDGE = "acknowledge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One notification; its title, lines and facts are visible text of bounded length."""

    title: str
    lines: tuple[str, ...]
    command: tuple[str, ...]  # of kdumpdctl: what tells more
    urgency: Urgency = Urgency.CRITICAL
    category: Category = Category.DEVICE_ERROR
    keys: tuple[str, ...] = ()  # what is told by it, as it is remembered
    facts: tuple[str, ...] = ()  # what it says instead where no terminal can say more
    about: tuple[str, ...] = ()  # the ids of the captures that it tells of
    acknowledges: str = ""  # an id, --all, or nothing that could be acknowledged

    @property
    def actions(self) -> tuple[tuple[Action, str], ...]:
        """Return what can be pressed, and what is written on it."""
        label = "Acknowledge all" if self.acknowledges == ALL_OPTION else "Acknowledge"
        acknowledge = ((Action.ACKNOWLEDGE, label),) if self.acknowledges else ()
        return (*(() if self.is_full else ((Action.DETAILS, "Details"),)), *acknowledge)

    @property
    def is_full(self) -> bool:
        """Whether it says already what can be said in a notification."""
        return not self.facts

    def body(self, *, markup: bool) -> str:
        """Return its text, the command in bold letters where there may be markup."""
        typed = " ".join(("kdumpdctl", *self.command))
        if not markup:
            return "\n".join((*self.lines, f"Type: {typed}"))
        return "\n".join((*map(escaped, self.lines), f"Type: {bold(typed)}"))


def crash_notification(capture: Properties, key: str) -> Notification:
    """Return what is to be said of one crash."""
    return Notification(
        title="The kernel crashed",
        lines=(_which(capture), _why(capture), _saved(capture)),
        command=("info", capture["Id"]),
        keys=(key,),
        facts=tuple(_facts(capture)),
        about=(capture["Id"],),
        acknowledges=capture["Id"],
    )


def crashes_notification(captures: Sequence[Properties], keys: tuple[str, ...]) -> Notification:
    """Return what is to be said of many crashes, the newest of which is the last."""
    whole = sum(capture["State"] == CaptureState.COMPLETE for capture in captures)
    last = captures[-1]
    return Notification(
        title=f"The kernel crashed {len(captures)} times",
        lines=(
            f"{whole} of {len(captures)} dumps are complete. The last crash:",
            _which(last),
            _why(last),
            _saved(last),
        ),
        command=("list",),
        keys=keys,
        facts=tuple(_rows(captures)),
        about=tuple(capture["Id"] for capture in captures),
        acknowledges=ALL_OPTION,
    )


def intended_notification(capture: Properties, keys: tuple[str, ...]) -> Notification:
    """Return what is to be said of a crash on purpose: quietly, what came of it."""
    good = capture["State"] == CaptureState.COMPLETE
    test = "The crash test left a dump" if good else "The crash test failed"
    return Notification(
        title=test if capture["IsTest"] else "Crashed on purpose",
        lines=(_which(capture), _saved(capture)),
        command=("info", capture["Id"]),
        urgency=Urgency.LOW,
        category=Category.DEVICE,
        keys=keys,
        facts=tuple(_facts(capture)),
    )


def lost_notification(reason: str, key: str) -> Notification:
    """Return what is to be said of a crash of which nothing was captured."""
    lines = (
        _sentence(reason) or "The previous boot ended in a crash.",
        NOTHING_SAVED_SENTENCE,
    )
    return Notification(
        title="A crash left no dump", lines=lines, command=("status",), keys=(key,), facts=lines
    )


def lost_test_notification(reason: str, key: str) -> Notification:
    """Return what is to be said of a crash test of which nothing was captured: quietly."""
    lines = (_sentence(reason) or "The kernel was crashed as a test.", NOTHING_SAVED_SENTENCE)
    return Notification(
        title="The crash test failed",
        lines=lines,
        command=("status",),
        urgency=Urgency.LOW,
        category=Category.DEVICE,
        keys=(key,),
        facts=lines,
    )


def unready_notification(manager: Properties, key: str) -> Notification:
    """Return what is to be said where the next panic would leave no dump."""
    fatal = [finding for finding in manager["Findings"] if finding[1] == Severity.FATAL]
    facts = [line for finding in fatal for line in _finding_lines(*finding)]
    said = facts or [visible(manager["Summary"])]
    return Notification(
        title="A crash would leave no dump",
        lines=tuple(said[:MAX_FINDING_LINES]),
        command=("check",),
        urgency=Urgency.NORMAL,
        keys=(key,),
        facts=tuple(said[:MAX_FINDING_FACTS]),
    )


def refusal_notification(notification: Notification, sentence: str) -> Notification:
    """Return what is to be said where a crash could not be acknowledged."""
    return Notification(
        title="Not acknowledged",
        lines=(_sentence(sentence) or "kdumpd does not say why.",),
        command=("acknowledge", notification.acknowledges),
        urgency=Urgency.NORMAL,
        about=notification.about,
        acknowledges=notification.acknowledges,
    )


def full_notification(notification: Notification) -> Notification:
    """Return the notification with all that it can say, where no terminal can be opened."""
    return Notification(
        title=notification.title,
        lines=notification.facts,
        command=notification.command,
        urgency=notification.urgency,
        category=notification.category,
        about=notification.about,
        acknowledges=notification.acknowledges,
    )


def _which(capture: Properties) -> str:
    release = visible(capture["KernelRelease"], MAX_BODY_WORD_CHARACTERS) or "of unknown release"
    host = f" of {visible(capture['Host'], MAX_BODY_WORD_CHARACTERS)}" if capture["Host"] else ""
    return f"Kernel {release}{host}, {local_time(capture['CrashedAt']) or 'at an unknown time'}"


def _why(capture: Properties) -> str:
    where = visible(cause(capture), MAX_BODY_WORD_CHARACTERS)
    reason = visible(capture["Reason"])
    return ": ".join(filter(None, (where, reason))) or "The cause is unknown"


def _saved(capture: Properties) -> str:
    size = human_size(capture["Size"])
    match capture["State"]:
        case CaptureState.COMPLETE:
            return f"The dump is complete: {size}"
        case CaptureState.DMESG_ONLY:
            return "There is no dump, only the kernel log"
        case CaptureState.GONE:
            return "The capture is gone"
        case CaptureState.INCOMPLETE if has(capture, "CoreFile"):
            return f"The dump is incomplete: {size}"
        case CaptureState.INCOMPLETE:
            return "There is no dump, and no kernel log"
        case _:
            return "What was saved cannot be read"


def _facts(capture: Properties) -> Iterator[str]:
    yield from map(visible, summary_lines(capture))
    if capture["Problem"]:
        yield f"Problem: {visible(problem(capture))}"
    if capture["Command"]:
        yield f"Command: {visible(capture['Command'], MAX_BODY_WORD_CHARACTERS)}"
    if capture["Occurrence"] > 1:
        yield f"Number {capture['Occurrence']} of this kind"


def _rows(captures: Sequence[Properties]) -> Iterator[str]:
    """Yield the newest crashes, a line each."""
    for capture in captures[-MAX_LISTED_CRASHES:]:
        yield f"{local_time(capture['CrashedAt']) or '-'}, {capture['State']}: {capture['Id']}"


def _finding_lines(_: str, __: str, message: str, remedy: str) -> Iterator[str]:
    yield _sentence(message)
    if remedy:
        yield f"What to do: {visible(remedy)}"


def _sentence(text: str) -> str:
    line = visible(text.rstrip("."))
    return f"{line[:1].upper()}{line[1:]}." if line else ""


def new_notifications(
    manager: Properties,
    captures: Sequence[Properties],
    told: Collection[str],
    *,
    unready: bool,
) -> Iterator[Notification]:
    """Yield what is to be told, the oldest first.

    Captures come with the newest crash last. What was told is in `told`, by the keys of the
    notifications. `unready` says that readiness is not-ready for good, and not for a moment.
    """
    boot = str(manager["BootId"]) if re.fullmatch(BOOT_ID_PATTERN, str(manager["BootId"])) else ""
    new = [
        capture
        for capture in captures
        if capture["Trusted"]
        and not capture["Acknowledged"]
        and re.fullmatch(CAPTURE_ID_PATTERN, capture["Id"])
        and capture_key(capture) not in told
    ]
    crashes = [capture for capture in new if not was_intended(capture)]
    intended = [capture for capture in new if was_intended(capture)]
    if boot and f"boot {boot} lost" not in told:
        yield from _lost(manager, f"boot {boot} lost")
    if len(crashes) > MAX_CRASHES_AT_ONCE:
        yield crashes_notification(crashes, tuple(map(capture_key, crashes)))
    else:
        yield from (crash_notification(capture, capture_key(capture)) for capture in crashes)
    if intended:
        yield intended_notification(intended[-1], tuple(map(capture_key, intended)))
    if boot and unready and f"boot {boot} unready" not in told:
        yield unready_notification(manager, f"boot {boot} unready")


def capture_key(capture: Properties) -> str:
    """Return what is remembered of a capture that was told of."""
    return f"capture {capture['Id']}"


def _lost(manager: Properties, key: str) -> Iterator[Notification]:
    # Absent where the daemon is older than these properties.
    reason = str(manager.get("PreviousBootReason", ""))
    match manager.get("PreviousBoot", ""):
        case BootEnd.CRASH_NOT_CAPTURED:
            yield lost_notification(reason, key)
        case BootEnd.TEST_NOT_CAPTURED:
            yield lost_test_notification(reason, key)
        case _:
            return
