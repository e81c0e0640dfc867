# SPDX-License-Identifier: GPL-2.0-or-later
"""Earlier boots are found in the journal's files, and only what users cannot forge is believed."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kdumpd.model.boots.journal import PastBoot, PastBoots, Shutdown
from kdumpd.observe.boots import MAX_PAST_BOOTS, BootsObserver, read_past_boots
from kdumpd.observe.files import Files
from tests.support.held import Held
from tests.support.journal_file import (
    MACHINE_ID,
    SHUTDOWN,
    STARTED,
    STOPPED,
    Boot,
    Fields,
    kernel,
    opening,
    orderly,
    write_boots,
)
from tests.support.machine import BOOT_ID, Machine

THIS = BOOT_ID.replace("-", "")
FIRST, SECOND, THIRD = ("a" * 32, "b" * 32, "c" * 32)
NOON = 1_700_000_000
HOUR = 3600
PANIC = "Kernel panic - not syncing: Fatal exception"
USER = {
    "_TRANSPORT": "journal",
    "_PID": "4242",
    "_UID": "1000",
    "_SYSTEMD_UNIT": "user@1000.service",
}


def uuid(digits: str) -> str:
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def ending(*entries: tuple[float, Fields], id_: str = FIRST, began: int = NOON) -> Boot:
    return Boot(id_, began, [*opening(), *entries])


def running(began: int = NOON + HOUR) -> Boot:
    return Boot(THIS, began, opening())


def read(machine: Machine) -> PastBoots:
    return read_past_boots(Files(machine.root))


def journal(machine: Machine, *boots: Boot) -> Path:
    return write_boots(machine.root / "var/log/journal", *boots)


def only(machine: Machine, *entries: tuple[float, Fields]) -> PastBoot:
    """Return what is read of a boot that ends with these entries."""
    journal(machine, ending(*entries), running())
    (boot,) = read(machine).boots
    return boot


def test_a_boot_that_ended_in_order(machine: Machine) -> None:
    boot = only(machine, *orderly(60))
    assert boot == PastBoot(
        id=uuid(FIRST),
        began=datetime.fromtimestamp(NOON, UTC),
        ended=datetime.fromtimestamp(NOON + 65, UTC),
        uptime=65.0,
        release="6.1.0-56-amd64",
        shutdown=Shutdown.DONE,
    )


@pytest.mark.parametrize(
    "who", [SHUTDOWN, {**SHUTDOWN, "_PID": "1", "_SYSTEMD_UNIT": "init.scope"}]
)
def test_a_shutdown_whose_end_is_not_on_disk(machine: Machine, who: Fields) -> None:
    """As where /var is a file system of its own: journald has left it by then."""
    assert only(machine, (60, who), (65, kernel("unmounting"))).shutdown is Shutdown.BEGUN


def test_a_boot_that_just_stops(machine: Machine) -> None:
    assert only(machine, (60, kernel("eth0: link up"))).shutdown is Shutdown.NONE


def test_a_journald_that_was_only_restarted(machine: Machine) -> None:
    boot = only(machine, (60, STOPPED), (61, STARTED), (90, kernel("eth0: link up")))
    assert boot.shutdown is Shutdown.NONE


def test_a_journald_that_ended_again_after_a_restart(machine: Machine) -> None:
    assert only(machine, (60, STOPPED), (61, STARTED), (90, STOPPED)).shutdown is Shutdown.DONE


def test_a_soft_reboot_that_then_just_stops(machine: Machine) -> None:
    """It keeps the boot's id, and starts journald anew."""
    assert only(machine, *orderly(60), (70, STARTED), (99, kernel("x"))).shutdown is Shutdown.NONE


def test_a_word_of_shutdown_long_before_the_end(machine: Machine) -> None:
    assert only(machine, (60, SHUTDOWN), (60 + HOUR, kernel("x"))).shutdown is Shutdown.NONE


@pytest.mark.parametrize("genuine", [SHUTDOWN, STOPPED])
@pytest.mark.parametrize(
    "who",
    [USER, {**USER, "_UID": "0"}, {**USER, "_SYSTEMD_UNIT": "systemd-logind.service"}],
    ids=["user", "root", "uid"],
)
def test_anybody_may_log_any_id(machine: Machine, genuine: Fields, who: Fields) -> None:
    assert only(machine, (60, {**genuine, **who})).shutdown is Shutdown.NONE


def test_the_panic_in_the_journal(machine: Machine) -> None:
    boot = only(machine, (60, kernel(PANIC)), (60.1, kernel("Kernel Offset: disabled")))
    assert boot.panic == "Fatal exception"


@pytest.mark.parametrize(
    "forged",
    [
        {**USER, "_TRANSPORT": "syslog", "SYSLOG_FACILITY": "0", "MESSAGE": PANIC},
        {**kernel(PANIC), "_TRANSPORT": "journal", "_UID": "0"},
        {**kernel(PANIC), "SYSLOG_FACILITY": "1"},
        kernel(f"systemd[1]: {PANIC}"),
    ],
    ids=["syslog", "journal", "kmsg", "within"],
)
def test_a_panic_that_a_program_tells_of(machine: Machine, forged: Fields) -> None:
    assert only(machine, (60, forged)).panic == ""


def test_the_crash_kernel_is_told_apart(machine: Machine) -> None:
    line = "root=/dev/vda reset_devices nr_cpus=1 elfcorehdr=883456K"
    capture = Boot(SECOND, NOON + 100, opening(command_line=line))
    journal(machine, ending((60, kernel("x"))), capture, running())
    boots = read(machine).boots
    assert [(boot.id, boot.is_crash_kernel) for boot in boots] == [
        (uuid(SECOND), True),
        (uuid(FIRST), False),
    ]


def test_the_crash_kernel_of_a_device_tree(machine: Machine) -> None:
    boot = opening()
    boot.insert(
        1, (0.05, kernel("OF: fdt: Reserving 1 KiB of memory at 0xf4fff000 for elfcorehdr"))
    )
    journal(machine, Boot(FIRST, NOON, boot), running())
    assert [boot.is_crash_kernel for boot in read(machine).boots] == [True]


def test_no_program_makes_a_crash_kernel(machine: Machine) -> None:
    words = {**USER, "MESSAGE": "Kernel command line: elfcorehdr=1K", "_TRANSPORT": "stdout"}
    boot = Boot(FIRST, NOON, [(0.0, words), *opening()])
    journal(machine, boot, running())
    assert [boot.is_crash_kernel for boot in read(machine).boots] == [False]


def test_the_newest_comes_first_and_the_running_one_not_at_all(machine: Machine) -> None:
    boots = [ending(id_=id_, began=NOON + at) for at, id_ in enumerate((FIRST, SECOND, THIRD))]
    for number, boot in enumerate(boots):
        journal(machine, replace(boot, began=NOON + 100 * number))
    journal(machine, running())
    assert [boot.id for boot in read(machine).boots] == [uuid(THIRD), uuid(SECOND), uuid(FIRST)]


def test_no_more_than_a_few_boots(machine: Machine) -> None:
    boots = [Boot(f"{number:032x}", NOON + 100 * number, opening()) for number in range(1, 30)]
    journal(machine, *boots, running(NOON + 9000))
    found = read(machine).boots
    assert len(found) == MAX_PAST_BOOTS
    assert found[0].id == uuid(f"{29:032x}")


def test_boots_whose_times_are_mixed_up(machine: Machine) -> None:
    """A clock that was wrong: no boot is read twice, and none without end."""
    for number, id_ in enumerate((FIRST, SECOND, THIRD)):
        entries = [*opening(), (5000.0 + number, kernel("x"))]
        journal(machine, Boot(id_, NOON + number, entries))
    found = [boot.id for boot in read(machine).boots]
    assert len(found) == len(set(found))
    assert uuid(THIRD) in found


def test_the_boots_of_a_container_are_none_of_the_machine(machine: Machine) -> None:
    machine.write("etc/machine-id", f"{MACHINE_ID}\n")
    journal(machine, ending(*orderly(60)), running())
    journal(machine, replace(ending(id_=SECOND, began=NOON + 100), machine_id="d" * 32))
    assert [boot.id for boot in read(machine).boots] == [uuid(FIRST)]


def test_when_the_running_boot_began(machine: Machine) -> None:
    machine.write("proc/stat", f"cpu 1 2 3\nbtime {NOON}\n")
    assert read(machine) == PastBoots(began=datetime.fromtimestamp(NOON, UTC))


@pytest.mark.parametrize("content", [b"", b"LPKSHHRH" + bytes(300), bytes(range(256)) * 20])
def test_a_damaged_journal(machine: Machine, content: bytes) -> None:
    path = machine.root / "var/log/journal" / ("8" * 32) / "system.journal"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert read(machine).boots == ()
    journal(machine, ending(*orderly(60)), running())
    assert [boot.id for boot in read(machine).boots] == [uuid(FIRST)]


def test_a_cut_journal(machine: Machine) -> None:
    path = journal(machine, ending(*orderly(60)), running())
    whole = path.read_bytes()
    for size in (100, 272, 1000, 4096, 8192, 10_000, 40_000, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert all(boot.id == uuid(FIRST) for boot in read(machine).boots)


def test_a_journal_with_bytes_flipped(machine: Machine) -> None:
    """Whatever is in it: a value or nothing, within a bounded time."""
    path = journal(machine, ending(*orderly(60)), running())
    whole = path.read_bytes()
    for at in range(200, min(len(whole), 40_000), 997):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        assert len(read(machine).boots) <= MAX_PAST_BOOTS


def test_a_journal_that_is_no_directory(machine: Machine) -> None:
    machine.write("var/log/journal", "?")
    assert read(machine).boots == ()


def test_times_of_no_calendar(machine: Machine) -> None:
    boot = Boot(FIRST, (1 << 62) // 1_000_000, opening())
    journal(machine, boot)
    assert read(machine).boots == ()


async def test_the_journal_is_read_once(machine: Machine) -> None:
    observer = BootsObserver(machine.root, lambda: None)
    assert (await observer.ask(again=False)).boots == ()
    journal(machine, ending(*orderly(60)), running())
    assert (await observer.ask(again=False)).boots == ()
    assert (await BootsObserver(machine.root, lambda: None).ask(again=True)).boots


@pytest.fixture
def late() -> asyncio.Event:
    """What an observer tells when an answer has come that nobody waits for."""
    return asyncio.Event()


async def test_an_answer_that_comes_late_is_that_of_the_next_question(
    machine: Machine, late: asyncio.Event
) -> None:
    journal(machine, ending(*orderly(60)), running())
    held = Held()
    observer = BootsObserver(machine.root, late.set, timeout=0.1, start=held.start)
    none = await observer.ask(again=False)
    assert none.boots == ()
    assert none.problem == "the journal does not answer: no answer within 0.1 s"
    assert (await observer.ask(again=True)).problem == "the journal does not answer"
    held.let_go()
    async with asyncio.timeout(10):
        await late.wait()
    boots = await observer.ask(again=False)
    assert [boot.id for boot in boots.boots] == [uuid(FIRST)]
    assert boots.problem == ""
    assert await observer.ask(again=True) is boots


async def test_the_journal_is_read_again_after_a_pause(machine: Machine) -> None:
    pause = 1.0
    observer = BootsObserver(machine.root, lambda: None, pause=pause)
    assert (await observer.ask(again=True)).boots == ()
    journal(machine, ending(*orderly(60)), running())
    assert (await observer.ask(again=True)).boots == ()
    await asyncio.sleep(pause)
    assert (await observer.ask(again=False)).boots == ()
    assert [boot.id for boot in (await observer.ask(again=True)).boots] == [uuid(FIRST)]


def test_this_machine() -> None:
    """Whatever it lets us read, nothing is raised."""
    asyncio.run(BootsObserver(Path("/"), lambda: None).ask(again=True))
