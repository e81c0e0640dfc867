# SPDX-License-Identifier: GPL-2.0-or-later
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.model.readiness.facts import DirectoryFacts, KernelFacts, MachineFacts
from kdumpd.model.readiness.verdict import find, judge
from kdumpd.model.text import MIB
from kdumpd.model.vocabulary import Readiness
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.kernel import read_kernel_facts, unread_kernel
from tests.support.machine import BOOT_ID, FILES, RELEASE, Machine

OLD = "sys/kernel/kexec_crash_loaded", "sys/kernel/kexec_crash_size"
NEW = "sys/kernel/kexec/crash_loaded", "sys/kernel/kexec/crash_size"
HEALTHY = KernelFacts(
    boot_id=BOOT_ID,
    release=RELEASE,
    supported=True,
    crashkernel="256M",
    crash_loaded=True,
    reserved=256 * MIB,
)


def test_reads_the_kernel(machine: Machine) -> None:
    assert read_kernel_facts(Files(machine.root)) == HEALTHY


def test_not_loaded(machine: Machine) -> None:
    machine.write(OLD[0], "0\n")
    machine.write(OLD[1], "0\n")
    facts = read_kernel_facts(Files(machine.root))
    assert facts.crash_loaded is False
    assert facts.reserved == 0
    assert facts.supported
    assert facts.problems == ()


def test_the_new_files(machine: Machine) -> None:
    for old, new in zip(OLD, NEW, strict=True):
        (machine.root / new).parent.mkdir(exist_ok=True)
        (machine.root / old).rename(machine.root / new)
    assert read_kernel_facts(Files(machine.root)) == HEALTHY


def test_the_new_files_come_first(machine: Machine) -> None:
    machine.write(NEW[0], "0\n")
    machine.write(NEW[1], "1048576\n")
    facts = read_kernel_facts(Files(machine.root))
    assert facts.crash_loaded is False
    assert facts.reserved == MIB


def test_kernel_without_kexec(machine: Machine) -> None:
    for name in OLD:
        (machine.root / name).unlink()
    facts = read_kernel_facts(Files(machine.root))
    assert not facts.supported
    assert facts.crash_loaded is None
    assert facts.reserved is None
    assert facts.problems == ()


def test_half_of_the_kernel(machine: Machine) -> None:
    (machine.root / OLD[0]).unlink()
    facts = read_kernel_facts(Files(machine.root))
    assert facts.supported
    assert facts.crash_loaded is None
    assert facts.reserved == 256 * MIB


GARBAGE = ["", "lots\n", "-1\n", "1 2\n", "0x1\n", "²\n", "1\0", str(1 << 64), "9" * 5000]


@pytest.mark.parametrize("content", GARBAGE)
@pytest.mark.parametrize("name", [*OLD, *NEW])
def test_no_number(machine: Machine, name: str, content: str) -> None:
    machine.write(name, content)
    facts = read_kernel_facts(Files(machine.root))
    assert facts.supported
    (problem,) = facts.problems
    assert f"{name}' holds no number" in problem
    assert problem.isprintable()
    assert (facts.reserved if name.endswith("size") else facts.crash_loaded) is None


@pytest.mark.parametrize("name", FILES)
def test_unreadable(machine: Machine, name: str) -> None:
    (machine.root / name).unlink()
    (machine.root / name).mkdir()
    facts = read_kernel_facts(Files(machine.root))
    (problem,) = facts.problems
    assert problem == f"'{machine.root / name}' is no regular file"
    assert facts.supported


def test_a_kernel_that_cannot_be_understood(machine: Machine) -> None:
    """It has the files: what is wrong is not that it has no kexec."""
    for name in OLD:
        machine.write(name, "?\n")
    facts = read_kernel_facts(Files(machine.root))
    assert facts.supported
    assert len(facts.problems) == 2


@pytest.mark.parametrize("name", FILES.keys() - set(OLD))
def test_missing(machine: Machine, name: str) -> None:
    (machine.root / name).unlink()
    facts = read_kernel_facts(Files(machine.root))
    assert facts.problems == (f"'{machine.root / name}' does not exist",)
    assert facts.supported


def test_nothing_at_all(tmp_path: Path) -> None:
    """As below a mounted image."""
    facts = read_kernel_facts(Files(tmp_path))
    assert not facts.present
    assert not facts.supported
    assert facts.problems == (f"no kernel runs below '{tmp_path}'",)
    assert (facts.boot_id, facts.release, facts.crashkernel) == ("", "", "")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("proc/sys/kernel/random/boot_id", "boot id"),
        ("proc/sys/kernel/osrelease", "kernel release"),
        ("proc/cmdline", "command line"),
    ],
)
@pytest.mark.parametrize("content", ["", "\x1b[2J\n", "crashkernel=1M\0"])
def test_no_text_of_a_kernel(machine: Machine, name: str, what: str, content: str) -> None:
    machine.write(name, content)
    facts = read_kernel_facts(Files(machine.root))
    assert facts.problems == (f"'{machine.root / name}' holds no {what}",)
    assert "" in {facts.boot_id, facts.release, facts.crashkernel}


def test_a_command_line_that_holds_only_its_end(machine: Machine) -> None:
    """Nobody gave the kernel a word."""
    machine.write("proc/cmdline", "\n")
    facts = read_kernel_facts(Files(machine.root))
    assert (facts.crashkernel, facts.problems) == ("", ())


def test_a_command_line_without_end(machine: Machine) -> None:
    machine.write("proc/cmdline", "crashkernel=1M " + "a" * (1 << 20) + " crashkernel=2M")
    facts = read_kernel_facts(Files(machine.root))
    assert facts.crashkernel == ""
    (problem,) = facts.problems
    assert problem == f"'{machine.root / 'proc/cmdline'}' holds more than 65536 bytes"


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_read_outside_of_the_root(machine: Machine, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.write_text("1\n")
    (machine.root / name).unlink()
    (machine.root / name).symlink_to(outside)
    facts = read_kernel_facts(Files(machine.root))
    assert facts.problems or facts.crash_loaded is None or facts.reserved is None


@pytest.mark.parametrize("name", FILES)
def test_nothing_waits_for_a_pipe(machine: Machine, name: str) -> None:
    (machine.root / name).unlink()
    os.mkfifo(machine.root / name)
    facts = read_kernel_facts(Files(machine.root))
    assert facts.problems == (f"'{machine.root / name}' is no regular file",)


@given(content=st.binary(max_size=100))
@settings(deadline=None)
def test_any_content(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    root = tmp_path_factory.getbasetemp() / "any-content"
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    facts = read_kernel_facts(Files(root))
    number = content.strip()
    if number.isdigit() and len(number) <= 20 and int(number) < 1 << 64:
        assert facts.reserved == int(number)
        assert facts.crash_loaded == (int(number) == 1)
    else:
        assert facts.reserved is None
        assert len(facts.problems) >= len(OLD)
    assert all(problem.isprintable() for problem in facts.problems)


def test_this_kernel() -> None:
    """Whatever it is, it says who it is, and nothing is raised."""
    facts = read_kernel_facts(Files(Path("/")))
    assert facts.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert facts.release == Path("/proc/sys/kernel/osrelease").read_text().strip()


def test_a_kernel_that_could_not_be_asked() -> None:
    """Unknown is not ready, and not unsupported either."""
    machine = MachineFacts(
        kernel=unread_kernel("does not answer"),
        directories=(DirectoryFacts(path=b"/", present=True),),
    )
    findings = find(machine)
    assert [finding.message for finding in findings] == ["does not answer"]
    assert judge(machine, findings) is Readiness.NOT_READY
