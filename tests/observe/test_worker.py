# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from kdumpd.observe.threads import PatientThread, StuckError, ThreadError, Worker

SHORT, LONG = 0.05, 30.0


class Gate:
    """Holds up who goes through, until it is opened."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.entered = threading.Event()

    def through(self) -> threading.Thread:
        self.entered.set()
        assert self._open.wait(LONG)
        return threading.current_thread()

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate() -> Iterator[Gate]:
    before = set(threading.enumerate())
    gate = Gate()
    yield gate
    gate.open()
    for thread in set(threading.enumerate()) - before:
        if thread.name == "kdumpd-reader":
            thread.join(LONG)
            assert not thread.is_alive()


async def test_all_in_one_thread_in_order(gate: Gate) -> None:
    worker, order = Worker(LONG), list[int]()

    def note(number: int) -> threading.Thread:
        order.append(number)
        return threading.current_thread()

    first = worker.start(gate.through)
    others = [worker.start(partial(note, number)) for number in range(5)]
    gate.open()
    threads = {await first, *[await other for other in others]}
    assert len(threads) == 1
    assert threading.main_thread() not in threads
    assert order == [0, 1, 2, 3, 4]


async def test_again_and_again() -> None:
    worker = Worker(LONG)
    for number in range(100):
        assert await worker.start(partial(int, number)) == number


async def test_what_hangs_holds_up_nothing(gate: Gate) -> None:
    worker = Worker(SHORT)
    hanging = worker.start(gate.through)
    others = [worker.start(partial(int, number)) for number in range(5)]
    async with asyncio.timeout(LONG):
        assert [await other for other in others] == [0, 1, 2, 3, 4]
        # Also what comes later.
        assert await worker.start(threading.current_thread) is not None
    assert not hanging.done()
    gate.open()
    async with asyncio.timeout(LONG):
        first = await hanging
        assert await worker.start(threading.current_thread) is not first


async def test_what_is_slow_is_done_side_by_side() -> None:
    """Whoever waits does so from when it is given: what came before must not use that up."""
    worker = Worker(SHORT)
    together = threading.Barrier(6)  # they end only when all are under way

    async with asyncio.timeout(LONG):
        waiting = [worker.start(lambda: together.wait(LONG)) for _ in range(6)]
        assert sorted([await one for one in waiting]) == [0, 1, 2, 3, 4, 5]


async def test_several_hang() -> None:
    worker = Worker(SHORT)
    gates = [Gate() for _ in range(3)]
    hanging = [worker.start(gate.through) for gate in gates]
    async with asyncio.timeout(LONG):
        assert await worker.start(lambda: "free") == "free"
        for gate in reversed(gates):
            gate.open()
        assert len({await one for one in hanging}) == len(gates)


async def test_hanging_alone_makes_no_threads(gate: Gate) -> None:
    worker = Worker(SHORT)
    hanging = worker.start(gate.through)
    await asyncio.sleep(4 * SHORT)
    readers = [one for one in threading.enumerate() if one.name == "kdumpd-reader"]
    assert len(readers) == 1
    gate.open()
    async with asyncio.timeout(LONG):
        assert await hanging is readers[0]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_what_fails_keeps_nothing_from_being_done(gate: Gate) -> None:
    worker = Worker(LONG)
    first = worker.start(gate.through)
    failing = worker.start(lambda: 1 / 0)
    last = worker.start(lambda: "last")
    gate.open()
    async with asyncio.timeout(LONG):
        await first
        with pytest.raises(ThreadError):
            await failing
        assert await last == "last"


async def test_for_the_patient(gate: Gate) -> None:
    """Each has a patience of its own, and what ends late is the answer to the next question."""
    worker, late = Worker(SHORT), asyncio.Event()
    hanging = PatientThread[object](2 * SHORT, late.set, worker.start)
    healthy = PatientThread[str](LONG, lambda: None, worker.start)
    with pytest.raises(StuckError):
        await hanging.run(gate.through)
    async with asyncio.timeout(LONG):
        assert await healthy.run(lambda: "healthy") == "healthy"
        gate.open()
        await late.wait()
        assert isinstance(await hanging.run(lambda: "next"), threading.Thread)
        assert await hanging.run(lambda: "next") == "next"


def test_the_loop_ends_first(gate: Gate) -> None:
    loop = asyncio.new_event_loop()
    begun = list[asyncio.Future[threading.Thread]]()

    async def begin() -> None:
        begun.append(Worker(LONG).start(gate.through))
        await asyncio.to_thread(gate.entered.wait, LONG)

    loop.run_until_complete(begin())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    assert not begun[0].done()
