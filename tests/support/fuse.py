# SPDX-License-Identifier: GPL-2.0-or-later
"""The protocol between the kernel and the server of a FUSE file system.

As include/uapi/linux/fuse.h has it, version 7.31: what the servers of the tests say of it.
"""

import errno
import os
from contextlib import suppress
from struct import Struct

DEVICE = "/dev/fuse"
MAJOR, MINOR = 7, 31
MOST_BYTES = 1 << 18  # of a request
ROOT_NODE = 1

IN_HEADER = Struct("=IIQQIIIHH")
OUT_HEADER = Struct("=IiQ")
INIT_OUT = Struct("=IIIIHHIIHHI28x")
ATTR = Struct("=QQQQQQIIIIIIIIII")
READ_IN = Struct("=QQI")
WRITE_IN = Struct("=QQIIQII")
DIRENT = Struct("=QQII")
STATFS_OUT = Struct("=QQQQQIIII24x")

LOOKUP, FORGET, GETATTR, READLINK, OPEN, READ, WRITE, STATFS = 1, 2, 3, 5, 14, 15, 16, 17
RELEASE, FSYNC, FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR = 18, 20, 25, 26, 27, 28, 29
INTERRUPT, BATCH_FORGET = 36, 42
UNANSWERED = {FORGET, INTERRUPT, BATCH_FORGET}
BIG_WRITES = 1 << 5  # FUSE_BIG_WRITES: more than a page at once


def read_request(fd: int) -> bytes | None:
    """Return what the kernel asks, empty where that was taken back, None after the unmounting."""
    try:
        return os.read(fd, MOST_BYTES)
    except OSError as error:
        if error.errno == errno.ENODEV:
            return None
        if error.errno in {errno.EINTR, errno.ENOENT}:
            return b""
        raise


def reply(fd: int, unique: int, error: int, content: bytes) -> None:
    """Answer the request of that number with an error number, negative, or 0 and the content."""
    header = OUT_HEADER.pack(OUT_HEADER.size + len(content), error, unique)
    with suppress(FileNotFoundError):  # whoever asked was interrupted meanwhile
        os.write(fd, header + content)
