# SPDX-License-Identifier: GPL-2.0-or-later
"""Trees as each writer leaves them: the right captures come of them, no more and no fewer."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from kdumpd.model.captures.capture import Layout, Sighting
from kdumpd.model.captures.core import Format
from kdumpd.model.captures.settling import without_copies
from kdumpd.model.vocabulary import CaptureState
from kdumpd.observe.captures import scan
from kdumpd.observe.captures.capture import LOG_UNREADABLE
from kdumpd.observe.captures.scan import read_crash_directory
from kdumpd.observe.captures.scan_cache import Visits
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.shared_files import SharedFiles
from tests.support.cores import Crash, elf, flattened, kdump, split
from tests.support.machine import Machine, apport_report
from tests.support.rights import SOMEBODY, as_root

CRASH, ARCHIVE = b"/var/crash", b"/var/lib/systemd/pstore"
STAMP = "202611230113"
WHEN = "2026-11-23-01:13:34"
DMESG = b"[    3.994837] Kernel panic - not syncing: sysrq triggered crash\n"
NOTHING: Mapping[bytes, Sighting] = {}


def look(
    machine: Machine, path: bytes = CRASH, known: Mapping[bytes, Sighting] = NOTHING
) -> tuple[Sighting, ...]:
    """Return what lies in the directory, which has no problem."""
    directory = read_crash_directory(SharedFiles(Files(machine.root)), path, known, lambda _: None)
    assert directory.facts.problem == ""
    assert directory.listed
    places = [sighting.place for sighting in directory.sightings]
    assert len(set(places)) == len(places)
    return directory.sightings


def only(machine: Machine, path: bytes = CRASH) -> Sighting:
    (sighting,) = look(machine, path)
    return sighting


def name_of(sighting: Sighting) -> tuple[bytes, bytes]:
    """Return the names of the core and of the log."""
    core, dmesg = sighting.core, sighting.dmesg
    return core.name if core else b"", dmesg.name if dmesg else b""


# kdump-tools


@pytest.mark.parametrize("host", ["10.0.2.15", "2001:db8::1", "web-1.example"])
def test_a_server_that_collects(machine: Machine, host: str) -> None:
    core = machine.kdump_tools(STAMP, flattened(Crash()), DMESG)
    core.parent.rename(machine.crash / f"{host}-{STAMP}")
    sighting = only(machine)
    assert sighting.directory == f"/var/crash/{host}-{STAMP}".encode()
    assert (sighting.layout, sighting.state) == (Layout.KDUMP_TOOLS, CaptureState.COMPLETE)


def test_what_kdump_tools_leave_at_the_top(machine: Machine) -> None:
    machine.kdump_tools(STAMP, flattened(Crash()), DMESG)
    (machine.crash / "kexec_cmd").write_text("/sbin/kexec -p\n")
    (machine.crash / "kdump_lock").touch()
    assert only(machine).complete


# kdump-utils


def test_a_flattened_core_from_ssh(machine: Machine) -> None:
    core = machine.kdump_utils(WHEN, flattened(Crash()), DMESG)
    core.rename(core.with_name("vmcore.flat"))
    sighting = only(machine)
    assert name_of(sighting) == (b"vmcore.flat", b"vmcore-dmesg.txt")
    assert sighting.complete


def test_a_test_of_kdumpctl(machine: Machine) -> None:
    machine.kdump_test("kdump-test-1795396414-123456789", kdump(Crash()))
    sighting = only(machine)
    assert sighting.complete
    assert sighting.is_test


def test_a_test_that_failed_at_once(machine: Machine) -> None:
    """Its status alone is no capture."""
    core = machine.kdump_test("kdump-test-1795396414-123456789", b"")
    core.unlink()
    core.with_name("vmcore-dmesg.txt").unlink()
    assert look(machine) == ()


def test_the_crash_kernels_log_alone(machine: Machine) -> None:
    """A capture that failed: the log of the kernel that died is nowhere."""
    directory = machine.crash / f"127.0.0.1-{WHEN}"
    directory.mkdir()
    (directory / "kexec-dmesg.log").write_bytes(b"[Mon Nov 23 01:14] mount failed\n")
    sighting = only(machine)
    assert sighting.state is CaptureState.INCOMPLETE
    assert name_of(sighting) == (b"", b"")
    assert sighting.facts.problem.startswith("holds nothing of the crash: 'kexec-dmesg.log'")
    assert sighting.trusted


def test_a_split_core(machine: Machine) -> None:
    parts = split(Crash(), 18, 20)
    machine.split(WHEN, parts)
    sighting = only(machine)
    assert sighting.complete, sighting.facts.problem
    assert name_of(sighting) == (b"vmcore.1", b"vmcore-dmesg.txt")
    assert sighting.core_size == sum(map(len, parts))
    assert sighting.facts.crashed_at == Crash().crashed_at
    assert len(sighting.parts) == 3


def test_a_part_without_pages(machine: Machine) -> None:
    """makedumpfile gives whole GiB to each part: the last ones of a small machine are empty."""
    machine.split(WHEN, split(Crash(), 22, 22))
    assert only(machine).complete


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_missing_part(machine: Machine, number: int) -> None:
    directory = machine.split(WHEN, split(Crash(), 18, 20))
    (directory / f"vmcore.{number}").unlink()
    sighting = only(machine)
    assert sighting.state is CaptureState.INCOMPLETE
    assert f"has no 'vmcore.{number}'" in sighting.facts.problem


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_part_cut_off(machine: Machine, number: int) -> None:
    directory = machine.split(WHEN, split(Crash(), 18, 20))
    part = directory / f"vmcore.{number}"
    part.write_bytes(part.read_bytes()[:-1])
    sighting = only(machine)
    assert sighting.state is CaptureState.INCOMPLETE
    assert sighting.facts.problem.startswith(f"has 'vmcore.{number}', which ends at")


def test_a_part_of_another_crash(machine: Machine) -> None:
    directory = machine.split(WHEN, split(Crash(), 18, 20))
    (directory / "vmcore.2").write_bytes(split(Crash(crash_time=1), 18, 20)[1])
    assert "'vmcore.2', which is of another crash" in only(machine).facts.problem


def test_a_part_under_the_name_of_a_whole_core(machine: Machine) -> None:
    machine.kdump_utils(WHEN, split(Crash(), 18)[0])
    sighting = only(machine)
    assert sighting.state is CaptureState.INCOMPLETE
    assert "is a part of a split core" in sighting.facts.problem


def test_parts_put_together(machine: Machine) -> None:
    directory = machine.split(WHEN, split(Crash(), 18)[:1])
    (directory / "vmcore").write_bytes(kdump(Crash()))
    sighting = only(machine)
    assert name_of(sighting) == (b"vmcore", b"vmcore-dmesg.txt")
    assert sighting.complete
    assert sighting.core_size == len(kdump(Crash()))


# SUSE


@pytest.mark.parametrize(
    "when", ["2026-11-23-01:13", "2026-11-23-01-13", "crashed-2026-11-23-01-13"]
)
def test_suse(machine: Machine, when: str) -> None:
    directory = machine.suse(when, flattened(Crash()), dmesg=DMESG)
    (directory / ".notified").touch()
    sighting = only(machine)
    assert (sighting.layout, sighting.state) == (Layout.SUSE, CaptureState.COMPLETE)
    assert name_of(sighting) == (b"vmcore", b"dmesg")
    assert sighting.facts.problem == ""


def test_suse_before_it_has_finished(machine: Machine) -> None:
    machine.suse("2026-11-23-01-13", flattened(Crash())[:-100], status=None)
    sighting = only(machine)
    assert sighting.state is CaptureState.INCOMPLETE
    assert "README.txt is still the placeholder" in sighting.facts.problem
    assert sighting.facts.kernel_release == Crash().release


def test_suse_with_a_whole_core_and_the_placeholder(machine: Machine) -> None:
    """It crashed after the core was written: that is whole, whatever the text says."""
    machine.suse("2026-11-23-01-13", flattened(Crash()), status=None)
    sighting = only(machine)
    assert sighting.complete
    assert sighting.facts.problem == ""


def test_suse_that_claims_what_the_core_does_not_prove(machine: Machine) -> None:
    machine.suse("2026-11-23-01-13", flattened(Crash())[:-100])
    sighting = only(machine)
    assert sighting.state is CaptureState.INCOMPLETE
    assert "README.txt says 'saved successfully'" in sighting.facts.problem


def test_suse_without_room_for_the_core(machine: Machine) -> None:
    machine.suse("2026-11-23-01-13", None, status="deleted (12 < KDUMP_FREE_DISK_SIZE 64)")
    sighting = only(machine)
    assert sighting.state is CaptureState.DMESG_ONLY
    assert sighting.facts.problem == (
        "has no core; README.txt says 'deleted (12 < KDUMP_FREE_DISK_SIZE 64)'"
    )
    assert sighting.facts.kernel_release == "6.4.0-150600.23-default"
    assert sighting.facts.host == "crashed"


def test_suse_that_finishes_is_read_again(machine: Machine) -> None:
    directory = machine.suse("2026-11-23-01-13", flattened(Crash())[:-100], status=None)
    (first,) = look(machine)
    (directory / "README.txt").write_text("Kernel crashdump\nvmcore status: error while saving\n")
    (second,) = look(machine, known={first.place: first})
    assert "error while saving" in second.facts.problem


# SteamOS


def test_steamos(machine: Machine) -> None:
    machine.steamos(STAMP, kdump(Crash()), DMESG)
    sighting = only(machine)
    assert (sighting.layout, sighting.state) == (Layout.STEAMOS, CaptureState.COMPLETE)
    assert sighting.directory == b"/var/crash/crash/202611230113"
    assert name_of(sighting) == (b"vmcore.compressed", b"dmesg.txt")


def test_steamos_without_a_core(machine: Machine) -> None:
    machine.steamos(STAMP, None, DMESG)
    assert (only(machine).layout, only(machine).state) == (Layout.STEAMOS, CaptureState.DMESG_ONLY)


@pytest.mark.parametrize("path", [CRASH, b"/var/crash/crash"])
def test_steamos_after_the_next_boot(machine: Machine, path: bytes) -> None:
    """The cores of two crashes are moved into one directory, and stay two captures."""
    for number, stamp in enumerate((STAMP, "202611230245"), 1):
        directory = machine.steamos(stamp, kdump(Crash(crash_time=number)), DMESG)
        (directory / "vmcore.compressed").rename(directory.with_name(f"vmcore.{stamp}"))
        shutil.rmtree(directory)
    first, second = look(machine, path)
    assert first.complete
    assert second.complete
    assert first.id != second.id
    assert first.directory == second.directory == b"/var/crash/crash"
    assert (first.place, second.place) == (
        b"/var/crash/crash/vmcore.202611230113",
        b"/var/crash/crash/vmcore.202611230245",
    )


# apport


def test_a_report_on_a_capture_that_is_there(machine: Machine) -> None:
    """It is of the same crash: there is one capture."""
    machine.kdump_tools(STAMP, flattened(Crash()), DMESG * 5000)
    machine.apport(STAMP, DMESG * 5000)
    (original,) = without_copies(look(machine), ())
    assert original.layout is Layout.KDUMP_TOOLS


def test_a_report_on_a_capture_that_is_gone(machine: Machine) -> None:
    machine.apport(STAMP, DMESG)
    sighting = only(machine)
    assert (sighting.layout, sighting.state) == (Layout.APPORT, CaptureState.DMESG_ONLY)
    assert sighting.directory == CRASH
    assert sighting.place == b"/var/crash/linux-image-6.8.0-31-generic-202611230113.crash"
    core = machine.kdump_tools("202611230114", b"", DMESG)
    core.unlink()
    (original,) = without_copies(look(machine), ())
    assert (original.id, original.layout) == (sighting.id, Layout.KDUMP_TOOLS)


def test_reports_on_two_crashes(machine: Machine) -> None:
    machine.apport(STAMP, DMESG)
    machine.apport("202611230245", DMESG + b"again\n")
    first, second = look(machine)
    assert first.id != second.id


@pytest.mark.parametrize("kind", ["KernelOops", "Package", "Crash"])
def test_a_report_on_something_else(machine: Machine, kind: str) -> None:
    machine.apport(STAMP, DMESG, kind)
    assert look(machine) == ()


def test_a_report_that_is_cut_off(machine: Machine) -> None:
    report = machine.apport(STAMP, DMESG * 50)
    report.write_bytes(report.read_bytes()[:-20])
    sighting = only(machine)
    assert sighting.state is CaptureState.DMESG_ONLY
    assert sighting.facts.problem == LOG_UNREADABLE


def make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


STRANGE: dict[str, Callable[[Path], object]] = {
    "group": lambda path: path.chmod(0o664),
    "link": lambda path: path.symlink_to(path.rename(path.with_name("elsewhere"))),
    "hard link": lambda path: path.with_name("another").hardlink_to(path),
    "fifo": make_fifo,
    "directory": make_directory,
}


@pytest.mark.parametrize("strange", STRANGE)
def test_a_report_that_is_not_trusted(machine: Machine, strange: str) -> None:
    STRANGE[strange](machine.apport(STAMP, DMESG))
    sighting = only(machine)
    assert not sighting.trusted
    assert sighting.log_id == ""


@as_root
def test_more_reports_of_strangers_than_are_looked_at(machine: Machine) -> None:
    machine.crash.chmod(0o3777)
    machine.apport(STAMP, DMESG)
    for number in range(scan.MAX_UNTRUSTED_DIRECTORIES + 10):
        path = machine.crash / f"linux-image-x-{number:012}.crash"
        path.write_bytes(apport_report(DMESG))
        os.chown(path, SOMEBODY, -1)
    directory = read_crash_directory(SharedFiles(Files(machine.root)), CRASH, {}, lambda _: None)
    assert len(directory.sightings) == 1 + scan.MAX_UNTRUSTED_DIRECTORIES
    assert [one.place for one in directory.sightings if one.trusted] == [
        b"/var/crash/linux-image-6.8.0-31-generic-202611230113.crash"
    ]
    assert not any(one.trusted_directory for one in directory.sightings if not one.trusted)
    assert directory.listed
    assert directory.facts.problem == ""
    assert directory.facts.strangers == ((SOMEBODY, 0, scan.MAX_UNTRUSTED_DIRECTORIES + 10),)


# systemd-pstore


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("1795396414/001", "dmesg-efi-179539641401001"),
        ("1795396414/001", "dmesg-efi_pstore-179539641401001"),
        ("7000000000000000001", "dmesg-erst-7000000000000000001"),
    ],
)
def test_pstore(machine: Machine, name: str, part: str) -> None:
    directory = machine.pstore(name, DMESG, part)
    sighting = only(machine, ARCHIVE)
    assert (sighting.layout, sighting.state) == (Layout.PSTORE, CaptureState.DMESG_ONLY)
    assert sighting.directory == ARCHIVE + b"/" + name.encode()
    assert name_of(sighting) == (b"", b"dmesg.txt")
    (directory / "dmesg.txt").unlink()
    assert name_of(only(machine, ARCHIVE)) == (b"", part.encode())


def test_two_records_of_one_second(machine: Machine) -> None:
    machine.pstore("1795396414/001", DMESG, "dmesg-efi-179539641401001")
    machine.pstore("1795396414/002", DMESG + b"again\n", "dmesg-efi-179539641401002")
    assert len(look(machine, ARCHIVE)) == 2


def test_ramoops(machine: Machine) -> None:
    """systemd-pstore leaves what it does not know at the top, under the back end's own name."""
    archive = machine.root / "var/lib/systemd/pstore"
    archive.mkdir(parents=True)
    for number in range(2):
        (archive / f"dmesg-ramoops-{number}").write_bytes(DMESG * (number + 1))
    (archive / "console-ramoops-0").write_bytes(DMESG)
    first, second = look(machine, ARCHIVE)
    assert first.place == b"/var/lib/systemd/pstore/dmesg-ramoops-0"
    assert first.id != second.id


def test_an_archive_that_does_not_exist(machine: Machine) -> None:
    facts = read_crash_directory(
        SharedFiles(Files(machine.root)), ARCHIVE, {}, lambda _: None
    ).facts
    assert (facts.present, facts.optional) == (False, True)
    machine.crash.rmdir()
    facts = read_crash_directory(SharedFiles(Files(machine.root)), CRASH, {}, lambda _: None).facts
    assert (facts.present, facts.optional) == (False, False)


# Ubuntu, before it had kdump-tools


def test_ubuntu(machine: Machine) -> None:
    (machine.crash / "vmcore").write_bytes(elf(Crash()))
    (machine.crash / "vmcore.log").write_bytes(b"The dumpfile is saved to /var/crash/vmcore.\n")
    sighting = only(machine)
    assert (sighting.layout, sighting.facts.format) == (Layout.UBUNTU, Format.ELF)
    assert sighting.complete
    assert name_of(sighting) == (b"vmcore", b"")
    assert sighting.place == b"/var/crash/vmcore"


# All of them


def test_every_layout_side_by_side(machine: Machine) -> None:
    machine.kdump_tools(STAMP, flattened(Crash(crash_time=1)), DMESG)
    machine.kdump_utils(WHEN, kdump(Crash(crash_time=2)))
    machine.split("2026-11-23-02:00:00", split(Crash(crash_time=3), 18))
    machine.suse("2026-11-23-01-13", flattened(Crash(crash_time=4)))
    machine.steamos(STAMP, kdump(Crash(crash_time=5)))
    machine.apport(STAMP, DMESG)
    machine.apport("202611220000", b"of another\n")
    (machine.crash / "vmcore").write_bytes(elf(Crash(crash_time=6)))
    (machine.crash / "_usr_bin_python3.12.1000.crash").write_bytes(b"ProblemType: Crash\n")
    found = without_copies(look(machine), ())
    assert sorted((one.layout, one.state) for one in found) == [
        (Layout.APPORT, CaptureState.DMESG_ONLY),
        (Layout.KDUMP_TOOLS, CaptureState.COMPLETE),
        (Layout.KDUMP_UTILS, CaptureState.COMPLETE),
        (Layout.KDUMP_UTILS, CaptureState.COMPLETE),
        (Layout.STEAMOS, CaptureState.COMPLETE),
        (Layout.SUSE, CaptureState.COMPLETE),
        (Layout.UBUNTU, CaptureState.COMPLETE),
    ]
    assert len({one.id for one in found}) == 7
    again = without_copies(look(machine, known={one.place: one for one in found}), ())
    assert {id(one) for one in again} == {id(one) for one in found}


def test_what_is_none_of_ours_is_told(machine: Machine) -> None:
    machine.kdump_tools(STAMP, flattened(Crash()), DMESG)
    machine.steamos(STAMP, kdump(Crash(crash_time=2)))
    for name in ("notes", "empty", "deep/er"):
        (machine.crash / name).mkdir(parents=True)
    (machine.crash / "notes" / "todo").touch()
    told: list[bytes] = []
    read_crash_directory(
        SharedFiles(Files(machine.root)), CRASH, {}, lambda _: None, Visits(on_foreign=told.append)
    )
    assert sorted(told) == [b"/var/crash/deep/er", b"/var/crash/empty", b"/var/crash/notes"]


def test_when_a_directory_was_made(machine: Machine) -> None:
    """Whoever foretells its removal asks; nothing else is read again for it."""
    core = machine.kdump_tools(STAMP, flattened(Crash()), DMESG)
    os.utime(core.parent, ns=(0, 1_700_000_000 * 10**9))
    (first,) = look(machine)
    assert first.made_at is not None
    assert first.made_at.timestamp() == 1_700_000_000
    os.utime(core.parent, ns=(0, 1_700_000_060 * 10**9))
    (second,) = look(machine, known={first.place: first})
    assert second.made_at is not None
    assert second.made_at.timestamp() == 1_700_000_060
    assert second.facts is first.facts


def test_unread_below_a_directory_of_others(machine: Machine) -> None:
    machine.kdump_tools(STAMP, flattened(Crash()))
    (machine.crash / "theirs").mkdir()
    (machine.crash / "theirs" / STAMP).symlink_to(machine.crash / STAMP)
    assert only(machine).directory == b"/var/crash/202611230113"
