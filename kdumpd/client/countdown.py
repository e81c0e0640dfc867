# SPDX-License-Identifier: GPL-2.0-or-later
"""Have the kernel crashed, show for how long that may still be cancelled, and cancel it."""

import asyncio
import math
import os
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from kdumpd.client.keys import STDIN, first_key, has_keys
from kdumpd.client.output import Line
from kdumpd.client.stop import Stop
from kdumpd.ctl.trigger import Progress, Trigger, TriggerState
from kdumpd.dbus.messages import CallError

SECOND = timedelta(seconds=1)
# The service is still to be stopped while it has the disks written before the crash.
UNDER_WAY = {TriggerState.COUNTING_DOWN, TriggerState.CRASHING}
CRASHING = "Crashing it now."


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
    call = trigger.crash(order.token, order.overridden, interactive=os.isatty(STDIN))
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
        if (await _progress(trigger, news)).state in UNDER_WAY:
            await _count_down(trigger, host, news, stop)
        else:
            await news.wait()


async def _count_down(trigger: Trigger, host: str, news: asyncio.Event, stop: Stop) -> None:
    """Show the seconds that are left, and let any key stop it, for as long as it is under way."""
    keys = has_keys(STDIN)
    how = "any key cancels" if keys else "Ctrl-C cancels"
    with Line() as line, first_key(STDIN, stop.ask) if keys else nullcontext():
        while (progress := await _progress(trigger, news)).state in UNDER_WAY:
            left = 0.0
            if progress.state == TriggerState.COUNTING_DOWN:
                left = max((progress.deadline - datetime.now(UTC)) / SECOND, 0.0)
                line.show(f"The kernel of {host} crashes in {math.ceil(left)} s; {how}.")
            else:
                line.end(CRASHING)
            with suppress(TimeoutError):
                async with asyncio.timeout(math.modf(left)[0] or 1.0):
                    await news.wait()


async def _progress(trigger: Trigger, news: asyncio.Event) -> Progress:
    news.clear()  # first: what changes while it is asked for is news
    return await trigger.progress()
