# SPDX-License-Identifier: GPL-2.0-or-later
"""Each rule fires on the tree of a machine that breaks it, and what else is well stays well."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from kdumpd.config import read_configuration
from kdumpd.model.facts.service import ServiceFacts
from kdumpd.model.finding import Finding, Severity
from kdumpd.model.readiness import RULES, Readiness
from kdumpd.model.state import State
from kdumpd.model.step import judged
from kdumpd.model.verdict import Verdict
from kdumpd.observe.hints import Hints
from kdumpd.observe.machine import Machine, Watchers
from kdumpd.observe.units import NoServiceManager, ServiceManager
from tests.breakages import kernel, memory, next_boot, policy, storage, tool
from tests.breakages.breakage import Breakage, Tree
from tests.worlds import build, machines

ALL = (
    *kernel.BREAKAGES,
    *memory.BREAKAGES,
    *tool.BREAKAGES,
    *next_boot.BREAKAGES,
    *storage.BREAKAGES,
    *policy.BREAKAGES,
)
MACHINES = sorted({one.machine for one in ALL})
Unbroken = Callable[[str], Path]


@dataclass(frozen=True, slots=True)
class Told:
    """A service manager that has said this."""

    facts: ServiceFacts

    async def read(self) -> ServiceFacts:
        """Return what it says."""
        return self.facts


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    folder = tmp_path_factory.mktemp("unbroken")

    def made(name: str) -> Path:
        root = folder / name
        if not root.exists():
            build(machines()[name], root)
        return root

    return made


async def look(root: Path, services: ServiceManager, state: State) -> Verdict:
    folders = read_configuration(root, None).settings.folders
    return judged(await Machine(root, folders, Hints(), Watchers(), services).look(), state)


def of(findings: Iterable[Finding], *severities: Severity) -> set[str]:
    return {one.code for one in findings if one.severity in severities}


def troubles(verdict: Verdict) -> set[str]:
    return of(verdict.checks, Severity.INFO, Severity.WARNING, Severity.FATAL)


@pytest.mark.parametrize("name", MACHINES)
async def test_the_unbroken_machine(unbroken: Unbroken, name: str) -> None:
    verdict = await look(unbroken(name), NoServiceManager(), State())
    assert verdict.readiness is Readiness.READY
    assert of(verdict.checks, Severity.WARNING, Severity.FATAL) == set()


@pytest.mark.parametrize("breakage", ALL, ids=lambda one: f"{one.code}: {one.story}")
async def test_one_breakage(unbroken: Unbroken, tmp_path: Path, breakage: Breakage) -> None:
    healthy = unbroken(breakage.machine)
    before = await look(healthy, NoServiceManager(), State())
    tree = Tree(healthy, tmp_path / "root")
    breakage.how(tree)
    after = await look(tree.root, Told(breakage.service), State(boots=breakage.boots))
    expected = {breakage.code, *breakage.besides}
    untold = of(before.checks, Severity.OK) - {one.code for one in after.checks}
    assert (troubles(after) - troubles(before), untold) == (expected, breakage.untold)
    assert of(after.checks, breakage.severity) & {breakage.code}
    assert {one.unknown for one in after.checks if one.code == breakage.code} == {breakage.unknown}


def test_every_rule_has_its_breakage() -> None:
    broken = {one.code.replace("-", "_") for one in ALL}
    assert broken == {rule.__name__ for rule in RULES}
