# SPDX-License-Identifier: GPL-2.0-or-later
"""A run presses the key once, at its end, and never when anything was in its way."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from kdumpd.dbus.messages import BusError, CallError
from kdumpd.model.events import Event, EventKind
from kdumpd.model.readiness.finding import Finding, warning
from kdumpd.trigger.facts import KdumpdFacts, PreflightAnswers
from kdumpd.trigger.run import CrashTestRun, CrashTestTimeouts, Request, RunDependencies, Stage
from tests.trigger.facts import QUIET, changed

HASTE = CrashTestTimeouts(watch=0.01, journal=0.02, sync=0.1, crash=0.1)
GONE = replace(QUIET, kdumpd=KdumpdFacts(problem="kdumpd is gone"))
OVERRIDDEN = (warning("just-booted", "the machine was booted just now", "wait"),)


@dataclass
class StandIn:
    """All that a run deals with, in memory: it records what is done, in order."""

    done: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    present: bool = True
    enabled: bool = True
    facts: PreflightAnswers = QUIET
    rehearses: bool = False
    refusal: Exception | None = None  # of the record
    deaf: OSError | None = None  # of the key
    at: dict[str, Callable[[], object]] = field(default_factory=dict)

    def happen(self, what: str) -> None:
        self.done.append(what)
        self.at.get(what, lambda: None)()

    async def is_there(self, _: str) -> bool:
        if "sync" in self.done:
            self.at.get("last look", lambda: None)()
        return self.present

    async def look(self, _: int) -> PreflightAnswers:
        self.happen("look")
        return self.facts

    async def look_anew(self, uid: int) -> PreflightAnswers:
        return await self.look(uid)

    async def record(self, _: str, __: int, overridden: Sequence[Finding]) -> None:
        self.happen("record " + " ".join(one.code for one in overridden))
        if self.refusal is not None:
            raise self.refusal

    def press(self) -> None:
        self.happen("press")
        if self.deaf is not None:
            raise self.deaf

    def tell(self, event: Event) -> None:
        self.events.append(event)
        self.happen(event.kind)

    async def allowed(self) -> bool:
        return self.enabled

    def sync(self) -> None:
        self.done.append("sync")


def made(
    stand_in: StandIn, countdown: float = 0.05, timeouts: CrashTestTimeouts = HASTE
) -> CrashTestRun:
    """Return a run with the stand-in."""
    dependencies = RunDependencies(
        preflight=stand_in,
        recorder=stand_in,
        peers=stand_in,
        key=stand_in,
        tell=stand_in.tell,
        allowed=stand_in.allowed,
        sync=stand_in.sync,
        timeouts=timeouts,
    )
    request = Request(
        id="f" * 32, sender=":1.5", uid=1000, overridden=frozenset(), countdown=countdown
    )

    async def show() -> None:
        stand_in.happen(test_run.stage)

    test_run = CrashTestRun(dependencies, request, show)
    return test_run


async def outcome(running: Awaitable[Any]) -> CallError:
    """Return what the run answers, which is always an error."""
    with pytest.raises(CallError) as caught:
        await running
    return caught.value


async def test_in_order() -> None:
    stand_in = StandIn()
    error = await outcome(made(stand_in).run(OVERRIDDEN))
    assert stand_in.done == [
        "test-announced",
        "counting-down",
        "look",
        "record just-booted",
        "crashing",
        "sync",
        "press",
        "test-cancelled",
    ]
    assert error.name == "org.kdumpd1.Error.Failed"
    assert "was told to crash, but did not" in str(error)
    announced, cancelled = stand_in.events
    assert announced.kind is EventKind.TEST_ANNOUNCED
    assert announced.facts == {
        "test": "f" * 32,
        "uid": "1000",
        "overridden": "just-booted",
        "seconds": "0.05",
    }
    assert cancelled.facts["because"] == str(error).rstrip(".")


async def test_a_rehearsal_says_so() -> None:
    stand_in = StandIn(rehearses=True)
    assert "a rehearsal" in str(await outcome(made(stand_in).run(())))
    assert stand_in.done.count("press") == 1
    assert not any(one.startswith("record") for one in stand_in.done)
    assert [event.facts["rehearsal"] for event in stand_in.events] == ["yes", "yes"]


@pytest.mark.parametrize(
    "moment",
    ["test-announced", "counting-down", "look", "record ", "crashing", "last look"],
)
@pytest.mark.parametrize("how", ["stopped", "left"])
async def test_taken_back_at_any_moment(moment: str, how: str) -> None:
    stand_in = StandIn()
    # The watch is not to be faster than the last look.
    test_run = made(stand_in, timeouts=replace(HASTE, watch=60) if moment == "last look" else HASTE)

    def take_back() -> None:
        if how == "stopped":
            assert test_run.stop("by a test")
        else:
            stand_in.present = False

    stand_in.at[moment] = take_back
    error = await outcome(test_run.run(()))
    assert "press" not in stand_in.done
    assert stand_in.events[-1].kind is EventKind.TEST_CANCELLED
    assert error.name == "org.kdumpd1.Error.Failed"
    assert ("by a test" if how == "stopped" else "has left the bus") in str(error)


async def test_stopped_before_it_begins_nothing_is_announced() -> None:
    stand_in = StandIn()
    test_run = made(stand_in)
    assert test_run.stop("by a test")
    await outcome(test_run.run(()))
    assert stand_in.done == []


async def test_too_late_to_stop() -> None:
    stand_in = StandIn()
    test_run = made(stand_in)
    answers: list[bool] = []
    stand_in.at["press"] = lambda: answers.append(test_run.stop("too late"))
    error = await outcome(test_run.run(()))
    assert answers == [False]
    assert "did not" in str(error)


@pytest.mark.parametrize(
    ("values", "name", "words"),
    [
        ({"enabled": False}, "Disabled", "no longer allows"),
        ({"facts": GONE}, "Objections", "kdumpd is gone"),
        ({"facts": changed("machine", loaded=False)}, "Objections", "crash-kernel-unloaded"),
        ({"refusal": BusError("it does not answer")}, "Failed", "not recorded the test: it does"),
        ({"refusal": CallError("x", "The disk is full.")}, "Failed", "The disk is full."),
    ],
)
async def test_what_comes_up_meanwhile(values: dict[str, Any], name: str, words: str) -> None:
    stand_in = StandIn(**values)
    error = await outcome(made(stand_in).run(()))
    assert "press" not in stand_in.done
    assert "crashing" not in stand_in.done
    assert error.name == f"org.kdumpd1.Error.{name}"
    assert words in str(error)


async def test_a_warning_that_comes_up_meanwhile_does_not_stop_it() -> None:
    stand_in = StandIn(facts=changed("machine", load=9.0))
    await outcome(made(stand_in).run(()))
    assert "press" in stand_in.done


async def test_a_kernel_that_refuses() -> None:
    stand_in = StandIn(deaf=PermissionError(1, "Operation not permitted"))
    assert "refused to crash: Operation not permitted" in str(await outcome(made(stand_in).run(())))


async def test_a_mistake_of_ours_is_told_as_one() -> None:
    stand_in = StandIn(refusal=ZeroDivisionError("a secret"))
    with pytest.raises(ZeroDivisionError):
        await made(stand_in).run(())
    assert "press" not in stand_in.done
    assert stand_in.events[-1].facts["because"] == "kdumpd-trigger has an internal error"


async def test_disks_that_do_not_answer_are_left_behind() -> None:
    stand_in = StandIn()
    test_run = made(stand_in)
    hanging = replace(test_run._dependencies, sync=lambda: time.sleep(1))
    test_run._dependencies = hanging
    await outcome(test_run.run(()))
    assert "press" in stand_in.done


async def test_ended_with_its_call_nothing_is_pressed() -> None:
    stand_in = StandIn()
    begun = asyncio.Event()
    stand_in.at[Stage.COUNTING_DOWN] = begun.set
    task = asyncio.create_task(made(stand_in).run(()))
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    assert "press" not in stand_in.done
    assert "lost the bus" in stand_in.events[-1].facts["because"]
