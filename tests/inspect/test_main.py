# SPDX-License-Identifier: GPL-2.0-or-later
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kdumpd import __version__
from kdumpd.model.captures.core import Inspected, InspectionError
from kdumpd.observe.cores.flattened import MAX_RECORDS
from kdumpd.observe.cores.inspector import Limits, inspect
from tests.support.cores import BLOCK, Crash, elf, flat, flattened, kdump
from tests.support.wrappers import WRAPPERS

Writer = Callable[[Crash], bytes]

GIB = 1 << 30
PLENTY = Limits()
SMALL = Limits(cpu_seconds=2, address_space=GIB // 2)


@contextmanager
def stored(directory: Path, content: bytes) -> Iterator[int]:
    """Give a core that has no path any more."""
    path = directory / "core"
    path.write_bytes(content)
    fd = os.open(path, os.O_RDONLY)
    path.unlink()
    try:
        yield fd
    finally:
        os.close(fd)


async def inspected(directory: Path, content: bytes, limits: Limits = PLENTY) -> Inspected:
    with stored(directory, content) as fd:
        return await inspect(fd, limits)


def run(
    *arguments: str, stdin: int = subprocess.DEVNULL, stdout: int = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kdumpd.inspect.main", *arguments]
    return subprocess.run(  # noqa: S603 - our own program
        command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False
    )


@pytest.mark.parametrize("wrapper", ["", *WRAPPERS])
async def test_any_wrapper(tmp_path: Path, wrapper: str) -> None:
    core = flattened(Crash())
    content = WRAPPERS[wrapper](core) if wrapper else core
    facts = (await inspected(tmp_path, content)).facts
    assert facts is not None
    assert (facts.complete, facts.problem) == (True, "")
    assert facts.wrapper == wrapper
    assert facts.crashed_at == Crash().crashed_at
    assert facts.dump_level == 31


@pytest.mark.parametrize("content", [b"", b"\0", b"text", b"\x1f\x8b", b"KDUMP   ", b"\x7fELF"])
async def test_no_core(tmp_path: Path, content: bytes) -> None:
    answer = await inspected(tmp_path, content)
    assert answer.facts is not None
    assert not answer.facts.complete
    assert answer.facts.problem
    assert answer.log is None
    assert answer.log_problem


@pytest.mark.parametrize("writer", [flattened, kdump, elf])
async def test_a_core_without_its_log_says_why(tmp_path: Path, writer: Writer) -> None:
    answer = await inspected(tmp_path, writer(Crash()))
    assert answer.log_problem
    assert answer.log_source == ""


async def test_a_bomb_that_is_no_core_is_not_unpacked(tmp_path: Path) -> None:
    answer = await inspected(tmp_path, bomb(b"", 100 * GIB), SMALL)
    assert answer.facts is not None
    assert "is no core" in answer.facts.problem


async def test_a_bomb_that_begins_like_a_core(tmp_path: Path) -> None:
    with pytest.raises(InspectionError, match="more time of the CPU"):
        await inspected(tmp_path, bomb(elf(Crash()), 100 * GIB), SMALL)


async def test_a_core_that_needs_too_much_memory(tmp_path: Path) -> None:
    records = flat((at, b"x") for at in range(MAX_RECORDS))
    with pytest.raises(InspectionError, match="more memory to be read than is given"):
        await inspected(tmp_path, records, Limits(address_space=16 << 20))


async def test_a_sparse_core_of_a_huge_machine(tmp_path: Path) -> None:
    with stored(tmp_path, elf(Crash())) as fd:
        writable = os.open(f"/proc/self/fd/{fd}", os.O_RDWR)
        os.ftruncate(writable, 256 * GIB)
        os.close(writable)
        facts = (await inspect(fd)).facts
    assert facts is not None
    assert facts.complete


def test_for_people(tmp_path: Path) -> None:
    with stored(tmp_path, kdump(Crash())) as fd:
        done = run(stdin=fd)
    assert done.returncode == 0
    facts = json.loads(done.stdout)["facts"]
    assert facts["kernel_release"] == Crash().release
    assert facts["crashed_at"] == "2026-11-23T01:13:34+00:00"


def test_no_log_for_people(tmp_path: Path) -> None:
    with stored(tmp_path, kdump(Crash())) as fd:
        done = run("--log", stdin=fd)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("kdumpd-inspect: no kernel log: the core ")


def test_a_pipe_is_no_core() -> None:
    reader, writer = os.pipe()
    done = run(stdin=reader)
    os.close(reader)
    os.close(writer)
    assert done.returncode == 1
    assert "kdumpd-inspect < CORE" in done.stderr


def test_nowhere_to_print(tmp_path: Path) -> None:
    with stored(tmp_path, kdump(Crash())) as fd, Path("/dev/full").open("wb") as full:
        done = run(stdin=fd, stdout=full.fileno())
    assert done.returncode == 1
    assert done.stderr == "kdumpd-inspect: cannot print: No space left on device\n"


def test_version() -> None:
    assert run("--version").stdout == f"kdumpd-inspect {__version__}\n"


def test_help() -> None:
    assert "< CORE" in run("--help").stdout


def bomb(front: bytes, size: int) -> bytes:
    """Return a gzip file of `front` and so many zeros."""
    member = 1 << 28
    zeros = _gzip(bytes(member))
    return _gzip(front.ljust(BLOCK, b"\0")) + zeros * (size // member)


def _gzip(content: bytes) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, 31)
    return stream.compress(content) + stream.flush()
