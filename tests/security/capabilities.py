# SPDX-License-Identifier: GPL-2.0-or-later
"""What root may do to any file, laid down for a while: modes then count for root as well."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

# capset(2), linux/capability.h: version 3 has two sets of 32 bits each.
VERSION_3 = 0x20080522
DAC_OVERRIDE, DAC_READ_SEARCH = 1, 2
Sets = ctypes.c_uint32 * 6  # effective, permitted, inheritable; and those of the upper bits
Head = ctypes.c_uint32 * 2


@contextmanager
def without_rights() -> Iterator[None]:
    """Have this thread, and those that it starts, denied what modes deny, while this lasts."""
    libc = ctypes.CDLL(None, use_errno=True)
    sets = Sets()
    _check(libc.capget(Head(VERSION_3, 0), sets))
    lowered = Sets(*sets)
    lowered[0] &= ~(1 << DAC_OVERRIDE | 1 << DAC_READ_SEARCH)
    _check(libc.capset(Head(VERSION_3, 0), lowered))
    try:
        yield
    finally:
        _check(libc.capset(Head(VERSION_3, 0), sets))


def _check(result: int) -> None:
    if result:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
