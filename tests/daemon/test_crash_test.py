# SPDX-License-Identifier: GPL-2.0-or-later
"""A crash test over the crash: recorded before it, judged at the boot after it."""

import asyncio
import json
import resource
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.cores import Crash, flattened
from tests.support.daemon import Setup, running
from tests.support.dbus_next import DbusNextClient, dbus_next_client
from tests.support.journal import Journal
from tests.support.machine import BOOT_ID, RELEASE, Machine
from tests.support.namespace import needs_root
from tests.support.rights import WITHOUT_RIGHTS
from tests.support.trigger_owner import CRASH_TEST, record, trigger_owner

pytestmark = pytest.mark.bus

NEXT_BOOT = "5b1f0d2e-8c3a-4d6e-9f7b-0a1c2d3e4f50"
SYSRQ = (Path(__file__).parents[1] / "samples/logs/sysrq.txt").read_bytes()
NOT_AUTHORIZED = "org.kdumpd1.Error.NotAuthorized"
NOT_READY = "org.kdumpd1.Error.NotReady"


def recorded(state: Path) -> list[dict[str, Any]]:
    """Return the tests that are on disk."""
    with closing(sqlite3.connect(state / "ledger.sqlite")) as ledger:
        return [json.loads(facts) for (facts,) in ledger.execute("SELECT facts FROM test")]


async def verdict(client: DbusNextClient) -> dict[str, Any]:
    """Return what CrashTest says."""
    await client.call("org.kdumpd1.Manager", "Rescan")
    return await client.properties(CRASH_TEST)


async def until(client: DbusNextClient, word: str) -> dict[str, Any]:
    """Return what CrashTest says once that is its verdict."""
    async with asyncio.timeout(20):
        while (said := await verdict(client))["Verdict"] != word:  # noqa: ASYNC110  # asked anew
            await asyncio.sleep(0.05)
    return said


async def crash(setup: Setup) -> None:
    """Record a test, and let the daemon die as the machine would."""
    async with running(setup) as kdumpd, trigger_owner(setup.bus) as trigger:
        assert (await record(trigger, "a-test", 1000, "uptime")).body == []
        assert (await verdict(trigger))["Verdict"] == "pending"
        await kdumpd.kill()


@asynccontextmanager
async def after_the_crash(machine: Machine, setup: Setup) -> AsyncIterator[DbusNextClient]:
    machine.write("proc/sys/kernel/random/boot_id", f"{NEXT_BOOT}\n")
    async with running(setup), dbus_next_client(setup.bus) as client:
        yield client


async def test_there_was_none(setup: Setup) -> None:
    async with running(setup), dbus_next_client(setup.bus) as client:
        said = await client.properties(CRASH_TEST)
    assert said == {
        "Verdict": "none",
        "Reason": "",
        "TestedAt": 0,
        "TestedKernel": "",
        "Seconds": 0,
        "Size": 0,
        "Capture": "/",
        "Stale": False,
        "StaleReason": "",
        "Hidden": [],
    }


async def test_record_answers_when_it_is_on_disk(setup: Setup) -> None:
    async with running(setup) as kdumpd, trigger_owner(setup.bus) as trigger:
        await record(trigger, "a-test", 1000, "uptime", "load")
        await kdumpd.kill()
    (test,) = recorded(setup.state)
    assert (test["id"], test["uid"], test["overridden"]) == ("a-test", 1000, "uptime load")
    assert (test["boot_id"], test["kernel"], test["armed"]) == (BOOT_ID, RELEASE, True)


async def test_record_is_for_the_owner_of_the_triggers_name_alone(setup: Setup) -> None:
    async with running(setup), trigger_owner(setup.bus), dbus_next_client(setup.bus) as client:
        answer = await record(client, "a-test")
        assert answer.error_name == NOT_AUTHORIZED
        assert "for the owner of org.kdumpd1.Trigger alone" in answer.body[0]
    assert recorded(setup.state) == []


async def test_what_is_kept_in_memory_alone_is_no_record(setup: Setup) -> None:
    setup.state.mkdir()
    setup.state.chmod(0o500)
    async with (
        running(replace(setup, prefix=WITHOUT_RIGHTS)),
        trigger_owner(setup.bus) as trigger,
    ):
        answer = await record(trigger, "a-test")
        assert answer.error_name == NOT_READY
        assert "cannot be recorded" in answer.body[0]
        assert (await trigger.properties(CRASH_TEST))["Verdict"] == "none"


@needs_root
async def test_a_ledger_that_takes_nothing_more_is_no_record(
    setup: Setup, journal: Journal
) -> None:
    async with running(replace(setup, prefix=journal.prefix)) as kdumpd:
        # As on a full disk: no file of it may grow beyond what it has.
        resource.prlimit(kdumpd.process.pid, resource.RLIMIT_FSIZE, (4096, 4096))
        async with trigger_owner(setup.bus) as trigger:
            answer = await record(trigger, "a-test")
            assert answer.error_name == NOT_READY
            assert (await trigger.properties(CRASH_TEST))["Verdict"] == "none"
    assert await journal.entries("KDUMPD_TEST=a-test") == []


async def test_a_capture_of_the_crash_proves_it(machine: Machine, setup: Setup) -> None:
    await crash(setup)
    died = int(time.time()) - 1
    machine.kdump_tools("202611230113", flattened(Crash(crash_time=died)), SYSRQ)
    async with after_the_crash(machine, setup) as client:
        said = await verdict(client)
        (path,) = await client.captures()
        assert (said["Verdict"], said["Reason"], said["Capture"]) == ("passed", "", path)
        assert said["TestedKernel"] == RELEASE
        assert said["Size"] == len(flattened(Crash(crash_time=died)))
        assert 0 < said["Seconds"] < 60
        assert (await client.captures())[path]["IsTest"] is True
        assert (await client.manager())["Unacknowledged"] == 0
        assert said["Stale"] is False
        machine.write("proc/cmdline", "ro quiet crashkernel=512M\n")
        said = await verdict(client)
        assert said["Stale"] is True
        assert "crashkernel=512M" in said["StaleReason"]


async def test_a_ledger_that_cannot_be_written_any_more_is_read_all_the_same(
    machine: Machine, setup: Setup, tmp_path: Path
) -> None:
    """As on a disk that the dump has filled: of all things the verdict on that would be lost."""
    await crash(setup)
    for file in (*setup.state.iterdir(), setup.state):
        file.chmod(0o500)
    spare = tmp_path / "run"
    spare.mkdir()
    setup = replace(setup, prefix=WITHOUT_RIGHTS, environment={"RUNTIME_DIRECTORY": str(spare)})
    async with after_the_crash(machine, setup) as client:
        assert (await verdict(client))["Verdict"] == "failed"
    async with after_the_crash(machine, replace(setup, environment={})) as client:
        assert (await verdict(client))["Verdict"] == "none"
    assert (spare / "ledger.sqlite").stat().st_mode & 0o777 == 0o600


async def test_without_a_capture_it_has_failed(machine: Machine, setup: Setup) -> None:
    await crash(setup)
    async with after_the_crash(machine, setup) as client:
        said = await verdict(client)
        assert (said["Verdict"], said["Capture"]) == ("failed", "/")
        assert said["Reason"].startswith("The machine came back without a capture")
        manager = await client.manager()
        (finding,) = (one for one in manager["Findings"] if one[0] == "crash-test-failed")
        assert finding[1] == "warning"
        assert "failed: the machine came back without a capture" in finding[2]
        assert manager["Readiness"] == "degraded"
        # Of another set-up it says nothing.
        machine.write("proc/cmdline", "ro quiet crashkernel=512M\n")
        await client.call("org.kdumpd1.Manager", "Rescan")
        manager = await client.manager()
        assert all(code != "crash-test-failed" for code, *_ in manager["Findings"])


async def test_a_cut_capture_has_failed_until_the_whole_one_is_found(
    machine: Machine, setup: Setup
) -> None:
    await crash(setup)
    core = flattened(Crash(crash_time=int(time.time())))
    path = machine.kdump_tools("202611230113", core[: len(core) // 2], SYSRQ)
    async with after_the_crash(machine, setup) as client:
        said = await until(client, "failed")
        assert "the dump is incomplete" in said["Reason"]
        path.write_bytes(core)
        await until(client, "passed")


@needs_root
async def test_the_journal_tells_the_crash_and_the_verdict_once(
    machine: Machine, setup: Setup, journal: Journal
) -> None:
    setup = replace(setup, prefix=journal.prefix)
    await crash(setup)
    machine.kdump_tools("202611230113", flattened(Crash(crash_time=int(time.time()))), SYSRQ)
    async with after_the_crash(machine, setup):
        (told,) = await journal.wait_for(1, "KDUMPD_VERDICT=passed")
    async with after_the_crash(machine, setup) as client:
        assert (await verdict(client))["Verdict"] == "passed"
        assert len(await journal.entries("KDUMPD_VERDICT=passed")) == 1
    (asked,) = await journal.entries("KDUMPD_VERDICT=pending")
    assert asked["KDUMPD_UID"] == "1000"
    assert asked["PRIORITY"] == "2"
    assert "overriding: uptime" in asked["MESSAGE"]
    assert told["KDUMPD_TEST"] == asked["KDUMPD_TEST"] == "a-test"
    assert told["KDUMPD_CAPTURE"]
    assert "has passed" in told["MESSAGE"]
