# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path

import pytest

from kdumpd.model.readiness.facts import PolicyFacts
from kdumpd.model.readiness.finding import Unknown
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.kernel import PANIC_SYSCTLS, read_policy
from tests.observe.cores.garbage import GARBAGE, Garbage, put

# As Debian 12 has them with kdump-tools.
DEBIAN = {
    "kernel/panic_on_oops": 1,
    "kernel/oops_limit": 10_000,
    "kernel/hardlockup_panic": 0,
    "kernel/hung_task_panic": 1,
    "kernel/hung_task_timeout_secs": 0,
    "kernel/sysrq": 438,
    "kernel/panic": -1,
    "vm/panic_on_oom": 2,
}


def test_nothing_to_read(tmp_path: Path) -> None:
    assert read_policy(Files(tmp_path)) == PolicyFacts()


def test_a_debian(tmp_path: Path) -> None:
    for name, value in DEBIAN.items():
        put(tmp_path / "proc/sys" / name, f"{value}\n".encode())
    facts = read_policy(Files(tmp_path))
    assert facts.sysrq == 438
    assert facts.timeout == -1
    assert facts.triggers == {
        "panic_on_oops": True,
        "oops_limit": True,
        "hardlockup_panic": False,
        "hung_task_panic": False,
        "panic_on_oom": True,
    }


@pytest.mark.parametrize("name", PANIC_SYSCTLS)
@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage(tmp_path: Path, name: str, garbage: Garbage) -> None:
    garbage.put(tmp_path / PANIC_SYSCTLS[name] / name)
    (fact,) = read_policy(Files(tmp_path)).triggers.values()
    assert isinstance(fact, Unknown)
    assert f"{name}' " in fact.problem
    assert fact.problem.isprintable()


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_in_the_others(tmp_path: Path, garbage: Garbage) -> None:
    for name in ("sysrq", "panic", "watchdog"):
        garbage.put(tmp_path / "proc/sys/kernel" / name)
    put(tmp_path / "proc/sys/kernel/softlockup_panic", b"1\n")
    facts = read_policy(Files(tmp_path))
    assert isinstance(facts.sysrq, Unknown)
    assert isinstance(facts.timeout, Unknown)
    assert isinstance(facts.triggers["softlockup_panic"], Unknown)


def test_this_machine() -> None:
    triggers = read_policy(Files(Path("/"))).triggers
    assert all(isinstance(panics, bool) for panics in triggers.values())
