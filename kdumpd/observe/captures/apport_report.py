# SPDX-License-Identifier: GPL-2.0-or-later
"""Read apport's report of a kernel crash: KEY: VALUE lines (apport 2.28, problem_report.py).

A long value is `base64`, and then a line for each block: the header of a gzip stream, and the
stream. A value in plain text goes on in lines that begin with a blank.
"""

import binascii
import re
import zlib
from collections.abc import Iterator

KERNEL_CRASH_LINE = rb"(?m)^ProblemType:[ \t]*KernelCrash[ \t]*$"
REPORT_HEAD_BYTES = 4096  # the kind is the first thing that apport writes
MAX_REPORT_BYTES = 1 << 23  # of a report that are read; a log of 256 KiB makes 50 KiB
LOG_KEY = b"VmCoreDmesg"
MAX_UNPACKED_LOG_BYTES = 1 << 24  # of a log, unpacked
MAX_UNPACKED_AT_ONCE_BYTES = 1 << 20
LOG_UNREADABLE = "holds a kernel log that is broken, cut off or too long"
GZIP_WINDOW_BITS = 16 + zlib.MAX_WBITS


class ReportError(ValueError):
    """The bytes are no report, or not a whole one; the text says what is wrong."""


def is_kernel_crash(head: bytes) -> bool:
    """Return whether a report that begins so is of a crash of the kernel, and not of an oops."""
    return re.search(KERNEL_CRASH_LINE, head) is not None


def parse_report(report: bytes) -> bytes:
    """Return the kernel log in the report; ReportError when it holds none that is whole."""
    values = dict(_values(report))
    if LOG_KEY not in values:
        raise ReportError("holds no kernel log")
    first, *more = values[LOG_KEY]
    return _unpacked(more) if first == b"base64" else b"\n".join(filter(None, (first, *more)))


def _values(report: bytes) -> Iterator[tuple[bytes, list[bytes]]]:
    """Yield each key, and the lines of its value."""
    key, lines = b"", list[bytes]()
    for line in report.split(b"\n"):
        if line.startswith(b" "):
            lines.append(line[1:])
            continue
        if key:
            yield key, lines
        key, _, value = line.partition(b":")
        lines = [value.strip()]
    if key:
        yield key, lines


def _unpacked(blocks: list[bytes]) -> bytes:
    """Return what the blocks hold; ReportError for more than MAX_UNPACKED_LOG_BYTES."""
    stream = zlib.decompressobj(GZIP_WINDOW_BITS)
    log = bytearray()
    try:
        for block in blocks:
            packed = binascii.a2b_base64(block)
            while packed and len(log) < MAX_UNPACKED_LOG_BYTES:
                log += stream.decompress(packed, MAX_UNPACKED_AT_ONCE_BYTES)
                packed = stream.unconsumed_tail
    except (binascii.Error, zlib.error) as error:
        raise ReportError(LOG_UNREADABLE) from error
    if not stream.eof:
        raise ReportError(LOG_UNREADABLE)
    return bytes(log)
