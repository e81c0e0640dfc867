# SPDX-License-Identifier: GPL-2.0-or-later
"""What a program says on stderr when it does not come to an end with a core."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

from kdumpd.model.crashlog.scrub import plain_sentence

MOST_WRITTEN = 1 << 16  # bytes; who writes more is ended
MOST_READ = 4096  # bytes, from the end
STDIN = b"/*stdin*\\"  # as zstd names it


@contextmanager
def opened_words() -> Iterator[int]:
    """Give a file in memory to be a program's stderr."""
    fd = os.memfd_create("words")
    try:
        yield fd
    finally:
        os.close(fd)


def limit_words(pid: int) -> None:
    """Let a program write only so much to files; pipes are none."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (MOST_WRITTEN, MOST_WRITTEN))


def with_last_words(problem: str, words: int) -> str:
    """Return the problem with the last line that the program has said, fit for everybody's eyes."""
    size = os.fstat(words).st_size
    content = os.pread(words, MOST_READ, max(0, size - MOST_READ))
    last = plain_sentence(content.strip().rpartition(b"\n")[2].replace(STDIN, b"stdin"))
    return f"{problem}: {last}" if last else problem
