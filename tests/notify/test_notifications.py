# SPDX-License-Identifier: GPL-2.0-or-later
"""A notification is short and says the essential; what a stranger chose in it stays text."""

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kdumpd.notify.notifications import (
    Action,
    Notification,
    Urgency,
    crash_notification,
    crashes_notification,
    full_notification,
    intended_notification,
    lost_notification,
    lost_test_notification,
    refusal_notification,
    unready_notification,
)
from tests.notify.captures import capture, manager

LONGEST_TITLE, LONGEST_BODY, MOST_LINES = 29, 1600, 8
HOSTILE = '<b>&amp;<a href="x">\n\x1b[31m\u202e\u2066\x00\u200f' + "A" * 10_000
TEXT = st.text()  # without surrogates, as on D-Bus
STATES = ("complete", "incomplete", "dmesg-only", "unreadable", "gone")


def all_notifications(text: str, state: str) -> Iterator[Notification]:
    one = capture(
        State=state,
        Host=text,
        KernelRelease=text,
        Class=text,
        Reason=text,
        Function=text,
        Module=text,
        Command=text,
        Problem=text,
        Directory=text.encode(),
        CoreFile=text.encode(),
        Occurrence=2,
    )
    yield crash_notification(one, "")
    yield crashes_notification([one] * 2000, ())
    yield intended_notification(one, ())
    yield intended_notification({**one, "IsTest": True}, ())
    yield lost_notification(text, "")
    yield lost_test_notification(text, "")
    findings = [("code", "fatal", text, text)] * 20
    yield unready_notification(manager(Summary=text, Findings=findings), "")
    yield unready_notification(manager(Summary=text), "")
    yield refusal_notification(crash_notification(one, ""), text)


@given(text=TEXT, state=st.sampled_from(STATES))
@example(HOSTILE, "complete")
@example(HOSTILE * 3, "unreadable")
def test_whatever_the_kernel_says_stays_short_text(text: str, state: str) -> None:
    for notification in all_notifications(text, state):
        for form in (notification, full_notification(notification)):
            assert 0 < len(form.title) <= LONGEST_TITLE
            assert form.title.isprintable()
            plain, markup = form.body(markup=False), form.body(markup=True)
            lines = plain.split("\n")
            assert all(line.isprintable() for line in lines)
            assert len(lines) <= MOST_LINES
            assert len(plain) <= LONGEST_BODY
            # Of markup there is ours, around the command, and nothing else.
            assert re.findall(r"<[^>]*>", markup) == ["<b>", "</b>"]
            said = markup.replace("<b>", "").replace("</b>", "")
            assert not re.search(r"&(?!amp;|lt;|gt;)", said)
            assert html.unescape(said) == plain
            assert lines[-1].startswith("Type: kdumpdctl ")


def test_hostile_text_is_still_readable() -> None:
    body = crash_notification(capture(Reason="<b>died</b>\n\u202eof x"), "").body(markup=True)
    assert "&lt;b&gt;died&lt;/b&gt;\\n\\u202eof x" in body


def test_crash_says_the_essential() -> None:
    notification = crash_notification(capture(), "capture 1")
    kernel, why, dump, command = notification.body(markup=False).split("\n")
    assert kernel.startswith("Kernel 6.1.0-56-amd64 of crashed.example, ")
    assert " 2026-11-2" in kernel
    assert why == (
        "null-dereference in crasher_null [crasher]: BUG: kernel NULL pointer dereference"
    )
    assert dump == "The dump is complete: 17 MiB"
    assert command == "Type: kdumpdctl info 0000000000000001"
    assert notification.urgency is Urgency.CRITICAL
    assert [action for action, _ in notification.actions] == [Action.DETAILS, Action.ACKNOWLEDGE]


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"State": "incomplete"}, "The dump is incomplete: 17 MiB"),
        ({"State": "incomplete", "CoreFile": b""}, "There is no dump, and no kernel log"),
        ({"State": "dmesg-only"}, "There is no dump, only the kernel log"),
        ({"State": "gone"}, "The capture is gone"),
        ({"State": "unreadable"}, "What was saved cannot be read"),
        ({"Class": "unknown", "Function": "", "Reason": ""}, "The cause is unknown"),
        ({"CrashedAt": 0}, "at an unknown time"),
        ({"KernelRelease": "", "Host": ""}, "Kernel of unknown release, "),
    ],
)
def test_what_is_known_of_a_crash(other: dict[str, Any], words: str) -> None:
    assert words in crash_notification(capture(**other), "").body(markup=False)


def test_crash_on_purpose_needs_no_acknowledgement() -> None:
    notification = intended_notification(capture(IsTest=True, State="incomplete"), ())
    assert (notification.title, notification.urgency) == ("The crash test failed", Urgency.LOW)
    assert [action for action, _ in notification.actions] == [Action.DETAILS]


def test_fuller_notification_tells_where_it_lies_and_has_no_details() -> None:
    notification = full_notification(
        crash_notification(capture(Problem="ends early", Occurrence=3), "capture 1")
    )
    body = notification.body(markup=False)
    assert "/var/crash/202611230113/dump.202611230113" in body
    assert "Problem: the core ends early" in body
    assert "Number 3 of this kind" in body
    assert [action for action, _ in notification.actions] == [Action.ACKNOWLEDGE]
    assert notification.keys == ()


@pytest.mark.parametrize("state", ["complete", "incomplete", "dmesg-only", "unreadable", "gone"])
def test_what_is_hidden_from_a_user_is_done_without(state: str) -> None:
    """By a whole sentence: class, function, module and state are everybody's."""
    paths, texts = ("CoreFile", "Directory", "DmesgFile"), ("Command", "Problem", "Reason")
    empty: dict[str, Any] = {**dict.fromkeys(paths, b""), **dict.fromkeys(texts, "")}
    notification = crash_notification(
        capture(**empty, Hidden=sorted(empty), State=state), "capture 1"
    )
    assert notification.lines[1] == "null-dereference in crasher_null [crasher]"
    for line in (*notification.lines, *notification.facts):
        assert not line.rstrip(".").endswith((":", ",", "from", "''"))
    full = full_notification(notification)
    assert any("null-dereference in crasher_null [crasher]" in line for line in full.lines)
    assert not any(": ," in line for line in full.lines)


def test_not_ready_says_what_to_do() -> None:
    findings = [
        ("a", "warning", "slow", "wait"),
        ("b", "fatal", "no crash kernel is loaded, so a panic leaves no dump", "kdump-config load"),
    ]
    body = unready_notification(manager(Findings=findings), "").body(markup=False)
    assert body == (
        "No crash kernel is loaded, so a panic leaves no dump.\n"
        "What to do: kdump-config load\n"
        "Type: kdumpdctl check"
    )
