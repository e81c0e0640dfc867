# SPDX-License-Identifier: GPL-2.0-or-later
"""Cores as Debian's KDUMP_COMPRESSION or an administrator compresses them."""

import bz2
import gzip
import lzma
import subprocess
from collections.abc import Callable

from tests.support.process import program

Wrap = Callable[[bytes], bytes]


def wrapped_by(name: str) -> Wrap:
    """Return what compresses as a program does, whose Debian package has its name."""

    def wrap(content: bytes) -> bytes:
        argv = [program(name, name), "-1", "-c"]
        return subprocess.run(argv, input=content, stdout=subprocess.PIPE, check=True).stdout  # noqa: S603

    return wrap


WRAPPERS: dict[str, Wrap] = {
    "gzip": lambda content: gzip.compress(content, 1),
    "bzip2": lambda content: bz2.compress(content, 1),
    "xz": lambda content: lzma.compress(content, preset=0),
    "lz4": wrapped_by("lz4"),
    "zstd": wrapped_by("zstd"),
}
IN_PYTHON = ("gzip", "bzip2", "xz")
