# SPDX-License-Identifier: GPL-2.0-or-later
"""What was reserved, and of how much memory, by whatever files a machine has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kdumpd.model.formats.kernel import Distribution
from kdumpd.model.formats.memory import Ram, RamSource, Region
from kdumpd.model.readiness.facts import DirectoryFacts, FadumpFacts, MachineFacts, ReservationFacts
from kdumpd.model.readiness.verdict import find
from kdumpd.model.text import MIB
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.kernel import read_kernel_facts
from kdumpd.observe.readiness.reservation import ReservationReader
from tests.support.machine import Machine
from tests.support.rights import WITHOUT_RIGHTS, as_root

# Of a guest with 768 MiB and Linux 6.1, shortened; its log says "System RAM: 767MB".
IOMEM = """00000000-00000fff : Reserved
00001000-0009fbff : System RAM
0009fc00-0009ffff : Reserved
000f0000-000fffff : System ROM
00100000-2ffdefff : System RAM
  1d000000-28ffffff : Crash kernel
  29800000-2a601d31 : Kernel code
2ffdf000-2fffffff : Reserved
b0000000-bfffffff : PCI MMCONFIG 0000 [bus 00-ff]
  b0000000-bfffffff : Reserved
    b0000000-bfffffff : pnp 00:05
fd00000000-ffffffffff : Reserved
"""
HIDDEN = "00000000-00000000 : Reserved\n00000000-00000000 : System RAM\n"
SAID = (
    "6,1,0,-;Reserving 192MB of memory at 464MB for crashkernel (System RAM: {ram}MB)\n"
    "6,2,0,-;Memory: 260916K/785908K available\n"
)
BLOCKS = "sys/devices/system/memory"
CMA = "sys/kernel/kexec/crash_cma_ranges"
FADUMP = "sys/kernel/fadump/"
UBUNTU = 'NAME="Ubuntu"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\n'


def read(machine: Machine) -> ReservationFacts:
    return ReservationReader(Files(machine.root)).read()


def ram(machine: Machine) -> tuple[int, RamSource, bool]:
    found = read(machine).ram
    assert found is not None
    return found.size, found.source, found.exact


def add_blocks(machine: Machine, *online: int, size: str = "8000000") -> None:
    machine.write(f"{BLOCKS}/block_size_bytes", f"{size}\n")
    machine.write(f"{BLOCKS}/auto_online_blocks", "online\n")
    for number, value in enumerate(online):
        machine.write(f"{BLOCKS}/memory{number}/online", f"{value}\n")


def test_nothing_but_the_kernels_own_files(machine: Machine) -> None:
    (machine.root / "proc/meminfo").unlink()
    facts = read(machine)
    assert facts == ReservationFacts(
        cmdline=b"ro quiet crashkernel=256M\n", architecture=os.uname().machine
    )


def test_the_memory_map(machine: Machine) -> None:
    machine.write("proc/iomem", IOMEM)
    facts = read(machine)
    assert facts.regions == (Region(start=0x1D000000, size=192 * MIB),)
    # 3 KiB of the first range are no whole page.
    assert ram(machine) == (0x9E000 + 0x2FFDF000 - 0x100000, RamSource.IOMEM, True)
    assert facts.ram is not None
    assert facts.ram.size // MIB == 767
    assert facts.ram.words == "767.5 MiB according to the memory map in /proc/iomem"


def test_the_log_agrees_with_the_memory_map(machine: Machine) -> None:
    machine.write("proc/iomem", IOMEM)
    machine.write("dev/kmsg", SAID.format(ram=767))
    assert ram(machine)[1] is RamSource.IOMEM


def test_memory_that_was_added_since_the_boot(machine: Machine) -> None:
    """The kernel had not counted it when it read crashkernel=."""
    machine.write("proc/iomem", IOMEM + "100000000-13fffffff : System RAM\n")
    machine.write("dev/kmsg", SAID.format(ram=767))
    assert ram(machine) == (767 * MIB, RamSource.LOG, True)


def test_a_memory_map_without_addresses(machine: Machine) -> None:
    """As everybody but root sees it: no error, only nothing known."""
    (machine.root / "proc/meminfo").unlink()
    machine.write("proc/iomem", HIDDEN)
    facts = read(machine)
    assert (facts.ram, facts.regions, facts.unreadable) == (None, None, ())
    machine.write("dev/kmsg", SAID.format(ram=767))
    assert ram(machine) == (767 * MIB, RamSource.LOG, True)


def test_memory_blocks(machine: Machine) -> None:
    machine.write("proc/meminfo", "MemTotal:  500 kB\n")
    add_blocks(machine, 1, 1, 0, 1)
    assert ram(machine) == (3 * 128 * MIB, RamSource.BLOCKS, False)


@pytest.mark.parametrize("size", ["", "0", "?", "-8000000", "f" * 40])
def test_memory_blocks_of_no_size(machine: Machine, size: str) -> None:
    machine.write("proc/meminfo", "MemTotal:         785908 kB\nMemFree:   1 kB\n")
    add_blocks(machine, 1, 1, size=size)
    # What the kernel set aside is no part of MemTotal.
    assert ram(machine) == ((785908 << 10) + 256 * MIB, RamSource.MEMINFO, False)
    found = read(machine).ram
    assert found is not None
    assert found.words.startswith("about ")


@pytest.mark.parametrize("text", ["", "MemTotal: many kB\n", "MemTotal: 1 MB\n", "\0" * 100])
def test_no_total(machine: Machine, text: str) -> None:
    machine.write("proc/meminfo", text)
    assert read(machine).ram is None


def test_two_areas(machine: Machine) -> None:
    machine.write(
        "proc/iomem",
        "00100000-bfffffff : System RAM\n  a0000000-afffffff : Crash kernel\n"
        "100000000-43fffffff : System RAM\n  42b000000-43affffff : Crash kernel\n",
    )
    assert read(machine).regions == (
        Region(start=0xA0000000, size=256 * MIB),
        Region(start=0x42B000000, size=256 * MIB),
    )


@pytest.mark.parametrize("name", ["proc/iomem", CMA, f"{FADUMP}enabled"])
@pytest.mark.parametrize("content", ["?\n", "\0" * 5000, "zz-zz : System RAM\n", "1-\n", "9" * 40])
def test_garbage_is_named(machine: Machine, name: str, content: str) -> None:
    machine.write(name, content)
    (problem,) = read(machine).unreadable
    assert problem.startswith(f"'{machine.root / name}' ")
    assert problem.isprintable()


@pytest.mark.parametrize("name", ["proc/iomem", CMA, f"{FADUMP}enabled"])
def test_a_directory_in_place_of_a_file(machine: Machine, name: str) -> None:
    (machine.root / name).mkdir(parents=True)
    (problem,) = read(machine).unreadable
    assert str(machine.root / name) in problem


@as_root
def test_what_is_not_ours_to_read_is_no_fault(machine: Machine) -> None:
    for name in ("proc/iomem", "dev/kmsg", CMA):
        machine.write(name, "?\n")
        (machine.root / name).chmod(0)
    script = (
        "from pathlib import Path; from kdumpd.observe.files import Files;"
        "from kdumpd.observe.readiness.reservation import ReservationReader;"
        f"print(ReservationReader(Files(Path({str(machine.root)!r}))).read().unreadable)"
    )
    argv = [*WITHOUT_RIGHTS, sys.executable, "-c", script]
    result = subprocess.run(argv, capture_output=True, check=True, timeout=60)  # noqa: S603  # our own
    assert result.stdout == b"()\n"


def test_an_endless_memory_map(machine: Machine) -> None:
    machine.write("proc/iomem", IOMEM * 20_000)
    (problem,) = read(machine).unreadable
    assert "holds more than" in problem


def test_ranges_for_programs_until_the_crash(machine: Machine) -> None:
    assert read(machine).cma is None
    machine.write(CMA, "")
    assert read(machine).cma == 0
    machine.write(CMA, "100000000-10c7fffff\n60000000-600fffff\n")
    assert read(machine).cma == 201 * MIB


@pytest.mark.parametrize("content", ["10c7fffff-100000000\n", "1-2\n", "100000000\n", "\n\n"])
def test_ranges_that_are_none(machine: Machine, content: str) -> None:
    machine.write(CMA, content)
    facts = read(machine)
    assert facts.cma is None
    assert len(facts.unreadable) == 1


def test_fadump(machine: Machine) -> None:
    for name, value in (("enabled", 1), ("registered", 1), ("mem_reserved", 1 << 30)):
        machine.write(FADUMP + name, f"{value}\n")
    assert read(machine).fadump == FadumpFacts(enabled=True, registered=True, reserved=1 << 30)


def test_fadump_of_older_kernels(machine: Machine) -> None:
    machine.write("sys/kernel/fadump_enabled", "1\n")
    machine.write("sys/kernel/fadump_registered", "0\n")
    assert read(machine).fadump == FadumpFacts(enabled=True, registered=False)


@pytest.mark.parametrize(
    ("text", "distribution"),
    [
        (UBUNTU, Distribution.DEBIAN),
        ("ID=debian\n", Distribution.DEBIAN),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', Distribution.FEDORA),
        ("ID=fedora\n", Distribution.FEDORA),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', Distribution.SUSE),
        ("ID='sles'\nID_LIKE='suse'\n", Distribution.SUSE),
        ("ID=arch\n", Distribution.OTHER),
        ("ID_LIKE=debian\nID=mint\n", Distribution.DEBIAN),
        ("\0\xff", Distribution.OTHER),
        ("", Distribution.OTHER),
    ],
)
def test_distribution(machine: Machine, text: str, distribution: Distribution) -> None:
    machine.write("usr/lib/os-release", text)
    (machine.root / "etc").mkdir()
    (machine.root / "etc/os-release").symlink_to("../usr/lib/os-release")
    assert read(machine).distribution is distribution


@pytest.mark.parametrize("name", ["ppc64le", "s390x", "aarch64"])
def test_architecture(machine: Machine, name: str) -> None:
    machine.write("proc/sys/kernel/arch", f"{name}\n")
    assert read(machine).architecture == name


@pytest.mark.parametrize("name", ["ppc64le", "s390x", "aarch64"])
def test_architecture_by_the_release_of_an_older_kernel(machine: Machine, name: str) -> None:
    machine.write("proc/sys/kernel/osrelease", f"5.14.0-427.13.1.el9_4.{name}\n")
    assert read(machine).architecture == name


def test_the_log_of_s390_tells_the_ram_without_the_area(machine: Machine) -> None:
    said = "setup: Reserving 1024MB of memory at 130048MB for crashkernel (System RAM: 130048MB)"
    machine.write("proc/sys/kernel/arch", "s390x\n")
    machine.write("dev/kmsg", f"6,0,0,-;{said}\n")
    assert read(machine).ram == Ram(size=128 << 30, source=RamSource.LOG, exact=True)


def test_the_log_is_kept_while_the_boot_lasts(machine: Machine) -> None:
    """The ring buffer wraps; what it said once still holds."""
    machine.write("dev/kmsg", SAID.format(ram=767))
    reader = ReservationReader(Files(machine.root))
    first = reader.read().log
    assert first is not None
    (machine.root / "dev/kmsg").unlink()
    assert reader.read().log == first
    machine.write("proc/sys/kernel/random/boot_id", "another\n")
    assert reader.read().log is None


def test_a_log_that_says_nothing_is_asked_more_and_more_seldom(machine: Machine) -> None:
    """Reading a large journal at every look would cost more than all the rest."""
    reader = ReservationReader(Files(machine.root))
    assert [reader.read().log for _ in range(2)] == [None, None]
    machine.write("dev/kmsg", SAID.format(ram=767))
    assert reader.read().log is None
    assert reader.read().log is not None


def test_a_real_guest_has_what_it_asked_for(machine: Machine) -> None:
    machine.write("proc/cmdline", "console=ttyS0 crashkernel=192M scen=sysrq panic=10 \n")
    machine.write("proc/iomem", IOMEM)
    machine.write("dev/kmsg", SAID.format(ram=767))
    machine.write("sys/kernel/kexec_crash_size", "201326592\n")
    facts = MachineFacts(
        kernel=read_kernel_facts(Files(machine.root)),
        directories=(DirectoryFacts(path=b"/var/crash", present=True),),
        reservation=read(machine),
    )
    assert find(facts) == ()


def test_this_machine() -> None:
    """Whatever it is, something tells how much memory it has."""
    assert ReservationReader(Files(Path("/"))).read().ram is not None
