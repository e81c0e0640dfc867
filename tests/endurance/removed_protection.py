# SPDX-License-Identifier: GPL-2.0-or-later
"""Take a protection out, in a copy of everything, and see its test fail.

`python -m tests.endurance.removed_protection [NAME]...` tries all, or those named, in their short
form; the exit status is 0 when each was noticed.
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

PROJECT = Path(__file__).parents[2]
NOT_COPIED = shutil.ignore_patterns(".*", "build", "__pycache__")
TESTS_FAILED = 1  # pytest's exit status
TRIES = 3  # what fails by chance is to fail once


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedProtection:
    """A protection that is taken out: a text in a file in the place of another."""

    file: str
    old: str
    new: str
    test: str


FLUSHED = "PRAGMA synchronous = FULL"
CUTS = "tests/endurance/test_power_cuts.py::test_power_cuts"
KILLS = "tests/endurance/test_kills.py::test_killed_at_any_moment"
FLOODS = "tests/endurance/test_floods.py::test_an_honest_client_is_answered"
TROUBLE = "tests/endurance/test_state_directory.py::test_a_disk_in_trouble"
LEDGER, ENGINE = "kdumpd/ledger/database.py", "kdumpd/engine.py"
JOURNAL, INOTIFY = "kdumpd/expose/journal.py", "kdumpd/observe/captures/inotify.py"

REMOVED_PROTECTIONS: Mapping[str, RemovedProtection] = MappingProxyType(
    {
        "synchronous=OFF": RemovedProtection(
            file=LEDGER, old=FLUSHED, new="PRAGMA synchronous = OFF", test=CUTS
        ),
        "synchronous=NORMAL": RemovedProtection(
            file=LEDGER, old=FLUSHED, new="PRAGMA synchronous = NORMAL", test=CUTS
        ),
        "shown before it is recorded": RemovedProtection(
            file=ENGINE,
            old="            await self._record(events)\n            self._parts.terminal",
            new="            await self._show()\n            await asyncio.sleep(0.2)\n"
            "            await self._record(events)\n            self._parts.terminal",
            test=KILLS,
        ),
        "marked journaled before it is sent": RemovedProtection(
            file=JOURNAL,
            old="        all_taken = self.tell(events)\n",
            new="        await self._outbox.mark_told(events)\n"
            "        all_taken = self.tell(events)\n",
            test=KILLS,
        ),
        "not reported while it cannot be recorded": RemovedProtection(
            file=ENGINE,
            old="            self._parts.outbox.tell(self._unrecorded)\n",
            new="",
            test=TROUBLE,
        ),
        "rows without checksums": RemovedProtection(
            file=LEDGER,
            old="if broken := broken_seals(connection):",
            new="if broken := broken_seals(connection)[:0]:",
            test="tests/endurance/test_damage.py::test_no_damage_goes_unnoticed",
        ),
        "no check of the ledger at all": RemovedProtection(
            file=LEDGER,
            old="        state = _checked_content(connection)\n",
            new="        state = load_state(connection)\n",
            test="tests/endurance/test_damage.py::test_no_damage_goes_unnoticed",
        ),
        "answers first come, first served": RemovedProtection(
            file="kdumpd/dbus/connection.py",
            old="self._turn(header.sender)",
            new="asyncio.Lock()",
            test=f"{FLOODS}[dbus-daemon-objects]",
        ),
        "a descriptor that is not closed": RemovedProtection(
            file=INOTIFY,
            old="            os.close(mounts)\n",
            new="",
            test="tests/endurance/test_cycles.py::test_nothing_grows",
        ),
        "a watch that is required": RemovedProtection(
            file=INOTIFY,
            old="        except pyinotify.WatchManagerError as error:\n",
            new="        except ZeroDivisionError as error:\n",
            test="tests/endurance/test_watches.py::test_no_watches_left",
        ),
        "waits that begin again after a restart": RemovedProtection(
            file="kdumpd/model/step.py",
            old="    state = resumed(state, seen)\n",
            new="",
            test="tests/daemon/test_restarts.py::test_a_log_alone_is_told",
        ),
        "signals from all users": RemovedProtection(
            file="dbus/org.kdumpd1.conf",
            old='<deny send_destination="org.kdumpd1" send_type="signal"/>',
            new="",
            test="tests/daemon/test_signals.py::test_signals",
        ),
    }
)


def is_noticed(removed: RemovedProtection) -> bool:
    """Return whether the test fails without the protection."""
    with TemporaryDirectory(prefix="kdumpd-removed-") as work:
        copy = Path(work) / "copy"
        shutil.copytree(PROJECT, copy, ignore=NOT_COPIED)
        path = copy / removed.file
        path.write_text(path.read_text().replace(removed.old, removed.new))
        pytest = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not long", removed.test]
        statuses = (
            subprocess.run(pytest, cwd=copy, check=False, capture_output=True).returncode  # noqa: S603  # ours
            for _ in range(TRIES)
        )
        return TESTS_FAILED in statuses


def main(names: Sequence[str]) -> int:
    """Try them, say what came of each, and return 0 when all were noticed."""
    outcomes = []
    for name in names or REMOVED_PROTECTIONS:
        outcomes.append(is_noticed(REMOVED_PROTECTIONS[name]))
        print(f"{name}: {'noticed' if outcomes[-1] else 'NOT NOTICED'}", flush=True)  # noqa: T201
    return 0 if all(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
