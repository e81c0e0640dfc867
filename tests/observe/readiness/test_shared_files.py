# SPDX-License-Identifier: GPL-2.0-or-later
"""What several groups of facts follow from is the same for all of them in one look."""

from kdumpd.model.formats.kdump_settings import DumpSettings, ShellSettings
from kdumpd.model.readiness.finding import Unknown
from kdumpd.observe.captures.retention import read_retention
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.kdump_tools import read_kdump_tools
from kdumpd.observe.readiness.shared_files import KDUMP_TOOLS_CONFIG, MountTable, SharedFiles
from kdumpd.observe.readiness.storage import read_storage
from tests.support.machine import Machine

DISK = "25 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
DATA = "26 25 8:17 / /srv rw - ext4 /dev/sdb1 rw\n"
HIDING = "31 25 0:45 / /srv ro - tmpfs tmpfs ro\n"


def places(shared: SharedFiles) -> list[bytes]:
    settings = read_storage(shared).settings
    assert isinstance(settings, DumpSettings)
    return [target.place for target in settings.targets]


def points(shared: SharedFiles) -> list[bytes]:
    assert isinstance(shared.mounts.table, MountTable)
    return [mount.point for mount in shared.mounts.table.mounts]


def test_settings_are_read_once_a_look(machine: Machine) -> None:
    machine.write(KDUMP_TOOLS_CONFIG, "USE_KDUMP=0\nKDUMP_COREDIR=/srv/old\n")
    now = SharedFiles(Files(machine.root))
    assert places(now) == [b"/srv/old"]
    machine.write(KDUMP_TOOLS_CONFIG, "USE_KDUMP=1\nKDUMP_COREDIR=/srv/new\nKDUMP_NUM_DUMPS=3\n")
    assert read_retention(now).dump_directory == b"/srv/old"
    assert read_retention(now).most_dumps is None
    assert read_kdump_tools(now, "").off
    then = SharedFiles(Files(machine.root))
    assert places(then) == [b"/srv/new"]
    assert read_retention(then).dump_directory == b"/srv/new"
    assert read_retention(then).most_dumps == 3
    assert read_kdump_tools(then, "").off == ""


def test_settings_that_cannot_be_read(machine: Machine) -> None:
    shared = SharedFiles(Files(machine.root))
    assert shared.kdump_tools is None
    machine.write(KDUMP_TOOLS_CONFIG, "USE_KDUMP=1\n")
    assert shared.kdump_tools is None
    assert isinstance(SharedFiles(Files(machine.root)).kdump_tools, ShellSettings)
    machine.write(KDUMP_TOOLS_CONFIG, "USE_KDUMP=1\0\n")
    assert isinstance(SharedFiles(Files(machine.root)).kdump_tools, Unknown)


def test_mounts_are_read_once_a_look(machine: Machine) -> None:
    machine.write("proc/1/mountinfo", DISK + DATA)
    machine.write("proc/self/mountinfo", DISK + HIDING)
    now = SharedFiles(Files(machine.root))
    assert points(now) == [b"/", b"/srv"]
    assert now.mounts.is_hidden(b"/srv/crash")
    machine.write("proc/1/mountinfo", DISK)
    machine.write("proc/self/mountinfo", DISK)
    assert points(now) == [b"/", b"/srv"]
    assert now.mounts.is_hidden(b"/srv/crash")
    then = SharedFiles(Files(machine.root))
    assert points(then) == [b"/"]
    assert not then.mounts.is_hidden(b"/srv/crash")
