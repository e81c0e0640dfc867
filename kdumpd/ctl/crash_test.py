# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpdctl test: crash this machine on purpose, to prove that a dump is saved."""

import argparse
import asyncio
import math
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from kdumpd.arguments import EXIT_FAILURE
from kdumpd.ctl.terminal import (
    STDERR_FD,
    STDIN_FD,
    StatusLine,
    Stop,
    StopError,
    first_key,
    forget_typed,
    has_keys,
    print_json,
    print_lines,
    stopping,
    tell,
    typed_line,
)
from kdumpd.ctl.trigger import Objection, Preparation, Progress, Trigger, TriggerState
from kdumpd.dbus.messages import CallError
from kdumpd.model.readiness.report import Check, Report, status_lines
from kdumpd.model.text import microseconds

SECOND = timedelta(seconds=1)
# The service is still to be stopped while it has the disks written before the crash.
STATES_UNDER_WAY = {TriggerState.COUNTING_DOWN, TriggerState.CRASHING}
CRASHING_LINE = "Crashing it now."


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Which crash is asked for: by which token, and in spite of which objections."""

    host: str
    token: str
    overridden: Sequence[str]


async def crash(trigger: Trigger, order: Order, stop: Stop) -> str:
    """Have the kernel crashed, and return why it was not; CallError when the service says why.

    After a StopError the caller leaves the bus, which takes back what is not counted down yet.
    """
    news = asyncio.Event()
    await trigger.follow(news.set)
    call = trigger.crash(order.token, order.overridden, interactive=os.isatty(STDIN_FD))
    tasks = [asyncio.create_task(call), asyncio.create_task(_show(trigger, order.host, news, stop))]
    waiting: list[asyncio.Future[Any]] = [*tasks, stop.asked]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        ended = [task for task in tasks if task.done()]
        words = await _call_off(trigger) if stop.by_a_person else ""
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    stop.check(words)
    for task in ended:
        task.result()
    return "The kernel was not crashed, and kdumpd-trigger does not say why."


async def _call_off(trigger: Trigger) -> str:
    """Call the crash off, and return in words whether that came in time."""
    try:
        await trigger.cancel()
    except CallError:
        # Either nothing is counted down yet, or not any more.
        if (await trigger.progress()).state == TriggerState.CRASHING:
            return "Too late: the kernel is being crashed."
    return "Cancelled: the kernel is not crashed."


async def _show(trigger: Trigger, host: str, news: asyncio.Event, stop: Stop) -> NoReturn:
    """Show each countdown that there is, for ever."""
    while True:
        if (await _progress(trigger, news)).state in STATES_UNDER_WAY:
            await _count_down(trigger, host, news, stop)
        else:
            await news.wait()


async def _count_down(trigger: Trigger, host: str, news: asyncio.Event, stop: Stop) -> None:
    """Show the seconds that are left, and let any key stop it, for as long as it is under way."""
    keys = has_keys(STDIN_FD)
    how = "any key cancels" if keys else "Ctrl-C cancels"
    with StatusLine() as line, first_key(STDIN_FD, stop.ask) if keys else nullcontext():
        while (progress := await _progress(trigger, news)).state in STATES_UNDER_WAY:
            left = 0.0
            if progress.state == TriggerState.COUNTING_DOWN:
                left = max((progress.deadline - datetime.now(UTC)) / SECOND, 0.0)
                line.show(f"The kernel of {host} crashes in {math.ceil(left)} s; {how}.")
            else:
                line.end(CRASHING_LINE)
            with suppress(TimeoutError):
                async with asyncio.timeout(math.modf(left)[0] or 1.0):
                    await news.wait()


async def _progress(trigger: Trigger, news: asyncio.Event) -> Progress:
    news.clear()  # first: what changes while it is asked for is news
    return await trigger.progress()


CRASH_WARNING = """\
This crashes the kernel of {host}, the machine that you are on. All programs end at once, and all
work that is not saved is lost. The crash kernel then saves a dump and starts the machine again,
which takes some minutes; should that fail, somebody must reset it."""
HOST_NAME_PROMPT = "Type the name of this machine to crash it; anything else is a no: "
AFTERWARDS_HINT = "When it is back, this says whether a dump was saved: kdumpdctl status"
NOTHING_CRASHED = "Nothing was crashed."


class RefusedError(Exception):
    """The crash is not asked for; the text says why, and what to do."""


async def crash_test(trigger: Trigger, options: argparse.Namespace) -> int:
    """Crash this machine on purpose after a countdown, to prove that a dump is saved."""
    try:
        if options.cancel:  # first: it must not wait for kdumpd
            return await cancel(trigger)
        await _check_possible(trigger)
        if options.dry_run:
            return dry_run(await trigger.prepare(), options)
        tell(await _attempt(trigger, options))
    except RefusedError as refusal:
        tell(f"{NOTHING_CRASHED} {refusal}")
    except StopError as stopped:
        if stopped.by_a_person:
            tell(str(stopped))
    except CallError as error:
        tell(str(error))
    return EXIT_FAILURE


async def _check_possible(trigger: Trigger) -> None:
    if obstacle := await trigger.obstacle():
        raise RefusedError(f"{obstacle}.")


async def cancel(trigger: Trigger) -> int:
    """Stop the test that is prepared or counted down, whoever asked for it, and return 0."""
    await trigger.cancel(interactive=os.isatty(STDIN_FD))
    tell("The test is cancelled: the kernel is not crashed.")
    return 0


def dry_run(preparation: Preparation, options: argparse.Namespace) -> int:
    """Print what speaks against a crash, and return 0 where nothing does but what is overridden."""
    objections = preparation.objections
    if options.json == "off":
        print_lines(objection_lines(objections))
    else:
        record = {
            "objections": [asdict(objection) for objection in objections],
            "expires": microseconds(preparation.expires),
        }
        print_json(record, options.json)
    return EXIT_FAILURE if standing(objections, options.override) else 0


def objection_lines(objections: Sequence[Objection]) -> Iterator[str]:
    """Yield in one sentence whether the kernel can be crashed, and then what speaks against it."""
    if any(objection.fatal for objection in objections):
        sentence = "The kernel cannot be crashed now."
    elif objections:
        sentence = "The kernel can be crashed, but something speaks against it."
    else:
        sentence = "The kernel can be crashed: nothing speaks against it."
    checks = [
        Check(code=one.code, outcome=one.severity, message=one.message, remedy=one.remedy)
        for one in objections
    ]
    return status_lines(Report(summary=sentence, checks=checks))


def standing(objections: Sequence[Objection], overridden: Sequence[str]) -> list[Objection]:
    """Return the objections that are fatal or not overridden."""
    return [one for one in objections if one.fatal or one.code not in overridden]


async def _attempt(trigger: Trigger, options: argparse.Namespace) -> str:
    """Have the kernel crashed if that is really meant, and return why it was not."""
    host = os.uname().nodename
    if options.yes not in {None, host}:
        raise RefusedError(f"This machine is '{host}', not '{options.yes}'.")
    preparation = await trigger.prepare()
    objections = preparation.objections
    if objections:
        tell("\n".join(objection_lines(objections)) + "\n")
    if any(objection.fatal for objection in objections):
        raise RefusedError("First do what is said above.")
    missing = standing(objections, options.override)
    if options.yes is not None and missing:
        raise RefusedError(f"To crash it in spite of that, add: {_overrides(missing)}")
    with stopping() as stop:
        if options.yes is None:
            await _ask(preparation, host, missing, stop)
        tell(AFTERWARDS_HINT)
        overridden = [*options.override, *(objection.code for objection in missing)]
        order = Order(host=host, token=preparation.token, overridden=overridden)
        return await crash(trigger, order, stop)


async def _ask(
    preparation: Preparation, host: str, missing: Sequence[Objection], stop: Stop
) -> None:
    """Return if a person types the machine's name; RefusedError for anything else."""
    if not (os.isatty(STDIN_FD) and os.isatty(STDERR_FD)):
        words = f"--yes={shlex.quote(host)} {_overrides(missing)}".rstrip()
        raise RefusedError(f"Nobody can be asked without a terminal. To crash {host}, add: {words}")
    tell(CRASH_WARNING.format(host=host))
    if missing:
        tell("With the name you also say yes to what speaks against it.")
    forget_typed(STDIN_FD)
    tell(HOST_NAME_PROMPT, end="")
    seconds = (preparation.expires - datetime.now(UTC)).total_seconds()
    line = await _answer(seconds, stop)
    if not (line and line.endswith(b"\n")):
        tell("")
    stop.check(f"Cancelled. {NOTHING_CRASHED}")
    if line is None:
        raise RefusedError("There was no answer in time.")
    if os.fsdecode(line).strip() != host:
        raise RefusedError(f"That was not '{host}'.")


async def _answer(seconds: float, stop: Stop) -> bytes | None:
    """Return the line that is typed in so many seconds, if one is."""
    typed = asyncio.create_task(typed_line(STDIN_FD))
    waiting: list[asyncio.Future[Any]] = [typed, stop.asked]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return typed.result() if typed.done() else None
    finally:
        typed.cancel()
        await asyncio.wait([typed])


def _overrides(objections: Sequence[Objection]) -> str:
    return " ".join(f"--override={shlex.quote(objection.code)}" for objection in objections)
