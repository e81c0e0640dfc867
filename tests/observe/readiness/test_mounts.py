# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine's mounts, and what a sandbox makes of them."""

import pytest

from kdumpd.observe.captures.scan import read_crash_directory
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.shared_files import MACHINE_MOUNTINFO, Mounts, MountTable, SharedFiles
from kdumpd.observe.readiness.storage import read_storage
from tests.support.machine import Machine

DISK = "25 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
DATA = "26 25 8:17 / /srv/crash rw - ext4 /dev/sdb1 rw\n"
HIDING = "31 25 0:45 / /srv ro - tmpfs tmpfs ro\n"
BOUND = "32 31 8:17 / /srv/crash ro - ext4 /dev/sdb1 rw\n"


@pytest.fixture(params=MACHINE_MOUNTINFO)
def of_machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize(
    ("own", "hidden"),
    [
        (DISK + DATA, False),
        (DISK + HIDING, True),
        (DISK + DATA + HIDING, False),  # the mounts lie over another in this order
        (DISK + HIDING + BOUND, False),
        ("", False),
    ],
)
def test_a_directory_is_hidden_where_the_machine_has_another_file_system(
    machine: Machine, of_machine: str, own: str, *, hidden: bool
) -> None:
    machine.write(of_machine, DISK + DATA)
    machine.write("proc/self/mountinfo", own)
    assert Mounts(Files(machine.root)).is_hidden(b"/srv/crash") == hidden
    directory = read_crash_directory(
        SharedFiles(Files(machine.root)), b"/srv/crash", {}, lambda _: None
    )
    assert (
        ("hidden" in directory.facts.problem) == directory.facts.hidden == directory.facts.present
    )
    assert directory.facts.hidden == hidden
    assert directory.listed != hidden


def test_nothing_is_hidden_where_the_machine_is_not_known(machine: Machine) -> None:
    machine.write("proc/self/mountinfo", DISK + HIDING)
    assert not Mounts(Files(machine.root)).is_hidden(b"/srv/crash")


def test_the_table_of_the_first_process_comes_first(machine: Machine, of_machine: str) -> None:
    machine.write(of_machine, DISK + DATA)
    machine.write("proc/self/mountinfo", DISK + HIDING)
    table = Mounts(Files(machine.root)).table
    assert isinstance(table, MountTable)
    assert [mount.point for mount in table.mounts] == [b"/", b"/srv/crash"]


def test_of_a_hidden_dump_directory_nothing_is_claimed(machine: Machine, of_machine: str) -> None:
    machine.write("etc/default/kdump-tools", "KDUMP_COREDIR=/srv/crash\n")
    machine.write(of_machine, DISK + DATA)
    machine.write("proc/self/mountinfo", DISK + HIDING)
    (directory,) = read_storage(SharedFiles(Files(machine.root))).directories
    assert directory.present not in {None, True, False}
    assert (directory.free, directory.free_files) == (None, None)
