# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from kdumpd.model.captures.core import Inspected, InspectionError
from kdumpd.model.captures.reading import Answer, Job
from kdumpd.model.crashlog.crash import parse_kernel_log
from kdumpd.observe.captures.core_reader import CoreReader
from kdumpd.observe.captures.open_files import CaptureFiles
from kdumpd.observe.captures.scan import read_crash_directory
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.shared_files import SharedFiles
from tests.support.cores import Crash, flattened
from tests.support.machine import Machine

CRASH = b"/var/crash"
STAMP = "202611230113"
LOG = b"[    1.0] Kernel panic - not syncing: sysrq triggered crash\n"
INSPECTED = Inspected(facts=None, log=LOG, log_problem="")
Inspect = Callable[[int], Awaitable[Inspected]]


def job_for(machine: Machine, key: str = "key") -> Job:
    """Return the job for the only capture, as a look at the crash directory leads to it."""
    (sighting,) = read_crash_directory(
        SharedFiles(Files(machine.root)), CRASH, {}, lambda _: None
    ).sightings
    assert sighting.core is not None
    return Job(key=key, directory=sighting.directory, core=sighting.core)


async def answer_to(machine: Machine, job: Job, inspect: Inspect) -> Answer:
    """Return what comes of one job, and check that no descriptor is left."""
    before = descriptors()
    reader = CoreReader(CaptureFiles(machine.root), (CRASH,), inspect)
    reader.read(job)
    async with asyncio.timeout(10), aclosing(reader.answers()) as answers:
        answer = await anext(answers)
    assert descriptors() == before
    return answer


def descriptors() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir() if path.exists())


CONTENT = flattened(Crash())


@pytest.fixture(autouse=True)
def core(machine: Machine) -> Path:
    return machine.kdump_tools(STAMP, CONTENT)


async def test_the_core_is_given_as_a_descriptor(machine: Machine) -> None:
    read: list[bytes] = []

    async def inspect(fd: int) -> Inspected:
        read.append(await asyncio.to_thread(os.pread, fd, 1 << 20, 0))
        return INSPECTED

    answer = await answer_to(machine, job_for(machine), inspect)
    assert read == [CONTENT]
    assert answer == Answer(key="key", done=True, crash=parse_kernel_log(LOG))


async def test_no_log_in_the_core(machine: Machine) -> None:
    async def inspect(_: int) -> Inspected:
        return Inspected(facts=None, log=None, log_problem="holds no printk buffer")

    answer = await answer_to(machine, job_for(machine), inspect)
    assert (answer.done, answer.crash, answer.problem) == (True, None, "holds no printk buffer")


async def test_the_reader_dies(machine: Machine) -> None:
    async def inspect(_: int) -> Inspected:
        raise InspectionError("kdumpd-inspect was ended by SIGSEGV")

    answer = await answer_to(machine, job_for(machine), inspect)
    assert answer == Answer(key="key", done=False, problem="kdumpd-inspect was ended by SIGSEGV")


def removed(core: Path) -> None:
    core.unlink()


def another(core: Path) -> None:
    core.rename(core.with_name("old"))
    core.write_bytes(b"another")


def a_link(core: Path) -> None:
    core.rename(core.with_name("old"))
    core.symlink_to("old")


def open_to_others(core: Path) -> None:
    core.parent.chmod(0o777)


def moved(core: Path) -> None:
    core.parent.rename(core.parent.with_name("elsewhere"))
    core.parent.symlink_to("elsewhere")


@pytest.mark.parametrize("change", [removed, another, a_link, open_to_others, moved])
async def test_what_was_changed_since_the_look_is_not_read(
    machine: Machine, core: Path, change: Callable[[Path], None]
) -> None:
    read: list[int] = []

    async def inspect(fd: int) -> Inspected:
        read.append(fd)
        return INSPECTED

    job = job_for(machine)
    change(core)
    answer = await answer_to(machine, job, inspect)
    assert not answer.done
    assert not answer.began
    assert answer.problem.startswith(("cannot be opened: ", "was replaced"))
    assert read == []


async def test_the_next_one_is_read_after_one_that_died(machine: Machine) -> None:
    outcomes = [InspectionError("died"), None]

    async def inspect(_: int) -> Inspected:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome
        return INSPECTED

    reader = CoreReader(CaptureFiles(machine.root), (CRASH,), inspect)
    reader.read(job_for(machine, "first"))
    reader.read(job_for(machine, "second"))
    async with asyncio.timeout(10), aclosing(reader.answers()) as answers:
        read = [await anext(answers) for _ in range(2)]
    assert {one.key: one.done for one in read} == {"first": False, "second": True}
