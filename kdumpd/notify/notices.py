# SPDX-License-Identifier: GPL-2.0-or-later
"""The notices themselves: what crashed, when, how, what was got of it, and what to type."""

from collections.abc import Iterator, Sequence

from kdumpd.client.notify.notice import Category, Notice, Urgency
from kdumpd.client.notify.wording import LONGEST_WORD, visible
from kdumpd.client.selection import Properties
from kdumpd.client.summary import cause, local_time, problem, summary_lines
from kdumpd.model.text import human_size
from kdumpd.model.vocabulary import CaptureState

ALL = "--all"
NOTHING_SAVED = "Nothing was saved of it."


def crash_notice(capture: Properties, key: str) -> Notice:
    """Return what is to be said of one crash."""
    return Notice(
        title="The kernel crashed",
        lines=(_which(capture), _why(capture), _saved(capture)),
        command=("info", capture["Id"]),
        keys=(key,),
        facts=tuple(_facts(capture)),
        about=(capture["Id"],),
        acknowledges=capture["Id"],
    )


def crashes_notice(captures: Sequence[Properties], keys: tuple[str, ...]) -> Notice:
    """Return what is to be said of many crashes, the newest of which is the last."""
    whole = sum(capture["State"] == CaptureState.COMPLETE for capture in captures)
    last = captures[-1]
    return Notice(
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
        acknowledges=ALL,
    )


def intended_notice(capture: Properties, keys: tuple[str, ...]) -> Notice:
    """Return what is to be said of a crash on purpose: quietly, what came of it."""
    good = capture["State"] == CaptureState.COMPLETE
    test = "The crash test left a dump" if good else "The crash test failed"
    return Notice(
        title=test if capture["IsTest"] else "Crashed on purpose",
        lines=(_which(capture), _saved(capture)),
        command=("info", capture["Id"]),
        urgency=Urgency.LOW,
        category=Category.DEVICE,
        keys=keys,
        facts=tuple(_facts(capture)),
    )


def lost_notice(reason: str, key: str) -> Notice:
    """Return what is to be said of a crash of which nothing was captured."""
    lines = (_sentence(reason) or "The boot before this one ended in a crash.", NOTHING_SAVED)
    return Notice(
        title="A crash left no dump", lines=lines, command=("status",), keys=(key,), facts=lines
    )


def lost_test_notice(reason: str, key: str) -> Notice:
    """Return what is to be said of a crash test of which nothing was captured: quietly."""
    lines = (_sentence(reason) or "The kernel was crashed as a test.", NOTHING_SAVED)
    return Notice(
        title="The crash test failed",
        lines=lines,
        command=("status",),
        urgency=Urgency.LOW,
        category=Category.DEVICE,
        keys=(key,),
        facts=lines,
    )


def unready_notice(manager: Properties, key: str) -> Notice:
    """Return what is to be said where the next panic would leave no dump."""
    fatal = [finding for finding in manager["Findings"] if finding[1] == "fatal"]
    facts = [line for finding in fatal for line in _finding_lines(*finding)]
    said = facts or [visible(manager["Summary"])]
    return Notice(
        title="A crash would leave no dump",
        lines=tuple(said[:2]),
        command=("check",),
        urgency=Urgency.NORMAL,
        keys=(key,),
        facts=tuple(said[:6]),
    )


def refusal_notice(notice: Notice, sentence: str) -> Notice:
    """Return what is to be said where a crash could not be acknowledged."""
    return Notice(
        title="Not acknowledged",
        lines=(_sentence(sentence) or "kdumpd does not say why.",),
        command=("acknowledge", notice.acknowledges),
        urgency=Urgency.NORMAL,
        about=notice.about,
        acknowledges=notice.acknowledges,
    )


def full_notice(notice: Notice) -> Notice:
    """Return the notice with all that it can say, where no terminal can be opened."""
    return Notice(
        title=notice.title,
        lines=notice.facts,
        command=notice.command,
        urgency=notice.urgency,
        category=notice.category,
        about=notice.about,
        acknowledges=notice.acknowledges,
    )


def _which(capture: Properties) -> str:
    release = visible(capture["KernelRelease"], LONGEST_WORD) or "of unknown release"
    host = f" of {visible(capture['Host'], LONGEST_WORD)}" if capture["Host"] else ""
    return f"Kernel {release}{host}, {local_time(capture['CrashedAt']) or 'at an unknown time'}"


def _why(capture: Properties) -> str:
    where = visible(cause(capture), LONGEST_WORD)
    reason = visible(capture["Reason"])
    return ": ".join(filter(None, (where, reason))) or "Nothing says why"


def _saved(capture: Properties) -> str:
    size = human_size(capture["Size"])
    match capture["State"]:
        case CaptureState.COMPLETE:
            return f"The dump is complete: {size}"
        case CaptureState.DMESG_ONLY:
            return "There is no dump, only the kernel log"
        case CaptureState.GONE:
            return "What was captured is gone"
        case CaptureState.INCOMPLETE if capture["CoreFile"]:
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
        yield f"Command: {visible(capture['Command'], LONGEST_WORD)}"
    if capture["Occurrence"] > 1:
        yield f"Number {capture['Occurrence']} of this kind"


def _rows(captures: Sequence[Properties]) -> Iterator[str]:
    """Yield the newest crashes, a line each."""
    for capture in captures[-5:]:
        yield f"{local_time(capture['CrashedAt']) or '-'}, {capture['State']}: {capture['Id']}"


def _finding_lines(_: str, __: str, message: str, remedy: str) -> Iterator[str]:
    yield _sentence(message)
    if remedy:
        yield f"What to do: {visible(remedy)}"


def _sentence(text: str) -> str:
    line = visible(text.rstrip("."))
    return f"{line[:1].upper()}{line[1:]}." if line else ""
