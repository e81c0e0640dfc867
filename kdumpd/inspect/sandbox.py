# SPDX-License-Identifier: GPL-2.0-or-later
"""Take from this process what reading a core does not need, for good.

What is not permitted is left out: in a container or a confined unit some of it is taken already.
"""

import contextlib
import ctypes
import os
import resource
import signal
from dataclasses import dataclass

from kdumpd.arguments import keep_to_oneself

NICE_INCREMENT = 19
FIRST_NONSTANDARD_FD = 3  # descriptors
MAX_OPEN_FILES = 64
CPU_GRACE_S = 5  # between SIGXCPU and SIGKILL

# include/uapi/linux/prctl.h, sched.h, capability.h
PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
CAPABILITY_VERSION_3 = 0x20080522


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How much of the machine one reading may take."""

    cpu_seconds: int
    address_space: int  # bytes
    file_size: int  # bytes of the largest file that it may write


def confine(share: Share) -> None:
    """Confine this process; call it before a byte of the core is read."""
    os.chdir("/")
    os.closerange(FIRST_NONSTANDARD_FD, os.sysconf("SC_OPEN_MAX"))
    with contextlib.suppress(PermissionError):  # a system call filter
        os.nice(NICE_INCREMENT)
    for limit, soft, hard in (
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_NOFILE, MAX_OPEN_FILES, MAX_OPEN_FILES),
        (resource.RLIMIT_CPU, share.cpu_seconds, share.cpu_seconds + CPU_GRACE_S),
        (resource.RLIMIT_AS, share.address_space, share.address_space),
        (resource.RLIMIT_FSIZE, share.file_size, share.file_size),
    ):
        _lower(limit, soft, hard)
    libc = ctypes.CDLL(None)
    # A user without rights may leave the network as the owner of a user namespace of his own.
    if libc.unshare(CLONE_NEWNET) != 0:
        libc.unshare(CLONE_NEWUSER | CLONE_NEWNET)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _drop_capabilities(libc)
    libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def forbid_processes() -> None:
    """Let this process start no other any more, nor a thread; root's own are not held up by it."""
    _lower(resource.RLIMIT_NPROC, 0, 0)


def _lower(limit: int, soft: int, hard: int) -> None:
    now = resource.getrlimit(limit)
    soft, hard = (
        wanted if there == resource.RLIM_INFINITY else min(wanted, there)
        for wanted, there in zip((soft, hard), now, strict=True)
    )
    resource.setrlimit(limit, (soft, hard))


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    keep_to_oneself()
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    libc.capset(header, (ctypes.c_uint32 * 6)())
