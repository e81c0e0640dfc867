# SPDX-License-Identifier: GPL-2.0-or-later
"""Each rule fires on the tree of a machine that breaks it, and what else is well stays well."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kdumpd.config import read_configuration
from kdumpd.model.readiness.facts import ServiceFacts
from kdumpd.model.readiness.finding import Finding, Severity
from kdumpd.model.readiness.verdict import RULES, Verdict
from kdumpd.model.state import State
from kdumpd.model.step import judged
from kdumpd.model.vocabulary import Readiness
from kdumpd.observe.files import Files
from kdumpd.observe.machine import Hints, Machine, Plan, Watchers
from kdumpd.observe.readiness.units import NoServiceManager, ServiceManager
from tests.broken_machines import experience, kernel, memory, next_boot, policy, storage, tool
from tests.broken_machines.fault import Fault, Tree
from tests.support.fuse import DEVICE
from tests.support.namespace import MOUNTS_AS_ROOT, needs_root
from tests.support.process import output
from tests.support.sample_machines import build, machines
from tests.support.slow_mount import slow_mount

ALL = (
    *kernel.FAULTS,
    *memory.FAULTS,
    *tool.FAULTS,
    *next_boot.FAULTS,
    *storage.FAULTS,
    *policy.FAULTS,
    *experience.FAULTS,
)


def marks_of(fault: Fault) -> list[pytest.MarkDecorator]:
    """Return what a fault needs that is not everywhere."""
    fuse = pytest.mark.skipif(not os.access(DEVICE, os.R_OK | os.W_OK), reason=f"no {DEVICE} here")
    return [needs_root] * bool(fault.disk or fault.dead or fault.given_away) + [fuse] * bool(
        fault.dead
    )


EACH = [pytest.param(one, id=f"{one.code}: {one.story}", marks=marks_of(one)) for one in ALL]
MACHINES = sorted({one.machine for one in ALL})


@dataclass(frozen=True, slots=True)
class Told:
    """A service manager that has said this."""

    facts: ServiceFacts

    async def read(self) -> ServiceFacts:
        """Return what it says."""
        return self.facts

    async def is_stopping(self) -> bool:
        """Return that the machine goes on."""
        return False


class Unbroken:
    """The machines before anything happens to them, each made and looked at once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._verdicts: dict[str, Verdict] = {}

    def root(self, name: str) -> Path:
        """Return the directory of one machine."""
        root = self._directory / name
        if not root.exists():
            build(machines()[name], root)
        return root

    async def verdict(self, name: str) -> Verdict:
        """Return what is said of one machine."""
        if name not in self._verdicts:
            self._verdicts[name] = await look(self.root(name), NoServiceManager(), State())
        return self._verdicts[name]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    return Unbroken(tmp_path_factory.mktemp("unbroken"))


def look_with_disk(root: Path, options: str) -> tuple[Finding, ...]:
    """Return what is said where /var/crash is on a disk of its own."""
    mounted = f'mount -t tmpfs -o {options} tmpfs "$0/var/crash" && exec "$@"'
    return tuple(said(root, *MOUNTS_AS_ROOT, "sh", "-c", mounted, str(root)))


async def look_with_server(root: Path, dead: str) -> tuple[Finding, ...]:
    """Return what is said where a directory is on a server that answers no more."""
    server = root.parent / "server"
    (root / dead).rename(server)
    (root / dead).mkdir()
    async with slow_mount(server, root / dead) as mount:
        await output(*mount.prefix, "ls", str(root / dead))  # once it has answered, it can hang
        mount.hang()
        return await asyncio.to_thread(lambda: tuple(said(root, *mount.prefix)))


def said(root: Path, *prefix: str) -> Iterator[Finding]:
    """Yield what `kdumpd --check` says where the words before the command put it."""
    done = subprocess.run(  # noqa: S603 -- ours
        [*prefix, sys.executable, "-m", "kdumpd.daemon", "--check", "--json=short", "--root", root],
        check=False,
        capture_output=True,
        timeout=60,
        cwd=Path(__file__).parents[1],
    )
    for one in json.loads(done.stdout)["checks"]:
        unknown = one["outcome"] == "unknown"
        severity = Severity.WARNING if unknown else Severity(one["outcome"])
        yield Finding(code=one["code"], severity=severity, message=one["message"], unknown=unknown)


async def look(root: Path, services: ServiceManager, state: State) -> Verdict:
    configured = read_configuration(root, None)
    plan = Plan(directories=configured.settings.directories, problems=configured.problems)
    return judged(await Machine(Files(root), plan, Hints(), Watchers(), services).look(), state)


async def look_at(root: Path, fault: Fault) -> tuple[Finding, ...]:
    """Return what is said of a broken machine."""
    if fault.disk:
        return await asyncio.to_thread(look_with_disk, root, fault.disk)
    if fault.dead:
        return await look_with_server(root, fault.dead)
    verdict = await look(root, Told(fault.service), State(boots=fault.boots, tests=fault.tests))
    return verdict.checks


def well(checks: Collection[Finding]) -> set[str]:
    return {one.code for one in checks if one.severity is Severity.OK}


def wrong(checks: Collection[Finding]) -> set[str]:
    return {one.code for one in checks if one.severity is not Severity.OK}


@pytest.mark.parametrize("name", MACHINES)
async def test_the_unbroken_machine(unbroken: Unbroken, name: str) -> None:
    verdict = await unbroken.verdict(name)
    assert verdict.readiness is Readiness.READY
    assert {one.severity for one in verdict.checks} <= {Severity.OK, Severity.INFO}


@pytest.mark.parametrize("fault", EACH)
async def test_one_fault(unbroken: Unbroken, tmp_path: Path, fault: Fault) -> None:
    before = (await unbroken.verdict(fault.machine)).checks
    tree = Tree(unbroken.root(fault.machine), tmp_path / "root")
    fault.how(tree)
    after = await look_at(tree.root, fault)
    assert wrong(after) - wrong(before) == {fault.code, *fault.besides}
    assert well(before) - well(after) - wrong(after) == fault.untold
    said = [one for one in after if one.code == fault.code and one.severity is not Severity.OK]
    assert {(one.severity, one.unknown) for one in said} == {(fault.severity, fault.unknown)}


def test_every_rule_has_its_fault() -> None:
    broken = {one.code.replace("-", "_") for one in ALL}
    assert broken == {rule.__name__ for rule in RULES}
