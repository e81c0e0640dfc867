# SPDX-License-Identifier: GPL-2.0-or-later
"""Each crash is told once, and of a machine that is not ready once in each boot."""

from typing import Any

import pytest

from kdumpd.ctl.client import Properties
from kdumpd.notify.notifications import capture_key, new_notifications
from tests.notify.captures import BOOT, capture, manager

LOST, UNREADY = f"boot {BOOT} lost", f"boot {BOOT} unready"


def titles(
    captures: list[Properties],
    told: set[str],
    *,
    unready: bool = False,
    known: Properties | None = None,
) -> list[str]:
    """Return the titles of what is told, and add to `told` what is thereby told."""
    found = list(new_notifications(known or manager(), captures, told, unready=unready))
    told.update(key for notification in found for key in notification.keys)
    return [notification.title for notification in found]


def test_once() -> None:
    told: set[str] = set()
    assert titles([capture()], told) == ["The kernel crashed"]
    assert told == {capture_key(capture())}
    assert titles([capture()], told) == []
    assert titles([capture(), capture(2)], told) == ["The kernel crashed"]


@pytest.mark.parametrize(
    "other", [{"Acknowledged": True}, {"Trusted": False}, {"Id": "../../etc"}, {"Id": ""}], ids=str
)
def test_what_is_no_news(other: dict[str, Any]) -> None:
    assert titles([capture(**other)], set()) == []


@pytest.mark.parametrize(("count", "expected"), [(3, 3), (4, 1), (200, 1)])
def test_many_are_told_together(count: int, expected: int) -> None:
    told: set[str] = set()
    assert len(titles([capture(number) for number in range(count)], told)) == expected
    assert len(told) == count


def test_of_those_on_purpose_the_last_is_told() -> None:
    told: set[str] = set()
    captures = [capture(1, IsTest=True), capture(2, Class="sysrq"), capture(3)]
    assert titles(captures, told) == ["The kernel crashed", "Crashed on purpose"]
    assert len(told) == 3


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("crash-not-captured", ["A crash left no dump"]),
        ("test-not-captured", ["The crash test failed"]),
        ("clean", []),
        ("unclean", []),
        ("crash-captured", []),
        ("crash-incomplete", []),
        ("unknown", []),
    ],
)
def test_previous_boot(word: str, expected: list[str]) -> None:
    told: set[str] = set()
    known = manager(PreviousBoot=word, PreviousBootReason="the kernel's log tells of a panic")
    assert titles([], told, known=known) == expected
    assert told == ({LOST} if expected else set())
    assert titles([], told, known=known) == []


def test_not_ready_once_in_each_boot() -> None:
    told: set[str] = set()
    known = manager(Readiness="not-ready")
    assert titles([], told, known=known) == []
    assert titles([], told, known=known, unready=True) == ["A crash would leave no dump"]
    assert told == {UNREADY}
    assert titles([], told, known=known, unready=True) == []
    other = manager(Readiness="not-ready", BootId="another".replace("n", "0").encode().hex())
    assert titles([], told, known=other, unready=True) == ["A crash would leave no dump"]


def test_boot_without_an_id_is_not_told_of_again_and_again() -> None:
    known = manager(BootId="", PreviousBoot="crash-not-captured")
    assert titles([], set(), known=known, unready=True) == []
