# SPDX-License-Identifier: GPL-2.0-or-later
"""Each rule objects to what it is about, and only to that."""

from dataclasses import replace
from datetime import timedelta

import pytest

from kdumpd.model.crash_test import OBJECTION_CODES
from kdumpd.model.readiness.finding import Severity, Unknown
from kdumpd.model.readiness.verdict import find
from kdumpd.trigger.facts import (
    Inhibitor,
    KdumpdFacts,
    KdumpdFinding,
    MemoryFacts,
    PeopleFacts,
    PreflightAnswers,
    PreflightFacts,
    Session,
)
from kdumpd.trigger.objections import RULES, fatal_ones, objections, sentence, standing
from tests.support.machine_facts import HEALTHY
from tests.trigger.facts import AT, QUIET, UID, around, changed

FATAL, WARNING = Severity.FATAL, Severity.WARNING
BAD = Unknown("'/proc/x' holds no number but '?'")
NO_ROOM = KdumpdFinding(code="storage-no-inodes", severity="fatal", message="no free inodes")
SPARE = KdumpdFinding(code="storage-too-small", severity="info", message="plenty")
UNLOADED = replace(changed("machine", loaded=False, panic_timeout=10))
HANGING = changed("machine", loaded=False)
LOOP = (AT - timedelta(minutes=4), AT - timedelta(minutes=29))
CROWD = tuple(Session(uid=2000 + number, name=f"user{number:02}") for number in range(12))

# What speaks, how gravely, and words of it; besides the codes of what cannot but speak as well.
OBJECTIONS: list[tuple[PreflightAnswers, str, Severity, str, tuple[str, ...]]] = [
    (replace(QUIET, kdumpd=KdumpdFacts(problem="gone")), "kdumpd-absent", FATAL, "gone", ()),
    (around(container="lxc"), "container", FATAL, "(lxc)", ()),
    (around(live="boot=live"), "live-system", FATAL, "(boot=live)", ()),
    (around(capturing=True), "crash-kernel-running", FATAL, "/proc/vmcore", ()),
    (changed("kdumpd", readiness="unsupported"), "unsupported", FATAL, "cannot capture", ()),
    (UNLOADED, "crash-kernel-unloaded", FATAL, "no crash kernel is loaded", ()),
    (
        changed("machine", loaded=None, panic_timeout=-1),
        "crash-kernel-unloaded",
        FATAL,
        "does not say",
        (),
    ),
    (
        changed("machine", loaded=BAD, panic_timeout=1),
        "crash-kernel-unloaded",
        FATAL,
        "no number",
        (),
    ),
    (HANGING, "would-hang", FATAL, "kernel.panic is 0", ("crash-kernel-unloaded",)),
    (
        changed("machine", loaded=False, panic_timeout=BAD),
        "would-hang",
        FATAL,
        "no number",
        ("crash-kernel-unloaded",),
    ),
    (
        changed("machine", loaded=False, panic_timeout=None),
        "would-hang",
        FATAL,
        "does not say",
        ("crash-kernel-unloaded",),
    ),
    (
        changed("kdumpd", readiness="not-ready", findings=(NO_ROOM,)),
        "not-ready",
        WARNING,
        "(storage-no-inodes)",
        ("too-little-space",),
    ),
    (changed("kdumpd", readiness=""), "not-ready", WARNING, "not checked yet", ()),
    (changed("kdumpd", readiness=None), "not-ready", WARNING, "not checked yet", ()),
    (changed("kdumpd", readiness=BAD), "not-ready", WARNING, "no number", ()),
    (changed("kdumpd", outdated="it hangs"), "not-judged-anew", WARNING, "it hangs", ()),
    (changed("kdumpd", findings=(NO_ROOM,)), "too-little-space", WARNING, "inodes", ()),
    (changed("kdumpd", findings=None), "too-little-space", WARNING, "does not say", ()),
    (changed("kdumpd", settling=2), "capture-being-written", WARNING, "would cut it off", ()),
    (changed("kdumpd", settling=None), "capture-being-written", WARNING, "does not say", ()),
    (changed("kdumpd", tested_at=BAD), "test-recently", WARNING, "no number", ()),
    (
        changed("kdumpd", tested_at=AT - timedelta(minutes=9)),
        "test-recently",
        WARNING,
        "9 minutes ago",
        (),
    ),
    *(
        (
            changed("kdumpd", tested_at=AT - timedelta(seconds=seconds)),
            "test-recently",
            WARNING,
            f"the last test was {words}",
            (),
        )
        for seconds, words in [
            (-2, "in the future"),
            (0, "less than a minute ago"),
            (59, "less than a minute ago"),
            (60, "a minute ago"),
            (119, "a minute ago"),
            (599, "9 minutes ago"),
        ]
    ),
    (changed("kdumpd", crashes=LOOP), "boot-loop", WARNING, "crashed 2 times", ()),
    (changed("kdumpd", crashes=None), "boot-loop", WARNING, "does not say", ()),
    (
        replace(QUIET, machine=PreflightFacts(problem="it hangs", loaded=True)),
        "machine-unread",
        WARNING,
        "it hangs",
        (),
    ),
    (changed("machine", uptime=299.6), "just-booted", WARNING, "300 s ago", ()),
    (changed("machine", uptime=BAD), "just-booted", WARNING, "no number", ()),
    (changed("machine", uptime=None), "just-booted", WARNING, "does not say", ()),
    (changed("machine", load=4.1), "busy", WARNING, "a load of 4.1 on 2 processors", ()),
    (changed("machine", load=BAD), "busy", WARNING, "no number", ()),
    (changed("machine", processors=BAD), "busy", WARNING, "no number", ()),
    (changed("machine", processors=None), "busy", WARNING, "does not say", ()),
    (changed("machine", pressure=(("io", 50.1),)), "pressure", WARNING, "io in 50 %", ()),
    (changed("machine", pressure=BAD), "pressure", WARNING, "no number", ()),
    (
        changed("machine", memory=MemoryFacts(total=64 << 30, dirty=(1 << 30) + 1)),
        "dirty-pages",
        WARNING,
        "1 GiB is not written",
        (),
    ),
    (
        changed("machine", memory=MemoryFacts(total=1 << 30, dirty=120 << 20)),
        "dirty-pages",
        WARNING,
        "120 MiB is not written",
        (),
    ),
    (changed("machine", memory=BAD), "dirty-pages", WARNING, "no number", ()),
    (changed("machine", memory=None), "dirty-pages", WARNING, "does not say", ()),
    (changed("machine", arrays=("md0 (resync 7%)",)), "md-rebuilding", WARNING, "md0", ()),
    (changed("machine", arrays=BAD), "md-rebuilding", WARNING, "no number", ()),
    (changed("machine", btrfs=("7c1c (balance)",)), "btrfs-busy", WARNING, "balance", ()),
    (changed("machine", btrfs=BAD), "btrfs-busy", WARNING, "no number", ()),
    (changed("machine", pools=("tank is DEGRADED",)), "zfs-degraded", WARNING, "tank", ()),
    (changed("machine", pools=BAD), "zfs-degraded", WARNING, "no number", ()),
    (
        changed("machine", locks=("var/lib/dpkg/lock",)),
        "packages-changing",
        WARNING,
        "/var/lib/dpkg/lock",
        (),
    ),
    (changed("machine", locks=BAD), "packages-changing", WARNING, "no number", ()),
    (changed("machine", locks=None), "packages-changing", WARNING, "does not say", ()),
    (
        changed("people", sessions=(Session(uid=UID + 1, name="alice"),)),
        "others-logged-in",
        WARNING,
        "unsaved work: alice",
        (),
    ),
    (changed("people", sessions=CROWD), "others-logged-in", WARNING, "user09 and 2 more", ()),
    (changed("people", sessions=BAD), "others-logged-in", WARNING, "no number", ()),
    (
        changed("people", inhibitors=(Inhibitor(who="packagekitd", why="updates"),)),
        "inhibited",
        WARNING,
        "packagekitd (updates)",
        (),
    ),
    (changed("people", inhibitors=BAD), "inhibited", WARNING, "no number", ()),
]


def test_nothing_speaks_against_crashing_a_quiet_machine() -> None:
    assert objections(QUIET) == ()


@pytest.mark.parametrize(
    "facts",
    [
        changed("machine", loaded=False, panic_timeout=0),
        changed("machine", loaded=None, panic_timeout=None),
    ],
)
def test_fadump_is_what_waits(facts: PreflightAnswers) -> None:
    told = replace(facts, kdumpd=replace(facts.kdumpd, mechanism="fadump"))
    assert objections(told) == ()
    unregistered = replace(told, kdumpd=replace(told.kdumpd, loaded=False))
    codes = {one.code for one in objections(unregistered)}
    assert codes == {"crash-kernel-unloaded", "would-hang"}


@pytest.mark.parametrize(
    "facts",
    [
        changed("kdumpd", readiness="degraded"),
        changed("kdumpd", findings=(SPARE,)),
        changed("kdumpd", tested_at=AT - timedelta(minutes=10)),
        changed("kdumpd", crashes=(LOOP[0], AT - timedelta(minutes=30))),
        changed("machine", uptime=300.0),
        changed("machine", load=4.0),
        changed("machine", pressure=None),
        changed("machine", memory=MemoryFacts(total=64 << 30, dirty=1 << 30)),
        changed("machine", arrays=(), btrfs=(), pools=()),
        changed("people", sessions=None, inhibitors=None),
        replace(QUIET, people=PeopleFacts()),
    ],
)
def test_what_is_no_reason(facts: PreflightAnswers) -> None:
    assert objections(facts) == ()


@pytest.mark.parametrize(
    ("facts", "code", "severity", "words", "besides"),
    OBJECTIONS,
    ids=[f"{number}-{row[1]}" for number, row in enumerate(OBJECTIONS)],
)
def test_one_objection(
    facts: PreflightAnswers, code: str, severity: Severity, words: str, besides: tuple[str, ...]
) -> None:
    found = {one.code: one for one in objections(facts)}
    assert set(found) == {code, *besides}
    objection = found[code]
    assert objection.severity is severity
    assert words in objection.message
    assert objection.remedy
    assert objection.message.isprintable()
    assert objection.remedy.isprintable()


def test_every_rule_objects_to_something() -> None:
    fired = {rule.__name__ for rule in RULES for row in OBJECTIONS if objections(row[0], (rule,))}
    assert fired == {rule.__name__ for rule in RULES}


def test_a_code_is_the_name_of_its_rule() -> None:
    for rule in RULES:
        for facts, *_ in OBJECTIONS:
            for objection in rule(facts):
                assert objection.code == rule.__name__.replace("_", "-")


def test_the_codes_that_there_are() -> None:
    assert [rule.__name__.replace("_", "-") for rule in RULES] == list(OBJECTION_CODES)


def test_what_is_fatal_cannot_be_overridden() -> None:
    found = objections(HANGING)
    assert standing(found, {one.code for one in found}) == found
    assert fatal_ones(found) == found


def test_a_warning_is_overridden_by_its_code() -> None:
    found = objections(changed("machine", uptime=1.0, load=9.0))
    assert [one.code for one in standing(found, {"busy", "no-such-code"})] == ["just-booted"]
    assert standing(found, {"busy", "just-booted"}) == ()
    assert fatal_ones(found) == ()
    assert sentence(found[:1]).startswith("just-booted (warning): the machine booted 1 s ago")


@pytest.mark.parametrize(
    "facts", [around(container="lxc"), around(live="boot=live"), around(capturing=True)]
)
def test_readiness_says_the_same_of_what_the_machine_is(facts: PreflightAnswers) -> None:
    ((code, message),) = ((one.code, one.message) for one in objections(facts))
    found = find(replace(HEALTHY, system=facts.machine.system))
    assert (code, message) in {(one.code, one.message) for one in found}
