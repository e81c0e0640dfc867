# SPDX-License-Identifier: GPL-2.0-or-later
"""Have makedumpfile read the kernel log of a core, where there is no drgn."""

import os
import resource
import shutil
import subprocess

from kdumpd.inspect.memory import UnopenableCoreError, UnreadableMemoryError
from kdumpd.inspect.words import opened_words, with_last_words
from kdumpd.model.captures.inspection import LONGEST_LOG

PATH = "/usr/sbin:/sbin:/usr/bin:/bin"
MOST_WRITTEN = 64 << 20  # bytes; the file lies in memory
PATIENCE = 120  # seconds; 10 ms are usual


def read_log(fd: int) -> bytes:
    """Return the end of the kernel log of a core that is not flattened.

    UnopenableCoreError when another process may not open it, UnreadableMemoryError when there is no
    makedumpfile or it finds none (1.7.2).
    """
    program = shutil.which("makedumpfile", path=PATH)
    if program is None:
        raise UnreadableMemoryError("cannot be searched for its log: install python3-drgn")
    _check_it_can_be_opened(fd)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_WRITTEN, hard))
    log = os.memfd_create("log")
    try:
        # It writes only to a file with a name (-f: even to one that exists), and talks on stdout.
        command = [program, "-f", "--dump-dmesg", "/proc/self/fd/0", f"/proc/self/fd/{log}"]
        with opened_words() as words:
            done = subprocess.run(  # noqa: S603 - a fixed program, and no shell reads it
                command,
                stdin=fd,
                stdout=subprocess.DEVNULL,
                stderr=words,
                pass_fds=[log],
                timeout=PATIENCE,
                check=False,
            )
            problem = with_last_words("has no kernel log that makedumpfile can read", words)
        size = os.fstat(log).st_size
        content = os.pread(log, LONGEST_LOG, max(0, size - LONGEST_LOG))
    except subprocess.TimeoutExpired as error:
        raise UnreadableMemoryError("keeps makedumpfile busy for too long") from error
    finally:
        os.close(log)
    if done.returncode != 0 or not content:
        raise UnreadableMemoryError(problem)
    return content


def _check_it_can_be_opened(fd: int) -> None:
    try:
        os.close(os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        raise UnopenableCoreError("cannot be opened by makedumpfile") from error
