# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdumpd.model.captures.core import InspectionError
from kdumpd.observe.cores.inspector import Limits, inspect
from tests.support.cores import Crash, flattened

PATIENT = Limits(seconds=60)
HASTY = Limits(seconds=0.3)


@pytest.fixture
def core(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "core"
    path.write_bytes(flattened(Crash()))
    fd = os.open(path, os.O_RDONLY)
    yield fd
    os.close(fd)


def program(text: str) -> tuple[str, ...]:
    return sys.executable, "-I", "-c", text


async def error(core: int, text: str, limits: Limits = PATIENT) -> str:
    """Return the error that a program which breaks like this leads to."""
    with pytest.raises(InspectionError) as caught:
        await inspect(core, limits, program(text))
    return str(caught.value)


async def test_a_core_is_inspected(core: int) -> None:
    inspected = await inspect(core)
    assert inspected.facts is not None
    assert inspected.facts.complete
    assert inspected.facts.kernel_release == Crash().release
    assert inspected.log is None
    assert inspected.log_problem


async def test_the_descriptor_stays_open(core: int) -> None:
    await inspect(core)
    os.fstat(core)


async def test_nothing_is_imported_from_where_it_is_started(core: int, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    with contextlib.chdir(tmp_path):
        assert (await inspect(core)).facts is not None


async def test_two_at_once(core: int) -> None:
    first, second = await asyncio.gather(inspect(core), inspect(core))
    assert first == second


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGRTMIN + 5])
async def test_a_core_that_kills_its_reader(core: int, number: int) -> None:
    no_core = "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))"
    killed = f"import os, resource; {no_core}; os.kill(os.getpid(), {number:d})"
    assert f"ended by signal {number:d} (" in await error(core, killed)


async def test_a_reader_that_uses_up_its_time(core: int) -> None:
    said = await error(
        core, "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 2))\nwhile True: pass"
    )
    assert "time of the CPU" in said


async def test_a_reader_that_hangs(core: int) -> None:
    assert "no answer after 0.3 s" in await error(core, "import time; time.sleep(60)", HASTY)


async def test_a_reader_that_does_not_want_to_end(core: int) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    assert "no answer" in await error(core, deaf, HASTY)


async def test_a_reader_that_closes_its_output_and_lives_on(core: int) -> None:
    assert "no answer" in await error(core, "import os, time; os.close(1); time.sleep(60)", HASTY)


@pytest.mark.parametrize("stream", [1, 2])
async def test_a_reader_that_talks_without_end(core: int, stream: int) -> None:
    flood = f"import os\nwhile True: os.write({stream}, b'x' * 65536)"
    said = await error(core, flood, PATIENT if stream == 1 else Limits(seconds=1))
    assert ("more than" if stream == 1 else "no answer") in said


async def test_a_reader_that_talks_much_and_fails(core: int) -> None:
    said = await error(core, "import sys; sys.exit('x' * (1 << 20))")
    assert "failed (1)" in said
    assert len(said) < 400


async def test_what_a_reader_says_is_made_harmless(core: int) -> None:
    said = await error(core, r"import sys; sys.exit('first\nlast \x1b[2J \u202e')")
    assert said == r"kdumpd-inspect failed (1): last \x1b[2J \xe2\x80\xae"


async def test_a_reader_that_lies(core: int) -> None:
    assert "JSON" in await error(core, "print('{')")


async def test_a_reader_that_says_nothing(core: int) -> None:
    assert "JSON" in await error(core, "pass")


async def test_what_the_reader_started_goes_with_it(core: int, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    starts = f"""
import pathlib, subprocess, time
child = subprocess.Popen(["/bin/sleep", "60"])
pathlib.Path({str(note)!r}).write_text(str(child.pid))
time.sleep(60)
"""
    await error(core, starts, Limits(seconds=2))
    # All of the group were killed at once, but each dies when its turn comes.
    async with asyncio.timeout(20):
        while _alive(int(note.read_text())):  # noqa: ASYNC110  # another process has no event
            await asyncio.sleep(0.05)


async def test_a_reader_that_cannot_be_started(core: int, tmp_path: Path) -> None:
    with pytest.raises(InspectionError, match="cannot be started: No such file"):
        await inspect(core, PATIENT, (str(tmp_path / "none"),))


async def test_cancelled(core: int) -> None:
    task = asyncio.create_task(inspect(core, PATIENT, program("import time; time.sleep(60)")))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_no_descriptor_is_left(core: int) -> None:
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are all that is wanted
    await inspect(core)
    await error(core, "import time; time.sleep(60)", HASTY)
    assert set(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # its new parent may not have reaped it yet
