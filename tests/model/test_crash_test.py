# SPDX-License-Identifier: GPL-2.0-or-later
"""What a test says something about, and when it says nothing any more."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kdumpd.model.crash_test import (
    KERNEL_RUNS_ON,
    CrashTest,
    Intent,
    intended,
    last_test,
    staleness,
)
from kdumpd.model.formats.kdump_settings import parse_kdump_tools
from kdumpd.model.readiness.facts import (
    BootFile,
    CrashKernelFacts,
    LastTest,
    MachineFacts,
    StorageFacts,
)
from kdumpd.model.readiness.finding import Unknown
from kdumpd.model.readiness.verdict import Verdict, verdict_of
from kdumpd.model.vocabulary import CrashTestVerdict
from tests.support.looks import BOOT, KERNEL

AT = datetime(2026, 11, 23, 1, 13, 32, tzinfo=UTC)
INITRD = BootFile(path="/var/lib/kdump/initrd.img", size=20_000_000, modified=1_795_000_000)
MACHINE = MachineFacts(
    kernel=KERNEL,
    directories=(),
    crash_kernel=CrashKernelFacts(initrd=INITRD),
    storage=StorageFacts(settings=parse_kdump_tools(b"")),
)
INTENT = Intent(id="a-test", uid=1000, overridden=("load", "uptime"), at=AT)


def judged(machine: MachineFacts = MACHINE) -> Verdict:
    return verdict_of(machine, AT)


def passed() -> CrashTest:
    return replace(intended(INTENT, judged()), verdict=CrashTestVerdict.PASSED)


def with_initrd(initrd: BootFile | Unknown | None) -> MachineFacts:
    return replace(MACHINE, crash_kernel=CrashKernelFacts(initrd=initrd))


def test_the_intent_keeps_who_when_and_on_what() -> None:
    test = intended(INTENT, judged())
    assert (test.id, test.uid, test.at, test.overridden) == ("a-test", 1000, AT, "load uptime")
    assert (test.boot_id, test.kernel, test.crashkernel) == (BOOT, KERNEL.release, "256M")
    assert test.verdict is CrashTestVerdict.PENDING
    assert test.armed is True


def test_an_intent_before_the_first_look_is_kept_all_the_same() -> None:
    assert intended(INTENT, None).id == "a-test"


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        (
            replace(MACHINE, kernel=replace(KERNEL, release="6.1.0-57-amd64")),
            "is now 6.1.0-57-amd64",
        ),
        (replace(MACHINE, kernel=replace(KERNEL, crashkernel="512M")), "now has crashkernel=512M"),
        (with_initrd(replace(INITRD, size=20_000_001)), "initrd"),
        (with_initrd(replace(INITRD, modified=1_795_000_001)), "initrd"),
        (with_initrd(replace(INITRD, path="/var/lib/kdump/other")), "initrd"),
        (
            replace(
                MACHINE,
                storage=StorageFacts(settings=parse_kdump_tools(b"KDUMP_COREDIR=/srv/crash\n")),
            ),
            "Dumps now go to another place",
        ),
    ],
    ids=["kernel", "crashkernel", "size", "time", "path", "target"],
)
def test_a_proof_is_stale_as_soon_as_its_basis_changes(machine: MachineFacts, words: str) -> None:
    assert words in staleness(passed(), machine)
    failed = replace(passed(), verdict=CrashTestVerdict.FAILED)
    assert words in staleness(failed, machine)


@pytest.mark.parametrize(
    "machine",
    [
        MACHINE,
        with_initrd(None),
        with_initrd(Unknown("cannot be read")),
        replace(MACHINE, storage=StorageFacts()),
    ],
    ids=["the same", "no initrd known", "unreadable", "no target known"],
)
def test_what_is_not_known_makes_nothing_stale(machine: MachineFacts) -> None:
    assert staleness(passed(), machine) == ""


def test_a_pending_test_is_not_stale() -> None:
    pending = intended(INTENT, judged())
    other = replace(MACHINE, kernel=replace(KERNEL, release="6.1.0-57-amd64"))
    assert staleness(pending, other) == ""


def test_of_another_tools_test_the_time_of_the_initrd_tells() -> None:
    theirs = CrashTest(id="a", at=AT, kernel=KERNEL.release, verdict=CrashTestVerdict.PASSED)
    before = replace(INITRD, modified=int((AT - timedelta(days=1)).timestamp()))
    after = replace(INITRD, modified=int((AT + timedelta(days=1)).timestamp()))
    assert staleness(theirs, with_initrd(before)) == ""
    assert "initrd" in staleness(theirs, with_initrd(after))


RUNS_ON_TEST = CrashTest(id="b", at=AT, verdict=CrashTestVerdict.FAILED, reason=KERNEL_RUNS_ON)
SAID = CrashTest(id="c", at=AT, verdict=CrashTestVerdict.FAILED, reason="It did not.")


@pytest.mark.parametrize(
    ("tests", "said"),
    [
        ((), None),
        ((SAID,), LastTest(at=AT, passed=False, reason="It did not.")),
        ((intended(INTENT, judged()),), None),
        ((RUNS_ON_TEST,), None),
        (
            (intended(INTENT, judged()), RUNS_ON_TEST, SAID),
            LastTest(at=AT, passed=False, reason="It did not."),
        ),
        ((replace(SAID, kernel="5.10"), SAID), None),
        ((passed(), SAID), LastTest(at=AT, passed=True)),
    ],
)
def test_what_the_last_test_says(tests: tuple[CrashTest, ...], said: LastTest | None) -> None:
    assert last_test(tests, MACHINE) == said
