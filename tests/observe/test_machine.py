# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kdumpd.model.vocabulary import CaptureState
from kdumpd.observe.captures.inotify import InotifyWatcher
from kdumpd.observe.captures.scan_cache import Identity, Unwatched
from kdumpd.observe.captures.scan_cache import Watcher as Watching
from kdumpd.observe.files import Files
from kdumpd.observe.machine import POLL_INTERVAL_S, Hints, Plan, Watchers, clock
from kdumpd.observe.machine import Machine as Observed
from kdumpd.observe.readiness.units import NoServiceManager
from tests.support.cores import Crash, flattened
from tests.support.machine import BOOT_ID, Machine

CRASH = b"/var/crash"
LONG = 30.0


class Watcher:
    """What a look tells to those who watch directories."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.forgot = 0

    def directory(self, fd: int) -> None:
        self.told.append(fd)

    def keep(self, _: Identity) -> bool:
        return True

    def forget_others(self) -> None:
        self.forgot += 1


@pytest.fixture
def hints() -> Hints:
    return Hints()


def observer(
    root: Path, directories: tuple[bytes, ...], hints: Hints, captures: Watching | None = None
) -> Observed:
    watchers = Watchers(captures=captures or Unwatched())
    return Observed(Files(root), Plan(directories=directories), hints, watchers, NoServiceManager())


@pytest.fixture
def observed(machine: Machine, hints: Hints) -> Observed:
    return observer(machine.root, (CRASH,), hints)


async def test_a_look(machine: Machine, observed: Observed) -> None:
    machine.kdump_tools("202611230113", flattened(Crash()))
    before, begun = datetime.now(UTC), clock()
    seen = await observed.look()
    assert seen.number == 1
    assert before <= seen.at <= datetime.now(UTC)
    assert begun <= seen.clock <= clock()
    assert seen.machine.kernel.boot_id == BOOT_ID
    (directory,) = seen.directories
    assert directory.facts.path == CRASH
    assert directory.facts.present
    (sighting,) = directory.sightings
    assert sighting.state is CaptureState.COMPLETE


async def test_looks_are_numbered(observed: Observed) -> None:
    assert [(await observed.look()).number for _ in range(3)] == [1, 2, 3]


async def test_unchanged_is_not_read_again(machine: Machine, observed: Observed) -> None:
    core = machine.kdump_tools("202611230113", flattened(Crash()))
    first = (await observed.look()).directories[0].sightings[0]
    second = (await observed.look()).directories[0].sightings[0]
    assert second is first
    core.chmod(0o600)
    third = (await observed.look()).directories[0].sightings[0]
    assert third is not first
    assert third.id == first.id


async def test_several_directories(machine: Machine, hints: Hints) -> None:
    machine.kdump_tools("202611230113", flattened(Crash()))
    (machine.root / "srv").symlink_to("var")
    paths = (b"/mnt/crash", b"/srv/crash", CRASH)
    observed = observer(machine.root, paths, hints)
    missing, linked, there = (await observed.look()).directories
    assert not missing.facts.present
    assert "link" in linked.facts.problem
    assert len(there.sightings) == 1


async def test_each_directory_is_told(machine: Machine, hints: Hints) -> None:
    watcher = Watcher()
    observed = observer(machine.root, (CRASH, b"/srv/crash"), hints, watcher)
    await observed.look()
    assert len(watcher.told) == 2
    assert watcher.forgot == 1
    await observed.look()
    assert len(watcher.told) == 4
    assert watcher.forgot == 2


async def test_look_again(observed: Observed, hints: Hints) -> None:
    """The number is that of a look that begins after the question."""
    assert observed.look_again() == 1
    assert hints.take()
    looking = asyncio.create_task(observed.look())
    await asyncio.sleep(0)
    assert observed.look_again() == 2
    assert (await looking).number == 1
    assert observed.look_again() == 2


async def test_observations(machine: Machine, observed: Observed, hints: Hints) -> None:
    """One at once, then one for each reason; many hints during a look are one reason."""
    due: list[float | None] = [None, 0.0, None, None]
    observations = observed.observations(lambda: due.pop(0))
    async with asyncio.timeout(LONG):
        assert (await anext(observations)).number == 1
        for _ in range(3):
            hints.directories()
        machine.kdump_tools("202611230113", flattened(Crash()))
        seen = await anext(observations)
        assert seen.number == 2
        assert len(seen.directories[0].sightings) == 1
        assert (await anext(observations)).number == 3  # it was due
        waiting = asyncio.ensure_future(anext(observations))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not waiting.done()
        observed.look_again()
        assert (await waiting).number == 4
    await observations.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_a_hint_during_a_look(machine: Machine, hints: Hints) -> None:
    """It may be of something that the look has passed already."""
    observations = observer(
        machine.root, (CRASH,), hints, HintOnce(asyncio.get_running_loop(), hints)
    ).observations(lambda: None)
    async with asyncio.timeout(LONG):
        assert (await anext(observations)).number == 1
        assert (await anext(observations)).number == 2
    await observations.aclose()  # type: ignore[attr-defined]  # it is a generator


class HintOnce:
    """Gives a hint while the first look is under way."""

    def __init__(self, loop: asyncio.AbstractEventLoop, hints: Hints) -> None:
        self._loop = loop
        self._hints = [hints.directories]

    def directory(self, fd: int) -> None:
        assert fd
        if self._hints:
            self._loop.call_soon_threadsafe(self._hints.pop())

    def keep(self, _: Identity) -> bool:
        return True

    def forget_others(self) -> None:
        pass


async def test_captures_are_no_reason_to_ask_all(
    machine: Machine, observed: Observed, hints: Hints
) -> None:
    """They come in storms; readiness is asked in its own time, and when something hints at it."""
    observations = observed.observations(lambda: None)
    loaded = "sys/kernel/kexec_crash_loaded"
    async with asyncio.timeout(LONG):
        assert (await anext(observations)).retention.most_dumps is None
        machine.write(loaded, "0\n")
        machine.write("etc/default/kdump-tools", "KDUMP_NUM_DUMPS=3\n")
        hints.directories()
        seen = await anext(observations)
        assert seen.machine.kernel.crash_loaded is True
        assert seen.retention.most_dumps is None
        hints.everything()
        hints.directories()
        seen = await anext(observations)
        assert seen.machine.kernel.crash_loaded is False
        assert seen.retention.most_dumps == 3
    await observations.aclose()  # type: ignore[attr-defined]  # it is a generator


class StoppedClock:
    """Seconds that go on when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


async def test_hints_that_never_stop_do_not_put_off_the_poll(
    machine: Machine, observed: Observed, hints: Hints
) -> None:
    """Any user may change a crash directory that all may write to, as often as they like."""
    now = StoppedClock()
    asked: list[bool | None] = []
    observations = observed.observations(lambda: None, now)
    async with asyncio.timeout(LONG):
        assert (await anext(observations)).machine.kernel.crash_loaded is True
        machine.write("sys/kernel/kexec_crash_loaded", "0\n")
        for _ in range(7):
            now.seconds += 10
            hints.directories()
            asked.append((await anext(observations)).machine.kernel.crash_loaded)
        assert asked == [True, True, True, True, True, False, False]
        machine.write("sys/kernel/kexec_crash_loaded", "1\n")
        now.seconds += 49
        hints.directories()
        assert (await anext(observations)).machine.kernel.crash_loaded is False
        now.seconds += 1
        hints.directories()
        assert (await anext(observations)).machine.kernel.crash_loaded is True
    await observations.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_a_hint_does_not_begin_the_wait_for_the_poll_anew(
    machine: Machine, observed: Observed, hints: Hints
) -> None:
    now = StoppedClock()
    observations = observed.observations(lambda: None, now)
    async with asyncio.timeout(LONG):
        await anext(observations)
        machine.write("sys/kernel/kexec_crash_loaded", "0\n")
        now.seconds += POLL_INTERVAL_S - 0.25
        hints.directories()
        assert (await anext(observations)).machine.kernel.crash_loaded is True
        assert (await anext(observations)).machine.kernel.crash_loaded is False
    await observations.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_what_is_due_is_asked(machine: Machine, observed: Observed) -> None:
    observations = observed.observations(lambda: 0.0)
    async with asyncio.timeout(LONG):
        await anext(observations)
        machine.write("sys/kernel/kexec_crash_loaded", "0\n")
        assert (await anext(observations)).machine.kernel.crash_loaded is False
    await observations.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_a_kernel_that_is_installed_is_a_hint(machine: Machine, hints: Hints) -> None:
    (machine.root / "boot/grub").mkdir(parents=True)
    watch = InotifyWatcher(hints.everything)
    watchers = Watchers(conditions=watch)
    observed = Observed(
        Files(machine.root), Plan(directories=(CRASH,)), hints, watchers, NoServiceManager()
    )
    with watch.attached(asyncio.get_running_loop()):
        observations = observed.observations(lambda: None)
        async with asyncio.timeout(LONG):
            await anext(observations)
            machine.write("boot/vmlinuz-6.1.0-57-amd64", "")
            assert (await anext(observations)).number == 2
            machine.write("boot/grub/grub.cfg", "")
            assert (await anext(observations)).number == 3
        await observations.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_this_machine(hints: Hints) -> None:
    seen = await observer(Path("/"), (CRASH,), hints).look()
    assert seen.machine.kernel.boot_id


def test_clock() -> None:
    """Of the boot: it goes on while the machine sleeps, and does not jump with the time of day."""
    first = clock()
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    assert first - 0.02 <= uptime <= clock() + 0.02
