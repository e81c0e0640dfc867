# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk with a volatile cache whose power can be cut: what was written, and when it was flushed.

It is one file of a FUSE file system, under a loop device with direct I/O: below every cache of the
kernel. Each write and each flush is noted, so that what a cut at any of these moments leaves can be
told later: all that a flush has made safe, and of the rest any sectors. It needs root.
"""

import asyncio
import errno
import os
import stat
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

from tests.support.fuse import (
    ATTR,
    BIG_WRITES,
    DEVICE,
    FLUSH,
    FSYNC,
    GETATTR,
    IN_HEADER,
    INIT,
    INIT_OUT,
    LOOKUP,
    MAJOR,
    MINOR,
    OPEN,
    READ,
    READ_IN,
    RELEASE,
    ROOT_NODE,
    UNANSWERED,
    WRITE,
    WRITE_IN,
    read_request,
    reply,
)
from tests.support.namespace import unmount
from tests.support.process import output

SIZE = 16 << 20  # bytes
SECTOR = 512  # bytes that a disk writes whole or not at all
NAME = b"disk"
NODE = 2
MOST_WRITTEN = 1 << 17

Write = tuple[int, bytes]  # where, and what; no bytes for a flush


class Disk:
    """What is on the disk, and how it came there."""

    def __init__(self, content: bytes = bytes(SIZE)) -> None:
        self._first = content
        self.content = bytearray(content)
        self._log: list[Write] = []
        self.failing = False  # whether it answers every write with an error

    @property
    def position(self) -> int:
        """How many writes and flushes there have been: a moment at which the power can be cut."""
        return len(self._log)

    def cut(self, position: int, random: Random) -> bytes:
        """Return what is on the disk after a cut at that moment."""
        log = self._log[:position]
        safe = max((at + 1 for at, (_, data) in enumerate(log) if not data), default=0)
        content = bytearray(self._first)
        for offset, data in log[:safe]:
            content[offset : offset + len(data)] = data
        share = random.choice((0.0, 0.5, random.random(), 1.0))
        for offset, data in log[safe:]:
            for at in range(0, len(data), SECTOR):
                if random.random() < share:
                    content[offset + at : offset + at + SECTOR] = data[at : at + SECTOR]
        return bytes(content)

    def serve(self, fd: int) -> None:
        """Answer the kernel until the file system is unmounted."""
        while (request := read_request(fd)) is not None:
            if not request:
                continue
            _, opcode, unique, node, *_ = IN_HEADER.unpack_from(request)
            if opcode not in UNANSWERED:
                error, content = self._answer(opcode, node, request[IN_HEADER.size :])
                reply(fd, unique, -error, content)

    def _answer(self, opcode: int, node: int, content: bytes) -> tuple[int, bytes]:
        """Return an error number, or 0 and the answer."""
        if opcode in {WRITE, FSYNC}:
            return self._change(opcode, content)
        if opcode == READ:
            _, offset, size = READ_IN.unpack_from(content)
            return 0, bytes(self.content[offset : offset + size])
        if opcode == LOOKUP and content.rstrip(b"\0") != NAME:
            return errno.ENOENT, b""
        answers = {
            INIT: INIT_OUT.pack(MAJOR, MINOR, 0, BIG_WRITES, 0, 0, MOST_WRITTEN, 1, 0, 0, 0),
            LOOKUP: NODE.to_bytes(8, "little") + bytes(32) + self._attributes(NODE),
            GETATTR: bytes(16) + self._attributes(node),
            OPEN: bytes(16),
            RELEASE: b"",
            FLUSH: b"",
        }
        return (0, answers[opcode]) if opcode in answers else (errno.ENOSYS, b"")

    def _change(self, opcode: int, content: bytes) -> tuple[int, bytes]:
        if self.failing:
            return errno.EIO, b""
        if opcode == FSYNC:
            self._log.append((0, b""))
            return 0, b""
        _, offset, size, *_ = WRITE_IN.unpack_from(content)
        data = content[WRITE_IN.size : WRITE_IN.size + size]
        self.content[offset : offset + size] = data
        self._log.append((offset, data))
        return 0, size.to_bytes(4, "little") + bytes(4)

    def _attributes(self, node: int) -> bytes:
        kind = stat.S_IFDIR | 0o700 if node == ROOT_NODE else stat.S_IFREG | 0o600
        size = 0 if node == ROOT_NODE else len(self.content)
        times = (0,) * 6
        return ATTR.pack(node, size, size // SECTOR, *times, kind, 1, 0, 0, 0, 4096, 0)


@asynccontextmanager
async def attached(disk: Disk, prefix: Sequence[str], directory: Path) -> AsyncIterator[str]:
    """Return the block device that the disk is, while the context lasts.

    The file system is mounted at the directory, for commands with that prefix alone.
    """
    fd = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    server = threading.Thread(target=disk.serve, args=(fd,), daemon=True, name="disk")
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0"
    try:
        await output(
            *(*prefix, "mount", "-i", "-t", "fuse", "-o", options, "disk", str(directory)),
            descriptors=(fd,),
        )
        server.start()
        try:
            found = (
                "losetup",
                "--find",
                "--show",
                "--direct-io=on",
                str(directory / NAME.decode()),
            )
            device = (await output(*prefix, *found)).decode().strip()
            try:
                yield device
            finally:
                await output(*prefix, "losetup", "--detach", device)
        finally:
            await unmount(prefix, str(directory))
            await asyncio.to_thread(server.join)
    finally:
        os.close(fd)


@asynccontextmanager
async def mounted(
    disk: Disk, prefix: Sequence[str], work: Path, *options: str
) -> AsyncIterator[Path]:
    """Return where the disk's ext4 is mounted, for commands with that prefix alone."""
    below, directory = work / "below", work / "disk"
    for path in (below, directory):
        path.mkdir(exist_ok=True)
    async with attached(disk, prefix, below) as device:
        await output(*prefix, "mount", "-t", "ext4", *options, device, str(directory))
        try:
            yield directory
        finally:
            await unmount(prefix, str(directory))


async def formatted(prefix: Sequence[str], work: Path) -> bytes:
    """Return the content of a disk with an empty ext4 on it."""
    disk = Disk()
    (work / "below").mkdir(exist_ok=True)
    async with attached(disk, prefix, work / "below") as device:
        mkfs = ("mkfs.ext4", "-q", "-b", "4096", "-J", "size=4", device)
        await output(*prefix, *mkfs, seconds=60)
    return bytes(disk.content)
