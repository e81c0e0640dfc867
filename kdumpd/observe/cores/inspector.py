# SPDX-License-Identifier: GPL-2.0-or-later
"""Have one core read through by kdumpd-inspect, a child process that it may kill or take over."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kdumpd.arguments import CHILD_ENVIRONMENT, isolated
from kdumpd.model.captures.core import (
    ADDRESS_SPACE_BYTES,
    CPU_SECONDS,
    MAX_ANSWER_BYTES,
    Inspected,
    InspectionError,
    NotBegunError,
    parse_inspected,
)
from kdumpd.model.crashlog.scrub import plain_sentence

READ_BYTES = 1 << 16  # at once
MAX_STDERR_BYTES = 4096  # what comes behind them is read and forgotten
MIN_BYTES_A_SECOND = 5_000_000
KILL_TIMEOUT_S = 5.0  # only a dead disk or server holds a killed child longer
INSPECT_COMMAND = isolated("kdumpd.inspect.main")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one reading may take."""

    seconds: float = 900.0  # until it is killed
    cpu_seconds: int = CPU_SECONDS
    address_space: int = ADDRESS_SPACE_BYTES

    @property
    def arguments(self) -> tuple[str, ...]:
        """The options of kdumpd-inspect that say it."""
        return f"--cpu-seconds={self.cpu_seconds}", f"--address-space={self.address_space}"


def limits_for(size: int) -> Limits:
    """Return what the reading of a file of so many bytes may take: bzip2 unpacks 5 MB a second."""
    seconds = max(Limits().cpu_seconds, size // MIN_BYTES_A_SECOND)
    return Limits(seconds=1.5 * seconds, cpu_seconds=seconds)


async def inspect(
    fd: int, limits: Limits | None = None, program: Sequence[str] = INSPECT_COMMAND
) -> Inspected:
    """Return what a child says of the open core; InspectionError when it says nothing usable.

    The descriptor stays the caller's; where it stands in the file is not kept. No process is left,
    but one that the kernel does not let die, which the error then says.
    """
    limits = limits_for(os.fstat(fd).st_size) if limits is None else limits
    try:
        child = _start(fd, (*program, *limits.arguments))
    except OSError as error:
        raise NotBegunError(f"kdumpd-inspect cannot be started: {error.strerror}") from error
    try:
        async with asyncio.timeout(limits.seconds):
            return await asyncio.to_thread(parse_inspected, await child.answer())
    except TimeoutError as error:
        late = f"kdumpd-inspect had no answer after {limits.seconds:g} s"
        if not await child.end():
            late += f", and its process {child.pid} waits for a disk or server and cannot be ended"
        raise InspectionError(late) from error
    finally:
        await child.end()


class _Pipe:
    """What comes out of a pipe; of more than `most` bytes the beginning."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self.content = bytearray()
        self.overflown = False
        self.settled = asyncio.Event()  # at its end, or when there is too much
        self._file = file
        self._most = most
        os.set_blocking(file.fileno(), False)
        asyncio.get_running_loop().add_reader(file.fileno(), self._read)

    def close(self) -> None:
        """Take no more; the writer finds nobody there."""
        if not self._file.closed:
            asyncio.get_running_loop().remove_reader(self._file.fileno())
            self._file.close()
        self.settled.set()

    def _read(self) -> None:
        try:
            data = os.read(self._file.fileno(), READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self.close()
        kept = data[: self._most - len(self.content)]
        self.content += kept
        if len(kept) < len(data):
            self.overflown = True
            self.settled.set()


class _Child:
    """A process that leads a group of its own; it is not reaped before the group was killed."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None  # noqa: S101 - both were asked for
        assert process.stderr is not None  # noqa: S101
        self.pid = process.pid
        self._process = process
        self._out = _Pipe(process.stdout, MAX_ANSWER_BYTES)
        self._err = _Pipe(process.stderr, MAX_STDERR_BYTES)
        self._gone = asyncio.Event()
        self._pidfd = os.pidfd_open(process.pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._gone.set)

    async def answer(self) -> bytes:
        """Return what it prints once it has ended well; InspectionError when it does not."""
        await self._out.settled.wait()
        if self._out.overflown:
            raise InspectionError(f"kdumpd-inspect said more than {MAX_ANSWER_BYTES} bytes")
        await self._gone.wait()
        await self._err.settled.wait()
        self._check_its_end()
        return bytes(self._out.content)

    async def end(self) -> bool:
        """Kill and reap it with all that it started; return whether it is gone."""
        if self._pidfd < 0:
            return self._gone.is_set()
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        try:
            await asyncio.wait_for(self._gone.wait(), KILL_TIMEOUT_S)
        except TimeoutError:
            return False
        finally:
            self._release()
        return True

    def _check_its_end(self) -> None:
        # It stays a zombie, so that nobody else can have its number and that of its group.
        end = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOWAIT)
        if end is None or (end.si_code, end.si_status) == (os.CLD_EXITED, 0):
            return
        if end.si_code == os.CLD_EXITED:
            # Everybody may read what becomes of it, and a library's last words can hold addresses.
            words = plain_sentence(bytes(self._err.content).strip().rpartition(b"\n")[2])
            raise InspectionError(f"kdumpd-inspect failed ({end.si_status}): {words}")
        if end.si_status == signal.SIGXCPU:
            raise InspectionError("kdumpd-inspect needed more time of the CPU than it may take")
        # Real-time signals have no names.
        name = signal.strsignal(end.si_status) or "unknown"
        said = f"kdumpd-inspect was ended by signal {end.si_status} ({name})"
        raise InspectionError(f"{said}: the core may be damaged")

    def _release(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        self._out.close()
        self._err.close()
        if self._gone.is_set():
            self._process.wait()
        else:
            # Whenever it ends, it is reaped.
            threading.Thread(target=self._process.wait, daemon=True).start()


def _start(fd: int, command: Sequence[str]) -> _Child:
    return _Child(
        subprocess.Popen(  # noqa: S603 - the command is ours, and no shell reads it
            command,
            stdin=fd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd="/",
            env=CHILD_ENVIRONMENT,
            start_new_session=True,
        )
    )


READER_PROGRAMS = ("lz4", "makedumpfile", "zstd")
# Where a project is installed, a directory of such a name tells its version (packaging.python.org:
# Recording installed projects); an egg's may end with that of a Python. importlib.metadata reads
# them too, but brings the standard library's mail and zip: 1.2 MiB that the daemon then keeps.
DRGN_METADATA_PATTERN = r"drgn-([^-]+)(-.+)?\.(dist|egg)-info"


def read_toolbox() -> str:
    """Return the names of the tools that are installed, with what tells one drgn from another."""
    found = [name for name in READER_PROGRAMS if shutil.which(name, path=CHILD_ENVIRONMENT["PATH"])]
    version = read_drgn_version(sys.path)
    return ", ".join([*found, f"drgn {version}"] if version else found)


def read_drgn_version(directories: Iterable[str]) -> str:
    """Return the version of drgn in the first of these directories that has one, empty for none."""
    for directory in directories:
        with suppress(OSError):  # what is no directory, or is none any more
            for path in sorted(Path(directory).iterdir()):
                if match := re.fullmatch(DRGN_METADATA_PATTERN, path.name):
                    return match[1]
    return ""
