# SPDX-License-Identifier: GPL-2.0-or-later
"""A file system that stops answering, as that of a dead server does, and answers again.

`python -m tests.support.slow_mount SOURCE TARGET` shows a directory read-only at another place, by
FUSE. It hangs whenever this process is stopped.
"""

import asyncio
import ctypes
import errno
import os
import select
import signal
import stat
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.fuse import (
    ATTR,
    DEVICE,
    DIRENT,
    GETATTR,
    IN_HEADER,
    INIT,
    INIT_OUT,
    LOOKUP,
    MAJOR,
    MINOR,
    MOST_BYTES,
    OPEN,
    OPENDIR,
    READ,
    READ_IN,
    READDIR,
    READLINK,
    RELEASE,
    RELEASEDIR,
    ROOT_NODE,
    STATFS,
    STATFS_OUT,
    UNANSWERED,
    read_request,
    reply,
)
from tests.support.namespace import ENTER, MOUNTS_AS_ROOT
from tests.support.process import BOUND, end

MOUNTED = b"mounted\n"
MOST_WRITTEN = 4096
MS_RDONLY, MS_NOSUID, MS_NODEV = 1, 2, 4


class Server:
    """Answers the kernel's requests about a directory; all it remembers is which node is what."""

    def __init__(self, source: bytes) -> None:
        self._paths = {ROOT_NODE: source}
        self._nodes = {source: ROOT_NODE}
        self._answers: dict[int, Callable[[bytes, bytes], bytes]] = {
            INIT: lambda _path, _content: INIT_OUT.pack(
                MAJOR, MINOR, 0, 0, 0, 0, MOST_WRITTEN, 1, 0, 0, 0
            ),
            LOOKUP: self._look_up,
            GETATTR: lambda path, _: bytes(16) + _attributes(path),
            READLINK: lambda path, _: os.readlink(path),  # noqa: PTH115 - bytes
            OPEN: lambda _path, _content: bytes(16),
            OPENDIR: lambda _path, _content: bytes(16),
            READ: _read,
            READDIR: _list,
            RELEASE: lambda _path, _content: b"",
            RELEASEDIR: lambda _path, _content: b"",
            STATFS: lambda _path, _content: STATFS_OUT.pack(0, 0, 0, 0, 0, 4096, 255, 4096, 0),
        }

    def serve(self, fd: int) -> None:
        """Answer until the file system is unmounted; stop at SIGUSR1, but not over a request.

        Who asks a server that has read the request waits for it past SIGKILL (fs/fuse/dev.c,
        request_wait_answer), and nothing that a daemon does can help.
        """
        wake, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(waker)
        signal.signal(signal.SIGUSR1, lambda *_: None)
        while True:
            if wake in select.select([fd, wake], [], [])[0]:
                os.read(wake, MOST_BYTES)
                os.kill(os.getpid(), signal.SIGSTOP)
                continue
            request = read_request(fd)
            if request is None:
                return
            if not request:
                continue
            _, opcode, unique, node, *_ = IN_HEADER.unpack_from(request)
            if opcode not in UNANSWERED:
                reply(fd, unique, *self._answer(opcode, node, request[IN_HEADER.size :]))

    def _answer(self, opcode: int, node: int, content: bytes) -> tuple[int, bytes]:
        answer = self._answers.get(opcode)
        if answer is None:
            return -errno.ENOSYS, b""
        try:
            return 0, answer(self._paths.get(node, b""), content)
        except OSError as error:
            return -(error.errno or errno.EIO), b""

    def _look_up(self, path: bytes, content: bytes) -> bytes:
        found = path + b"/" + content.rstrip(b"\0")
        attributes = _attributes(found)
        node = self._nodes.setdefault(found, len(self._nodes) + 1)
        self._paths[node] = found
        return node.to_bytes(8, sys.byteorder) + bytes(32) + attributes


def _attributes(path: bytes) -> bytes:
    status = os.lstat(path)
    times = (status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns)
    return ATTR.pack(
        *(status.st_ino, status.st_size, status.st_blocks),
        *(time // 1_000_000_000 for time in times),
        *(time % 1_000_000_000 for time in times),
        *(status.st_mode, status.st_nlink, status.st_uid, status.st_gid, 0, 4096, 0),
    )


def _read(path: bytes, content: bytes) -> bytes:
    _, offset, size = READ_IN.unpack_from(content)
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.pread(fd, size, offset)
    finally:
        os.close(fd)


def _list(path: bytes, content: bytes) -> bytes:
    _, offset, size = READ_IN.unpack_from(content)
    listed = b""
    for number, name in enumerate(sorted(os.listdir(path))):  # noqa: PTH208 - bytes
        if number < offset:
            continue
        status = os.lstat(path + b"/" + name)
        kind = stat.S_IFMT(status.st_mode) >> 12
        entry = DIRENT.pack(status.st_ino, number + 1, len(name), kind) + name
        entry += bytes(-len(entry) % 8)
        if len(listed) + len(entry) > size:
            break
        listed += entry
    return listed


def main(source: str, target: str) -> None:
    """Mount, say so, and serve."""
    fd = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other".encode("ascii")
    libc = ctypes.CDLL(None, use_errno=True)
    flags = MS_RDONLY | MS_NOSUID | MS_NODEV
    if libc.mount(b"slow", os.fsencode(target), b"fuse", flags, options) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), target)
    sys.stdout.buffer.write(MOUNTED)
    sys.stdout.flush()
    Server(os.fsencode(source)).serve(fd)


class SlowMount:
    """The mount, in a namespace of its own."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @property
    def prefix(self) -> tuple[str, ...]:
        """What goes before a command that is to see the mount."""
        return (*ENTER, str(self._process.pid))

    def hang(self) -> None:
        """Answer nothing any more."""
        self._process.send_signal(signal.SIGUSR1)

    def go_on(self) -> None:
        """Answer what was asked meanwhile, and all else."""
        self._process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def slow_mount(source: Path, target: Path) -> AsyncIterator[SlowMount]:
    """Show `source` at `target` to commands with the mount's prefix, while the context lasts."""
    process = await asyncio.create_subprocess_exec(
        *(*MOUNTS_AS_ROOT, *BOUND),
        *(sys.executable, "-m", "tests.support.slow_mount", str(source), str(target)),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    mount = SlowMount(process)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == MOUNTED
        yield mount
    finally:
        mount.go_on()
        await end(process)


if __name__ == "__main__":
    main(*sys.argv[1:])
