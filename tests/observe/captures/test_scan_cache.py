# SPDX-License-Identifier: GPL-2.0-or-later
"""A directory in which nothing changed is not opened again, and whatever changed is seen."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kdumpd.model.captures.capture import Sighting
from kdumpd.observe.captures.scan import read_crash_directory
from kdumpd.observe.captures.scan_cache import MAX_CLOCK_TICK_S, Identity, Visits
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.shared_files import SharedFiles
from tests.support.cores import Crash, flattened
from tests.support.machine import Machine

CRASH = b"/var/crash"
FIRST, SECOND = "202611230113", "202611230214"


class Looker:
    """Looks at a crash directory again and again, each time later than any clock's tick."""

    def __init__(self, root: Path) -> None:
        self.opened: list[str] = []  # in the last look, by their names
        self.wanted: set[Identity] = set()  # what somebody wants opened
        self.known: dict[bytes, Sighting] = {}
        self._root = root
        self._time = 0.0
        self._visits = Visits(self._keep, clock=lambda: self._time)

    def look(self, later: float = MAX_CLOCK_TICK_S) -> dict[bytes, Sighting]:
        """Return what lies there, by place."""
        self._time += later
        self.opened = []
        directory = read_crash_directory(
            SharedFiles(Files(self._root)), CRASH, self.known, self._open, self._visits
        )
        self.known = {sighting.place: sighting for sighting in directory.sightings}
        return self.known

    def _open(self, fd: int) -> None:
        self.opened.append(Path(f"/proc/self/fd/{fd}").readlink().name)

    def _keep(self, identity: Identity) -> bool:
        return identity not in self.wanted


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.kdump_tools(FIRST, flattened(Crash(crash_time=1)))
    machine.kdump_tools(SECOND, flattened(Crash(crash_time=2)))
    (machine.crash / "notes").mkdir()
    return machine


@pytest.fixture
def looker(machine: Machine) -> Looker:
    """Somebody who knows the directories by now."""
    looker = Looker(machine.root)
    for _ in range(2):
        assert len(looker.look()) == 2
        assert sorted(looker.opened) == [FIRST, SECOND, "crash", "notes"]
    return looker


def test_what_is_unchanged_is_not_opened(looker: Looker) -> None:
    before = dict(looker.known)
    for _ in range(3):
        assert looker.look() == before
        assert looker.opened == ["crash"]
    assert all(looker.known[place] is sighting for place, sighting in before.items())


def test_what_was_listed_in_the_tick_of_its_change_is_opened(machine: Machine) -> None:
    looker = Looker(machine.root)
    for _ in range(4):
        looker.look(later=MAX_CLOCK_TICK_S / 8)
        assert len(looker.opened) == 4


def grown(directory: Path) -> None:
    with next(directory.glob("dump.*")).open("ab") as core:
        core.write(b"more")


def overwritten(directory: Path) -> None:
    core = next(directory.glob("dump.*"))
    times = core.stat().st_atime_ns, core.stat().st_mtime_ns
    core.write_bytes(flattened(Crash(crash_time=3)))
    os.utime(core, ns=times)


def renamed(directory: Path) -> None:
    core = next(directory.glob("dump.*"))
    core.rename(directory / "dump-incomplete")


def opened_to_all(directory: Path) -> None:
    next(directory.glob("dump.*")).chmod(0o666)


def directory_opened_to_all(directory: Path) -> None:
    directory.chmod(0o777)


def above_opened_to_all(directory: Path) -> None:
    directory.parent.chmod(0o777)


def above_shut(directory: Path) -> None:
    directory.parent.chmod(0o700)


def above_closed(directory: Path) -> None:
    """Everybody may go through it, and nobody else list it."""
    directory.parent.chmod(0o711)


def directory_closed(directory: Path) -> None:
    directory.chmod(0o711)


def removed(directory: Path) -> None:
    shutil.rmtree(directory)


def core_removed(directory: Path) -> None:
    next(directory.glob("dump.*")).unlink()


def a_link(directory: Path) -> None:
    moved = directory.rename(directory.parent.parent / "moved")
    directory.symlink_to(moved)


@pytest.mark.parametrize(
    "change",
    [
        grown,
        overwritten,
        renamed,
        opened_to_all,
        directory_opened_to_all,
        above_opened_to_all,
        above_shut,
        above_closed,
        directory_closed,
        removed,
        core_removed,
        a_link,
    ],
)
def test_a_change_is_seen(machine: Machine, looker: Looker, change: Callable[[Path], None]) -> None:
    looker.look()
    change(machine.crash / FIRST)
    seen = looker.look()
    anew = Looker(machine.root).look()
    assert seen == anew


def test_only_what_changed_is_opened(machine: Machine, looker: Looker) -> None:
    looker.look()
    grown(machine.crash / SECOND)
    before = looker.known[CRASH + b"/" + FIRST.encode()]
    after = looker.look()[CRASH + b"/" + FIRST.encode()]
    assert (sorted(looker.opened), after is before) == ([SECOND, "crash"], True)


def test_what_was_none_of_ours_becomes_a_capture(machine: Machine, looker: Looker) -> None:
    looker.look()
    (machine.crash / "notes" / "vmcore").write_bytes(flattened(Crash(crash_time=4)))
    assert CRASH + b"/notes" in looker.look()


def test_somebody_wants_it_opened(machine: Machine, looker: Looker) -> None:
    status = (machine.crash / SECOND).stat()
    looker.wanted.add((status.st_dev, status.st_ino))
    looker.look()
    assert sorted(looker.opened) == [SECOND, "crash"]


def test_one_that_cannot_be_read_is_tried_each_time(machine: Machine, looker: Looker) -> None:
    core = next((machine.crash / FIRST).glob("dump.*"))
    core.unlink()
    core.symlink_to("/etc/passwd")
    for _ in range(4):
        looker.look()
    assert looker.look() == Looker(machine.root).look()
