# SPDX-License-Identifier: GPL-2.0-or-later
"""What a boot said of its crash memory is found wherever it is kept, and no other boot's is."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from kdumpd.model.readiness.facts import BootLog, LogSource
from kdumpd.model.text import MIB
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.boot_messages import read_boot_log
from tests.support.journal_file import write_journal
from tests.support.machine import BOOT_ID, RELEASE, Machine
from tests.support.rights import as_root

THIS = BOOT_ID.replace("-", "")
OTHER = "9" * 32
JOURNALS = ("var/log/journal", "run/log/journal")
CMDLINE = "ro quiet crashkernel=256M"  # as in tests/support/machine.py
BEGAN = 1_700_000_000  # seconds since 1970


def boot(size: int) -> list[str]:
    """Return the beginning of a kernel's log, in which so many MiB are reserved."""
    return [
        f"Linux version {RELEASE} (debian-kernel@lists.debian.org) #1 SMP",
        f"Command line: BOOT_IMAGE=/boot/vmlinuz {CMDLINE}",
        f"Reserving {size}MB of memory at 464MB for crashkernel (System RAM: 2047MB)",
        "Memory: 260916K/785908K available (14343K kernel code)",
    ]


def records(messages: Sequence[str]) -> str:
    """Return messages as /dev/kmsg gives them."""
    return "".join(f"6,{number},0,-;{text}\n" for number, text in enumerate(messages))


def dmesg(messages: Sequence[str], host: str = "") -> str:
    return "".join(f"[    0.000000] {host}{text}\n" for text in messages)


def read(machine: Machine) -> BootLog | None:
    return read_boot_log(Files(machine.root))


def sizes(log: BootLog | None) -> list[int]:
    assert log is not None
    return [area.size // MIB for area in log.log.areas]


def keep_dmesg(machine: Machine, text: str, written: int = BEGAN + 20) -> None:
    machine.write("proc/stat", f"cpu 1 2 3\nbtime {BEGAN}\n")
    machine.write("proc/cmdline", f"BOOT_IMAGE=/boot/vmlinuz {CMDLINE}\n")
    machine.write("var/log/dmesg", text)
    os.utime(machine.root / "var/log/dmesg", (written, written))


@pytest.mark.parametrize("directory", JOURNALS)
def test_the_journal(machine: Machine, directory: str) -> None:
    write_journal(machine.root / directory, THIS, boot(192))
    log = read(machine)
    assert log is not None
    assert log.source is LogSource.JOURNAL
    assert sizes(log) == [192]
    assert log.log.system_ram == 2047 * MIB


def test_the_journal_of_another_boot(machine: Machine) -> None:
    write_journal(machine.root / JOURNALS[0], OTHER, boot(192))
    assert read(machine) is None
    write_journal(machine.root / JOURNALS[0], THIS, boot(64))
    assert sizes(read(machine)) == [64]


def test_what_a_program_wrote_into_the_journal(machine: Machine) -> None:
    """Anybody may log these words."""
    write_journal(machine.root / JOURNALS[0], THIS, boot(192), transport="syslog")
    assert read(machine) is None


def test_only_what_a_boot_says_first(machine: Machine) -> None:
    """A crash kernel may be loaded, and a log may be replayed, days later."""
    write_journal(machine.root / JOURNALS[0], THIS, [*boot(192), *boot(64)])
    assert sizes(read(machine)) == [192]


@pytest.mark.parametrize("directory", JOURNALS)
@pytest.mark.parametrize("content", [b"", b"LPKSHHRH" + bytes(300), bytes(range(256)) * 20])
def test_a_damaged_journal(machine: Machine, directory: str, content: bytes) -> None:
    path = machine.root / directory / ("8" * 32) / "system.journal"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    machine.write("dev/kmsg", records(boot(128)))
    assert sizes(read(machine)) == [128]


def test_a_cut_journal(machine: Machine) -> None:
    write_journal(machine.root / JOURNALS[0], THIS, boot(192))
    (path,) = (machine.root / JOURNALS[0]).rglob("*.journal")
    whole = path.read_bytes()
    for size in (100, 272, 1000, 4096, 10_000):
        path.write_bytes(whole[:size])
        log = read(machine)
        assert log is None or sizes(log) == [192]


def test_a_journal_that_is_no_directory(machine: Machine) -> None:
    for directory in JOURNALS:
        machine.write(directory, "?")
    assert read(machine) is None


def test_no_journal_is_read_through_a_link_out_of_the_root(
    machine: Machine, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    write_journal(outside, THIS, boot(192))
    (machine.root / "var/log").mkdir(parents=True)
    (machine.root / "var/log/journal").symlink_to(outside)
    assert read(machine) is None


def test_the_ring_buffer(machine: Machine) -> None:
    machine.write("dev/kmsg", records(boot(128)))
    log = read(machine)
    assert log is not None
    assert log.source is LogSource.KMSG
    assert sizes(log) == [128]


def test_the_journal_comes_before_the_ring_buffer(machine: Machine) -> None:
    """It keeps what the ring buffer has lost."""
    write_journal(machine.root / JOURNALS[0], THIS, boot(192))
    machine.write("dev/kmsg", records(boot(128)))
    assert sizes(read(machine)) == [192]


def test_what_a_program_wrote_into_the_ring_buffer(machine: Machine) -> None:
    """Its facility is never the kernel's."""
    machine.write("dev/kmsg", records(boot(128)).replace("6,", "14,"))
    assert read(machine) is None


def test_a_record_with_more_to_it(machine: Machine) -> None:
    machine.write(
        "dev/kmsg",
        "6,1,0,-,caller=T0;crashkernel: invalid size \\x5c\n SUBSYSTEM=x\nno record\n",
    )
    log = read(machine)
    assert log is not None
    assert [one.words for one in log.log.complaints] == ["crashkernel: invalid size \\"]


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b";" * 1000, b"6,1,2,-;" * 1000, b"\xff\n"])
def test_a_ring_buffer_of_garbage(machine: Machine, content: bytes) -> None:
    machine.write("dev/kmsg", "")
    (machine.root / "dev/kmsg").write_bytes(content)
    assert read(machine) is None


def test_a_ring_buffer_that_never_answers(machine: Machine) -> None:
    (machine.root / "dev").mkdir()
    os.mkfifo(machine.root / "dev/kmsg")
    assert read(machine) is None


@as_root
def test_another_device_in_its_place(machine: Machine) -> None:
    (machine.root / "dev").mkdir()
    (machine.root / "dev/kmsg").symlink_to("zero")
    os.mknod(machine.root / "dev/zero", 0o600 | 0o020000, os.makedev(1, 5))
    assert read(machine) is None


@pytest.mark.parametrize("host", ["", "web1 kernel: "], ids=["dmesg", "journalctl"])
def test_the_saved_log(machine: Machine, host: str) -> None:
    keep_dmesg(machine, dmesg(boot(96), host))
    log = read(machine)
    assert log is not None
    assert log.source is LogSource.DMESG
    assert sizes(log) == [96]


def test_a_log_saved_before_this_boot(machine: Machine) -> None:
    keep_dmesg(machine, dmesg(boot(96)), written=BEGAN - 1)
    assert read(machine) is None


def test_a_log_of_another_kernel(machine: Machine) -> None:
    keep_dmesg(machine, dmesg(boot(96)).replace(RELEASE, "6.1.0-55-amd64"))
    assert read(machine) is None


def test_a_log_of_another_command_line(machine: Machine) -> None:
    keep_dmesg(machine, dmesg(boot(96)).replace(CMDLINE, "ro crashkernel=96M"))
    assert read(machine) is None


def test_the_saved_log_of_nobody_knows_when(machine: Machine) -> None:
    keep_dmesg(machine, dmesg(boot(96)))
    machine.write("proc/stat", "cpu 1 2 3\n")
    assert read(machine) is None


def test_no_boot_id(machine: Machine) -> None:
    """Which entries are of this boot is not known then: none is read."""
    write_journal(machine.root / JOURNALS[0], THIS, boot(192))
    machine.write("proc/sys/kernel/random/boot_id", "?\n")
    assert read(machine) is None


def test_nothing_is_kept(machine: Machine) -> None:
    assert read(machine) is None


def test_this_machine() -> None:
    """Whatever it lets us read, nothing is raised."""
    read_boot_log(Files(Path("/")))
