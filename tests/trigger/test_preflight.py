# SPDX-License-Identifier: GPL-2.0-or-later
"""What is read of the machine, in trees of files."""

import fcntl
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.model.readiness.finding import Unknown
from kdumpd.observe.files import Files
from kdumpd.trigger.preflight import parse_arrays, parse_locks, read_locks, read_machine
from tests.support.machine import Machine

MDSTAT = b"""Personalities : [raid1] [raid6] [raid5] [raid4]
md0 : active raid1 sdb1[1] sda1[0]
      1046528 blocks super 1.2 [2/2] [UU]

md127 : active raid5 sdd1[3] sdc1[1] sdb2[0]
      2093056 blocks super 1.2 level 5, 512k chunk, algorithm 2 [3/2] [UU_]
      [==>..................]  recovery = 12.6% (132096/1046528) finish=0.1min speed=132096K/sec

md2 : active raid1 sdf1[1] sde1[0]
      1046528 blocks super 1.2 [2/2] [UU]
        resync=DELAYED

md3 : active raid1 sdh1[1] sdg1[0]
      1046528 blocks super 1.2 [2/2] [UU]
      [>....................]  check =  0.5% (5632/1046528) finish=3.0min speed=5632K/sec
      bitmap: 0/1 pages [0KB], 65536KB chunk

unused devices: <none>
"""
# As Linux 6.1 writes it: what waits for a lock stands below it, with an arrow.
LOCKS = b"""1: POSIX  ADVISORY  WRITE 411 08:01:131104 0 EOF
1: -> POSIX  ADVISORY  WRITE 500 08:01:131104 0 EOF
2: FLOCK  ADVISORY  WRITE 402 00:18:1190 0 EOF
3: OFDLCK ADVISORY  READ -1 fe:0a:16040034 203 203
4: LEASE  ACTIVE    READ 410 08:01:77 0 EOF
"""


def test_a_machine_at_rest(machine: Machine) -> None:
    facts = read_machine(Files(machine.root))
    assert facts.loaded is True
    assert facts.panic_timeout == 10
    assert (facts.uptime, facts.load, facts.processors) == (7200.35, 0.31, 2)
    assert facts.pressure == (("cpu", 0.35), ("io", 0.35), ("memory", 0.35))
    assert facts.memory is not None
    assert not isinstance(facts.memory, Unknown)
    assert (facts.memory.total, facts.memory.dirty) == (4025236 << 10, 340 << 10)
    assert (facts.locks, facts.arrays, facts.btrfs, facts.pools) == ((), None, (), ())
    assert (facts.system.container, facts.system.live, facts.system.capturing) == ("", "", False)


def test_a_tree_without_files(tmp_path: Path) -> None:
    facts = read_machine(Files(tmp_path))
    nothing = (facts.loaded, facts.uptime, facts.load, facts.processors, facts.memory, facts.locks)
    assert set(nothing) == {None}


def test_what_this_very_machine_says() -> None:
    facts = read_machine(Files(Path("/")))
    assert isinstance(facts.uptime, float)
    assert isinstance(facts.load, float)
    assert isinstance(facts.processors, int)
    assert isinstance(facts.locks, tuple)
    assert facts.memory is not None
    assert not isinstance(facts.memory, Unknown)


def test_the_newer_name_of_crash_loaded(machine: Machine) -> None:
    (machine.root / "sys/kernel/kexec_crash_loaded").unlink()
    assert read_machine(Files(machine.root)).loaded is None
    machine.write("sys/kernel/kexec/crash_loaded", "1\n")
    assert read_machine(Files(machine.root)).loaded is True
    machine.write("sys/kernel/kexec/crash_loaded", "0\n")
    assert read_machine(Files(machine.root)).loaded is False


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("sys/kernel/kexec_crash_loaded", "loaded"),
        ("proc/sys/kernel/panic", "panic_timeout"),
        ("proc/uptime", "uptime"),
        ("proc/loadavg", "load"),
        ("proc/meminfo", "memory"),
        ("proc/pressure/io", "pressure"),
        ("sys/devices/system/cpu/online", "processors"),
    ],
)
@pytest.mark.parametrize("text", ["", "nonsense\n", "-\n", "\0", "x" * 100_000])
def test_what_makes_no_sense_is_not_known(
    machine: Machine, name: str, field: str, text: str
) -> None:
    machine.write(name, text)
    assert isinstance(getattr(read_machine(Files(machine.root)), field), Unknown)


@pytest.mark.parametrize(
    ("online", "count"), [("0", 1), ("0-3", 4), ("0-3,6", 5), ("1,3,5-7", 5), ("0-1023", 1024)]
)
def test_processors(machine: Machine, online: str, count: int) -> None:
    machine.write("sys/devices/system/cpu/online", f"{online}\n")
    assert read_machine(Files(machine.root)).processors == count


def test_pressure_that_the_kernel_does_not_measure(machine: Machine) -> None:
    for resource in ("cpu", "io", "memory"):
        (machine.root / "proc/pressure" / resource).unlink()
    assert read_machine(Files(machine.root)).pressure is None


def test_arrays_at_work() -> None:
    assert list(parse_arrays(MDSTAT)) == [
        "md127 (recovery 12.6%)",
        "md2 (resync DELAYED)",
        "md3 (check 0.5%)",
    ]


def test_no_arrays(machine: Machine) -> None:
    machine.write("proc/mdstat", "Personalities : \nunused devices: <none>\n")
    assert read_machine(Files(machine.root)).arrays == ()


def test_btrfs_and_zfs_at_work(machine: Machine) -> None:
    machine.write("sys/fs/btrfs/7c1c0ffe/exclusive_operation", "balance\n")
    machine.write("sys/fs/btrfs/11111111/exclusive_operation", "none\n")
    machine.write("sys/fs/btrfs/features/big_metadata", "0\n")
    machine.write("var/lib/btrfs/scrub.status.0ddba11a", "scrub status:1\n")
    machine.write("var/lib/btrfs/scrub.progress.0ddba11a", "")
    machine.write("proc/spl/kstat/zfs/rpool/state", "ONLINE\n")
    machine.write("proc/spl/kstat/zfs/tank/state", "DEGRADED\n")
    machine.write("proc/spl/kstat/zfs/arcstats", "9 1 0x01\n")
    facts = read_machine(Files(machine.root))
    assert facts.btrfs == ("7c1c0ffe (balance)", "0ddba11a (scrub)")
    assert facts.pools == ("tank is DEGRADED",)


def test_locks_are_told_by_device_and_inode() -> None:
    assert list(parse_locks(LOCKS)) == [(8, 1, 131104), (0, 0x18, 1190), (0xFE, 10, 16040034)]


@pytest.mark.parametrize("how", ["posix", "flock"])
def test_a_lock_file_that_is_locked(machine: Machine, how: str) -> None:
    """By the real kernel's table: a process locks a file below the root."""
    lock = machine.root / "var/lib/dpkg/lock-frontend"
    machine.write("var/lib/dpkg/lock-frontend", "")
    machine.write("var/lib/dpkg/lock", "")

    def locked() -> object:
        machine.write("proc/locks", Path("/proc/locks").read_text())
        return read_locks(Files(machine.root))

    assert locked() == ()
    with lock.open("w") as file:
        if how == "posix":
            fcntl.lockf(file, fcntl.LOCK_EX)
        else:
            fcntl.flock(file, fcntl.LOCK_EX)
        assert locked() == ("var/lib/dpkg/lock-frontend",)
    assert locked() == ()


@given(table=st.binary())
@settings(deadline=None)
def test_any_table(table: bytes) -> None:
    for name in parse_arrays(table):
        assert name.isprintable()
    assert all(inode >= 0 for *_, inode in parse_locks(table))
