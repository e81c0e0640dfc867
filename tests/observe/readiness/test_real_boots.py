# SPDX-License-Identifier: GPL-2.0-or-later
"""The journal of a real Debian that was crashed, rebooted and reset; tests/samples/boots."""

import tarfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kdumpd.model.boots.journal import PastBoots, Shutdown
from kdumpd.model.boots.record import ended_boots, find_ended
from kdumpd.model.captures.capture import Layout, Sighting, capture_id
from kdumpd.model.crashlog.crash import parse_kernel_log
from kdumpd.model.state import State
from kdumpd.model.vocabulary import BootEnd
from kdumpd.observe.boots import read_past_boots
from kdumpd.observe.files import Files
from tests.support.looks import BOOT, CUT, DELAYS, FACTS, KERNEL, Watched, capture
from tests.support.machine import Machine

SAMPLES = Path(__file__).parents[2] / "samples/boots"
MACHINE_ID = "48f96d26d62a4cc0b0d86946bf4008f6"
CAPTURED = "0595b3ce-8b40-4f74-9475-c1213df09994"
CRASH_KERNEL = "c314eb77-7b8a-41c2-bb09-a0c5c9031497"
REBOOTED = "360d5c20-f102-4861-b81a-8c314d07d772"
NOT_CAPTURED = "3d21ed3e-bb7b-4abb-9d39-c562246f0eef"
RESET = "140eaee9-68e2-4de0-a693-9ad2096b7f0c"
RUNNING = "fefef3ce-9e4c-42e9-a39e-c141d0a11776"
BEGAN = {
    RUNNING: datetime(2026, 11, 27, 0, 21, 57, tzinfo=UTC),
    RESET: datetime(2026, 11, 27, 0, 20, 25, tzinfo=UTC),
    NOT_CAPTURED: datetime(2026, 11, 27, 0, 17, 38, tzinfo=UTC),
    REBOOTED: datetime(2026, 11, 27, 0, 14, 18, tzinfo=UTC),
}


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> PastBoots:
    """What is read of the whole journal, in the last of the boots."""
    machine = Machine(tmp_path_factory.mktemp("real") / "machine")
    machine.write("etc/machine-id", f"{MACHINE_ID}\n")
    machine.write("proc/sys/kernel/random/boot_id", f"{RUNNING}\n")
    (machine.root / "var/log").mkdir()
    with tarfile.open(SAMPLES / "journal.tar.xz") as tar:
        tar.extractall(machine.root / "var/log", filter="data")
    return read_past_boots(Files(machine.root))


def test_every_boot_is_found_in_its_order(past: PastBoots) -> None:
    assert [(boot.id, boot.is_crash_kernel, boot.shutdown) for boot in past.boots] == [
        (RESET, False, Shutdown.NONE),
        (NOT_CAPTURED, False, Shutdown.NONE),
        (REBOOTED, False, Shutdown.DONE),
        (CRASH_KERNEL, True, Shutdown.NONE),
        (CAPTURED, False, Shutdown.NONE),
    ]
    assert {boot.release for boot in past.boots} == {past.boots[0].release}
    assert not past.problem


def test_the_crash_kernel_belongs_to_the_boot_before_it(past: PastBoots) -> None:
    boots = ended_boots(past, (), (), RUNNING)
    started = {boot.id: boot.crash_kernel_started for boot in boots}
    assert started == {RESET: False, NOT_CAPTURED: False, REBOOTED: False, CAPTURED: True}
    assert find_ended(boots, CRASH_KERNEL) is None


def at(boot_id: str, past: PastBoots) -> Watched:
    """Return the machine as it was in one of the boots."""
    ids = [boot.id for boot in past.boots]
    before = past.boots[ids.index(boot_id) + 1 :] if boot_id in ids else past.boots
    watched = Watched(State(validated_boot=BOOT))
    watched.past = replace(past, boots=before, began=BEGAN[boot_id])
    return watched


def settle(watched: Watched, boot_id: str, *sightings: Sighting) -> BootEnd:
    kernel = replace(KERNEL, boot_id=boot_id)
    watched.look(*sightings, kernel=kernel)
    watched.look(*sightings, kernel=kernel, after=DELAYS.settle)
    assert watched.state.previous is not None
    return watched.state.previous.end


def dump(past: PastBoots, *, whole: bool = True) -> Sighting:
    """Return the dump that the first boot left."""
    log = (SAMPLES / "crash/202611270013/dmesg.202611270013").read_bytes()
    crashed_at = datetime(2026, 11, 27, 0, 12, 20, tzinfo=UTC)
    facts = replace(
        FACTS if whole else CUT, crashed_at=crashed_at, kernel_release=past.boots[-1].release
    )
    return replace(capture(facts), crash=parse_kernel_log(log))


def archive(name: str = "7712639104625") -> Sighting:
    """Return what systemd-pstore archived of the boot in which nothing was loaded."""
    log = (SAMPLES / "pstore/7712639104625/dmesg.txt").read_bytes()
    sighting = capture(None, directory=f"/var/crash/{name}".encode())
    return replace(
        sighting,
        layout=Layout.PSTORE,
        crash=parse_kernel_log(log),
        logged_at=datetime(2026, 11, 27, 0, 20, 30, tzinfo=UTC),
        id=capture_id(name.encode()),
    )


def test_after_the_captured_crash(past: PastBoots) -> None:
    assert settle(at(REBOOTED, past), REBOOTED, dump(past)) is BootEnd.CRASH_CAPTURED
    assert settle(at(REBOOTED, past), REBOOTED, dump(past, whole=False)) is (
        BootEnd.CRASH_INCOMPLETE
    )


def test_after_the_same_if_its_dump_was_not_found(past: PastBoots) -> None:
    watched = at(REBOOTED, past)
    assert settle(watched, REBOOTED) is BootEnd.CRASH_NOT_CAPTURED
    assert watched.state.previous is not None
    assert "the crash kernel started" in watched.state.previous.reason


def test_after_the_reboot(past: PastBoots) -> None:
    watched = at(NOT_CAPTURED, past)
    assert settle(watched, NOT_CAPTURED, dump(past)) is BootEnd.CLEAN


def test_after_the_crash_with_nothing_loaded(past: PastBoots) -> None:
    watched = at(RESET, past)
    assert settle(watched, RESET, dump(past), archive()) is BootEnd.CRASH_NOT_CAPTURED
    assert watched.state.previous is not None
    assert "no crash kernel was loaded" in watched.state.previous.reason


def test_after_the_reset(past: PastBoots) -> None:
    assert settle(at(RUNNING, past), RUNNING, dump(past), archive()) is BootEnd.UNCLEAN
