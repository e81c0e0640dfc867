# SPDX-License-Identifier: GPL-2.0-or-later
"""The descriptor of /proc/sysrq-trigger, which PID 1 opens and passes (sd_listen_fds(3)).

Every byte written to it is a command to the kernel, and b reboots at once. So it is never one of
the first three, into which programs print, and no child gets it. It is never opened by its path:
this program has no right to.
"""

import fcntl
import os
from collections.abc import Mapping, Sequence

SYSRQ_FD_NAME = "sysrq"
LISTEN_FDS_START = 3  # SD_LISTEN_FDS_START
STANDARD_FDS = (0, 1, 2)
MAX_LISTEN_FDS = 16  # LISTEN_FDS that is believed
CRASH_KEY, HELP_KEY = "c", "h"  # Documentation/admin-guide/sysrq.rst
SYSRQ_KEYS = (CRASH_KEY, HELP_KEY)


class DescriptorError(Exception):
    """There is no descriptor that the kernel could be crashed by; the text says why."""


class SysrqTrigger:
    """What crashes the kernel when one byte is written to it."""

    def __init__(self, fd: int, key: str) -> None:
        self._fd = fd
        self._key = key.encode("ascii")

    @property
    def rehearses(self) -> bool:
        """Whether the kernel is to print its help instead."""
        return self._key == HELP_KEY.encode("ascii")

    def press(self) -> None:
        """Write the key. Returns only when the kernel did not crash; OSError when it refuses."""
        os.write(self._fd, self._key)


def passed_descriptor(environment: Mapping[str, str], pid: int) -> int:
    """Return the number of the descriptor that was passed, after a check of all that is needed.

    DescriptorError says what is wrong with it. Those of the first three that are the same file lead
    nowhere after this: what is printed then is lost, instead of taken for commands.
    """
    fd = _number(environment, pid)
    same = _same_file(fd)
    for standard in same:
        _silence(standard)
    if same:
        numbers = " and ".join(str(one) for one in same)
        raise DescriptorError(
            f"the descriptor is open as {numbers} as well, where whatever is printed would be a"
            " command to the kernel. Close it there before the start"
        )
    return fd


def _number(environment: Mapping[str, str], pid: int) -> int:
    count, owner = environment.get("LISTEN_FDS", ""), environment.get("LISTEN_PID", "")
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    hint = "The unit has it from its drop-in sysrq.conf, which systemd links at a boot or a reload"
    if not count.isdecimal() or owner != str(pid):
        raise DescriptorError(f"no descriptor was passed to this process. {hint}")
    if not 1 <= int(count) <= MAX_LISTEN_FDS or len(names) != int(count):
        raise DescriptorError(f"the descriptors that were passed have no names. {hint}")
    if names.count(SYSRQ_FD_NAME) != 1:
        raise DescriptorError(f"no descriptor, or more than one, is named {SYSRQ_FD_NAME}. {hint}")
    fd = LISTEN_FDS_START + names.index(SYSRQ_FD_NAME)
    _check(fd)
    return fd


def _check(fd: int) -> None:
    try:
        mode = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
        # PID 1 passes it across exec; no program that this one might start gets it.
        fcntl.fcntl(fd, fcntl.F_SETFD, fcntl.fcntl(fd, fcntl.F_GETFD) | fcntl.FD_CLOEXEC)
    except OSError as error:
        raise DescriptorError(f"descriptor {fd} is not open: {error.strerror}") from error
    # systemd opens a file of OpenFile= for reading as well (src/core/exec-invoke.c), though this
    # one has nothing to read (drivers/tty/sysrq.c); StandardOutput= opens it for writing alone.
    if mode not in {os.O_WRONLY, os.O_RDWR}:
        raise DescriptorError(f"descriptor {fd} is not open for writing")


def _same_file(fd: int) -> Sequence[int]:
    """Return which of the first three descriptors lead to the same file."""
    return [one for one in STANDARD_FDS if _is_open(one) and os.path.sameopenfile(one, fd)]


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _silence(fd: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(nowhere, fd)
    os.close(nowhere)
