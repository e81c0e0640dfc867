# SPDX-License-Identifier: GPL-2.0-or-later
"""Refusals that anybody can cause do not flood the journal, and do not stay out of it either."""

from dataclasses import dataclass, field

import pytest

from kdumpd.expose.journal import JournalError
from kdumpd.expose.journal_entries import JournalEntry
from kdumpd.trigger.journal import MAX_REFUSED_USERS, REFUSAL_INTERVAL_S, TriggerJournal

BECAUSE = "no such token"
ALICE, BOB = 1000, 1001


@dataclass
class Log:
    """A journal that takes what is sent, and a clock."""

    taken: list[str] = field(default_factory=list)
    seconds: float = 5000.0
    problem: str = ""

    def send(self, entry: JournalEntry) -> None:
        if self.problem:
            raise JournalError(self.problem)
        self.taken.append(entry.fields["KDUMPD_UID"].decode())

    def clock(self) -> float:
        return self.seconds


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def trigger_journal(log: Log) -> TriggerJournal:
    return TriggerJournal(log, log.clock)


def test_one_user_is_told_of_once_a_minute(log: Log, trigger_journal: TriggerJournal) -> None:
    for _ in range(3):
        trigger_journal.refuse_anybody(ALICE, BECAUSE)
        log.seconds += REFUSAL_INTERVAL_S / 4
    assert log.taken == [str(ALICE)]


def test_after_a_minute_the_same_user_is_told_of_again(
    log: Log, trigger_journal: TriggerJournal
) -> None:
    for _ in range(3):
        trigger_journal.refuse_anybody(ALICE, BECAUSE)
        log.seconds += REFUSAL_INTERVAL_S
    assert log.taken == 3 * [str(ALICE)]


def test_who_goes_on_and_on_is_told_of_each_minute(
    log: Log, trigger_journal: TriggerJournal
) -> None:
    """What is not told does not put off the end of the minute."""
    step = REFUSAL_INTERVAL_S / 4
    for _ in range(12):
        trigger_journal.refuse_anybody(ALICE, BECAUSE)
        log.seconds += step
    assert log.taken == 3 * [str(ALICE)]


def test_one_user_does_not_hide_another(log: Log, trigger_journal: TriggerJournal) -> None:
    trigger_journal.refuse_anybody(ALICE, BECAUSE)
    trigger_journal.refuse_anybody(BOB, BECAUSE)
    assert log.taken == [str(ALICE), str(BOB)]


def test_of_many_users_some_are_told_of_and_the_others_a_minute_later(
    log: Log, trigger_journal: TriggerJournal
) -> None:
    uids = range(ALICE, ALICE + 2 * MAX_REFUSED_USERS)
    for uid in uids:
        trigger_journal.refuse_anybody(uid, BECAUSE)
    assert log.taken == [str(uid) for uid in uids[:MAX_REFUSED_USERS]]
    log.seconds += REFUSAL_INTERVAL_S
    for uid in reversed(uids):
        trigger_journal.refuse_anybody(uid, BECAUSE)
    assert log.taken[MAX_REFUSED_USERS:] == [str(uid) for uid in reversed(uids[MAX_REFUSED_USERS:])]


def test_who_has_the_right_is_always_told_of(log: Log, trigger_journal: TriggerJournal) -> None:
    for _ in range(2 * MAX_REFUSED_USERS):
        trigger_journal.refuse(ALICE, BECAUSE)
    assert len(log.taken) == 2 * MAX_REFUSED_USERS


def test_what_nobody_takes_is_said(
    log: Log, trigger_journal: TriggerJournal, caplog: pytest.LogCaptureFixture
) -> None:
    log.problem = "no journald"
    trigger_journal.refuse_anybody(ALICE, BECAUSE)
    assert BECAUSE in caplog.text
    assert "(not journaled: no journald)" in caplog.text
