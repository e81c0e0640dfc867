# SPDX-License-Identifier: GPL-2.0-or-later
from dataclasses import replace
from typing import Any

import pytest

from kdumpd.model.formats.kdump_settings import (
    DumpSettings,
    parse_kdump_conf,
    parse_kdump_tools,
    parse_suse,
)
from kdumpd.model.formats.memory import MemoryUse
from kdumpd.model.formats.mounts import FstabEntry, Mount
from kdumpd.model.readiness.facts import MachineFacts, StorageFacts, Unlocking
from kdumpd.model.readiness.finding import Severity, Unknown
from kdumpd.model.readiness.reservation import with_reservation
from kdumpd.model.readiness.verdict import check, find
from kdumpd.model.text import MIB
from tests.model.readiness.rules.broken_machine import Fault, broken
from tests.support.machine_facts import DIRECTORY, DUMP_DIRECTORY, HEALTHY, STORAGE

GIB = 1 << 30
FEDORA = parse_kdump_conf(b"path /var/crash\n")
SUSE = parse_suse(b'KDUMP_SAVEDIR="file:///var/crash"\n')
TMPFS = Mount(point=b"/var/crash", type="tmpfs")
NFS = Mount(point=b"/var/crash", type="nfs4", source=b"server:/crash")
DISK = Mount(point=b"/srv", type="xfs")


def settings(told: DumpSettings) -> MachineFacts:
    """Return the healthy machine with a dump that goes elsewhere."""
    return broken("storage", settings=told, directories=())


def directory(told: DumpSettings | None = None, **values: Any) -> MachineFacts:  # noqa: ANN401  # a row
    """Return the healthy machine with another dump directory."""
    changed = (replace(DUMP_DIRECTORY, **values),)
    return broken("storage", directories=changed, settings=told or STORAGE.settings)


def watched(facts: MachineFacts, path: bytes) -> MachineFacts:
    """Return the machine with kdumpd looking into this directory."""
    return replace(facts, directories=(replace(DIRECTORY, path=path),))


FAULTS = [
    Fault(
        broken("storage", settings=Unknown("'/etc/kdump.conf' is no regular file"), directories=()),
        "dump-settings-unreadable",
        Severity.WARNING,
        "'/etc/kdump.conf' is no regular file",
        unknown=True,
    ),
    Fault(
        settings(parse_kdump_tools(b"SSH=crash@collector.example\n")),
        "dump-target-remote",
        Severity.INFO,
        "sent to 'crash@collector.example'",
    ),
    Fault(
        settings(parse_kdump_conf(b"raw /dev/vg/dump\n")),
        "dump-target-raw",
        Severity.INFO,
        "the raw device '/dev/vg/dump'",
    ),
    Fault(
        broken("storage", unmounted=(b"LABEL=dump",), directories=()),
        "dump-target-unmounted",
        Severity.INFO,
        "'LABEL=dump', which is not mounted",
    ),
    Fault(
        watched(directory(FEDORA, present=None, path=b"/srv/crash"), b"/srv"),
        "dump-directory-missing",
        Severity.WARNING,
        "'/srv/crash' does not exist",
    ),
    Fault(
        watched(directory(present=False, path=b"/srv/crash"), b"/srv"),
        "dump-directory-missing",
        Severity.FATAL,
        "'/srv/crash' is not a directory",
    ),
    Fault(
        directory(present=False),
        "dump-directory-missing",
        Severity.FATAL,
        "'/var/crash' is not a directory",
    ),
    Fault(
        directory(not_mounted=FstabEntry(source=b"/dev/vdb1", point=b"/var/crash")),
        "dump-directory-not-mounted",
        Severity.WARNING,
        "on /dev/vdb1, which is not mounted",
    ),
    Fault(
        directory(mount=Mount(point=b"/", type="ext4", read_only=True)),
        "dump-directory-read-only",
        Severity.WARNING,
        "is mounted read-only",
    ),
    Fault(
        directory(mount=Mount(point=b"/", type="squashfs", read_only=True)),
        "dump-directory-read-only",
        Severity.FATAL,
        "is on a read-only file system, squashfs",
    ),
    Fault(
        directory(mount=TMPFS, mounted_at_boot=True),
        "dump-directory-unmountable",
        Severity.FATAL,
        "on tmpfs, in memory",
    ),
    Fault(
        directory(mount=TMPFS, mounted_at_boot=False),
        "dump-directory-unmountable",
        Severity.WARNING,
        "on tmpfs, in memory",
    ),
    Fault(
        directory(mount=Mount(point=b"/", type="overlay")),
        "dump-directory-unmountable",
        Severity.WARNING,
        "may not have all of its layers",
    ),
    Fault(
        directory(mount=NFS, mounted_at_boot=True),
        "dump-directory-unmountable",
        Severity.WARNING,
        "on nfs4: the crash kernel does not wait for",
    ),
    Fault(
        watched(directory(path=b"/srv/crash", mount=DISK, mounted_at_boot=False), b"/srv/crash"),
        "dump-directory-unmountable",
        Severity.WARNING,
        "'/srv', which was mounted by hand",
    ),
    Fault(
        directory(mount=DISK, mounted_at_boot=Unknown("'/etc/fstab' is no text")),
        "dump-directory-unmountable",
        Severity.WARNING,
        "'/etc/fstab' is no text",
        unknown=True,
    ),
    Fault(
        broken("storage", mounts=Unknown("'/proc/1/mountinfo' names no mount")),
        "dump-directory-unmountable",
        Severity.WARNING,
        "names no mount",
        unknown=True,
    ),
    Fault(
        directory(unlocking=Unlocking.PASSPHRASE),
        "dump-directory-encrypted",
        Severity.WARNING,
        "the crash kernel waits for its passphrase",
    ),
    Fault(
        directory(unlocking=Unlocking.OWN_KEY),
        "dump-directory-encrypted",
        Severity.INFO,
        "unlocking it may need more memory",
    ),
    Fault(
        directory(path=b"/srv/crash"),
        "dump-directory-unwatched",
        Severity.WARNING,
        "dumps go to '/srv/crash', but kdumpd does not watch",
    ),
    Fault(
        directory(free=MIB),
        "storage-too-small",
        Severity.FATAL,
        "the disk of the dump directory '/var/crash' is full, so no dump can be saved",
    ),
    Fault(
        directory(free=GIB),
        "storage-too-small",
        Severity.WARNING,
        "a dump may need 1.5 GiB, but the disk of the dump directory '/var/crash' has room for"
        " 1 GiB: the dump may be cut off",
    ),
    Fault(
        directory(free=Unknown("'/var/crash' does not say how much room it has")),
        "storage-too-small",
        Severity.WARNING,
        "does not say how much room",
        unknown=True,
    ),
    Fault(
        broken("storage", memory=Unknown("'/proc/meminfo' does not say MemTotal")),
        "storage-too-small",
        Severity.WARNING,
        "does not say MemTotal",
        unknown=True,
    ),
    Fault(
        directory(free_files=0),
        "storage-no-inodes",
        Severity.FATAL,
        "has no free inodes, so no dump can be saved",
    ),
]


@pytest.mark.parametrize("path", [b"/var/crash", b"/var/crash/dumps"])
def test_a_directory_that_is_seen(path: bytes) -> None:
    assert find(directory(path=path)) == ()


@pytest.mark.parametrize("path", [b"/var/crashes", b"/var", b"/var/crash/a/b", b"/"])
def test_a_directory_that_is_not_seen(path: bytes) -> None:
    (finding,) = find(directory(path=path))
    assert finding.code == "dump-directory-unwatched"
    assert finding.remedy == f"set CrashDirectories=/var/crash {path.decode()} in kdumpd.conf"


@pytest.mark.parametrize("told", [None, SUSE])
def test_a_missing_directory_is_made(told: DumpSettings | None) -> None:
    facts = directory(told, present=None, path=b"/srv/crash")
    assert find(watched(facts, b"/srv")) == ()


def test_a_missing_crash_directory_is_told_once() -> None:
    facts = replace(
        directory(FEDORA, present=None), directories=(replace(DIRECTORY, present=False),)
    )
    assert [one.code for one in find(facts)] == ["crash-directory-missing"]


@pytest.mark.parametrize("told", [FEDORA, SUSE])
@pytest.mark.parametrize("mount", [NFS, Mount(point=b"/var/crash", type="ext4")])
def test_an_initrd_that_mounts_the_directory_itself(told: DumpSettings, mount: Mount) -> None:
    assert find(directory(told, mount=mount, mounted_at_boot=False, free=None)) == ()


def test_kdump_utils_mounts_for_writing() -> None:
    assert find(directory(FEDORA, mount=Mount(point=b"/", type="xfs", read_only=True))) == ()


def test_a_live_system_is_told_once() -> None:
    facts = directory(mount=Mount(point=b"/", type="overlay"))
    live = replace(facts, system=replace(facts.system, live="boot=live"))
    assert [one.code for one in find(live)] == ["live-system"]


def test_a_key_that_is_handed_on() -> None:
    assert find(directory(unlocking=Unlocking.HANDED_KEY)) == ()


def test_room_without_knowing_the_memory() -> None:
    unknown_memory = replace(directory(free=1), storage=replace(STORAGE, memory=None))
    assert find(unknown_memory) == ()
    full = replace(STORAGE, memory=None, directories=(replace(DUMP_DIRECTORY, free=0),))
    assert [one.severity for one in find(replace(HEALTHY, storage=full))] == [Severity.FATAL]


def test_a_dump_of_everything_needs_more_room() -> None:
    everything = parse_kdump_tools(b'MAKEDUMP_ARGS="-c -d 1"\n')
    (finding,) = find(directory(everything))
    assert "a dump may need" in finding.message
    assert finding.severity is Severity.WARNING


def test_what_suse_leaves_free_is_not_room() -> None:
    small = MemoryUse(total=2 * GIB, kernel=100 * MIB)
    told = replace(SUSE, left_free=10 * GIB)
    facts = directory(told, free=10 * GIB)
    facts = replace(facts, storage=replace(facts.storage, memory=small))
    assert [one.severity for one in find(facts)] == [Severity.FATAL]


def test_the_sentence_stays_while_the_room_changes() -> None:
    """Or each look would announce a change."""
    said = {find(directory(free=GIB + size * MIB)) for size in range(0, 200, 20)}
    assert len(said) == 1


def test_nothing_known() -> None:
    nothing = replace(HEALTHY, storage=StorageFacts())
    assert find(nothing) == ()
    assert not any("dump directory" in one.message for one in check(with_reservation(nothing)))
