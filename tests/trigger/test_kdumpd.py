# SPDX-License-Identifier: GPL-2.0-or-later
"""What kdumpd says, of whatever version, as facts."""

from datetime import UTC, datetime
from typing import Any

import pytest

from kdumpd.model.text import microseconds
from kdumpd.trigger.facts import KdumpdFacts, KdumpdFinding
from kdumpd.trigger.kdumpd import facts_of
from kdumpd.trigger.logind import blockers

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
MANAGER: dict[str, Any] = {
    "Readiness": "ready",
    "Findings": [["live-system", "warning", "this is a live system", "install it"]],
    "Mechanism": "kdump",
    "CrashKernelLoaded": True,
    "Settling": 0,
}


def captures(*properties: dict[str, Any]) -> dict[str, Any]:
    """Return what GetManagedObjects answers of captures with these properties."""
    usual = {"Trusted": True, "IsTest": False, "CrashedAt": microseconds(AT)}
    return {
        f"/org/kdumpd1/capture/{number}": {"org.kdumpd1.Capture": {**usual, **one}}
        for number, one in enumerate(properties)
    }


def test_all_that_is_told() -> None:
    assert facts_of(MANAGER, {"TestedAt": microseconds(AT)}, captures({})) == KdumpdFacts(
        readiness="ready",
        findings=(
            KdumpdFinding(code="live-system", severity="warning", message="this is a live system"),
        ),
        mechanism="kdump",
        loaded=True,
        settling=0,
        tested_at=AT,
        crashes=(AT,),
    )


@pytest.mark.parametrize(
    ("uncaptured", "crashes"),
    [([], (AT,)), ([microseconds(AT), 0, "x"], (AT, AT)), (None, (AT,)), ("x", (AT,))],
)
def test_crashes_without_a_capture_count(uncaptured: object, crashes: tuple[datetime]) -> None:
    told = {**MANAGER, "UncapturedCrashes": uncaptured}
    assert facts_of(told, {}, captures({})).crashes == crashes


def test_no_test_and_no_crash() -> None:
    facts = facts_of(MANAGER, {"TestedAt": 0}, {})
    assert facts.tested_at is None
    assert facts.crashes == ()


@pytest.mark.parametrize(
    "properties", [{"Trusted": False}, {"IsTest": True}, {"CrashedAt": 0}, {"CrashedAt": 1 << 63}]
)
def test_what_is_no_crash_of_the_machine_by_itself(properties: dict[str, Any]) -> None:
    assert facts_of(MANAGER, {}, captures(properties)).crashes == ()


@pytest.mark.parametrize("name", MANAGER)
@pytest.mark.parametrize("value", [None, 3.5, b"bytes", [["a"]]])
def test_what_is_missing_or_of_another_type_is_not_known(name: str, value: object) -> None:
    field = {"CrashKernelLoaded": "loaded"}.get(name, name.lower())
    assert getattr(facts_of({**MANAGER, name: value}, {}, {}), field) is None
    missing = {key: value for key, value in MANAGER.items() if key != name}
    assert getattr(facts_of(missing, {}, {}), field) is None


@pytest.mark.parametrize("answer", [None, [], "x", {"/": "x"}, {"/": {"org.kdumpd1.Capture": 1}}])
def test_any_answer(answer: object) -> None:
    facts = facts_of(answer, answer, answer)
    assert facts.readiness is None
    assert not facts.crashes


def test_only_who_blocks_a_shutdown_counts() -> None:
    told = blockers(
        [
            ["sleep", "ModemManager", "ModemManager needs to reset devices", "delay", 0, 700],
            ["shutdown:sleep", "packagekitd", "Package\x1b[31m Update", "block", 0, 800],
            ["shutdown", "unattended-upgrade", "Stop ongoing upgrades", "delay", 0, 900],
            ["handle-lid-switch", "gnome", "multi", "block", 1000, 1000],
        ]
    )
    assert [(one.who, one.why) for one in told] == [("packagekitd", "Package\\x1b[31m Update")]
