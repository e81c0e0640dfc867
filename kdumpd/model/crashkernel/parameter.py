# SPDX-License-Identifier: GPL-2.0-or-later
"""Which crashkernel= of a command line counts."""

import re

from kdumpd.model.text import printable

PREFIX = b"crashkernel="
VALUE = rb"[^ \0]*"
KINDS = (b"high", b"low", b"cma")


def crashkernel_parameter(cmdline: bytes) -> str:
    """Return the crashkernel= parameter as written, empty where there is none.

    The last of each kind counts (kernel/crash_reserve.c, get_last_crashkernel), and the text counts
    wherever it stands, not by word. Several kinds are separated by a space. It is safe to show.
    """
    found = (value.partition(b"\n")[0] for value in last_of_each_kind(cmdline).values())
    return " ".join(printable(value) for value in found)


def last_of_each_kind(cmdline: bytes, kinds: tuple[bytes, ...] = KINDS) -> dict[bytes, bytes]:
    """Return what stands behind the last crashkernel= of each kind; b"" is the plain kind.

    What ends in a kind that is not among `kinds`, as ,cma is to an older kernel, is a plain one.
    """
    last: dict[bytes, bytes] = {}
    pieces = cmdline.removesuffix(b"\n").split(PREFIX)[1:]
    for number, piece in enumerate(pieces, 1):
        match = re.match(VALUE, piece)
        value = match[0] if match else b""
        # Where the text stands within a value, both end alike, and the inner one comes last.
        if len(value) < len(piece) or number == len(pieces):
            ending = value.rpartition(b",")[2] if b"," in value else b""
            last[ending if ending in kinds else b""] = value
    return last


def as_written(values: str) -> str:
    """Return the parameters as they stand on a command line, from their values."""
    return " ".join(f"crashkernel={value}" for value in values.split())
