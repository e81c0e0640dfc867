# SPDX-License-Identifier: GPL-2.0-or-later
"""Bytes as a file that is on no disk and that nobody can change."""

import fcntl
import os

SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def sealed(content: bytes) -> int:
    """Return a read-only descriptor of a file in memory, at its beginning, which the caller closes.

    Sealed (memfd_create(2)): whoever gets it can neither write to it nor make it longer.
    """
    fd = os.memfd_create("kernel-log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(fd, rest) :]
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)
        return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(fd)
