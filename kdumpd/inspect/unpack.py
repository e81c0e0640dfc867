# SPDX-License-Identifier: GPL-2.0-or-later
"""Unpack a core into a spool, out of its wrapper and out of its records, and judge it there."""

import struct
from dataclasses import replace

from kdumpd.inspect.pieces import Stream, read_pieces
from kdumpd.inspect.spool import Spool
from kdumpd.inspect.wrapper import unpacked
from kdumpd.model.captures.core import CoreFacts, Format, joined
from kdumpd.observe.cores import flattened
from kdumpd.observe.cores.core import HEAD, judge, no_end_record, parse_magic
from kdumpd.observe.cores.flattened import END, LARGEST_RECORD, RECORD
from kdumpd.observe.cores.source import CoreError


def unwrap(fd: int, wrapper: str, spool: Spool) -> CoreFacts:
    """Return what the core inside a wrapper proves once all of it was seen; the spool holds it.

    It is complete when the wrapper's stream is whole, and the core inside is: where makedumpfile is
    killed, the compressor behind it still ends its own stream well.
    """
    inside, broken = CoreFacts(), ""
    try:
        with unpacked(fd, wrapper) as pieces:
            stream = Stream(pieces)
            head = stream.take(HEAD)
            inside = parse_magic(head)
            if not inside.problem:
                broken = _spool(stream, head, inside.format, spool)
    except CoreError as error:
        broken = str(error)
    if inside.format is not Format.UNKNOWN:
        inside = judge(spool, inside)
        if inside.part is not None and inside.complete:
            inside = joined([(b"", inside)])
    elif not broken:
        broken = f"was unpacked, and {inside.problem}"
    problem = broken or inside.problem
    return replace(
        inside, complete=not problem, problem=problem, part=None, wrapper=wrapper, wrapped=False
    )


def reassemble(fd: int, format_: Format, spool: Spool) -> None:
    """Fill the spool with a core that is not wrapped, a flattened one reassembled.

    What is there of one that was cut off must do. CoreError when it cannot be read.
    """
    stream = Stream(read_pieces(fd))
    _spool(stream, stream.take(HEAD), format_, spool)


def _spool(stream: Stream, head: bytes, format_: Format, spool: Spool) -> str:
    """Take the stream to its end, and return what is wrong with that; or CoreError."""
    if format_ is Format.FLATTENED:
        return _spool_records(stream, spool)
    spool.write(0, head)
    for part in stream.parts():
        spool.write(stream.at - len(part), part)
    return ""


def _spool_records(stream: Stream, spool: Spool) -> str:
    start = stream.take(flattened.HEADER_SIZE - stream.at)
    kind, version = struct.unpack_from(">qq", start.ljust(16, b"\0"))
    if (kind, version) != (flattened.TYPE, flattened.VERSION):
        raise CoreError(f"is flattened in an unknown way (type {kind}, version {version})")
    while (record := stream.take(RECORD.size)) != END:
        offset, size = RECORD.unpack(record.ljust(RECORD.size, b"\0"))
        if offset < 0 or not 0 < size < LARGEST_RECORD:
            return no_end_record(stream.at)
        start_at = stream.at
        for part in stream.parts(size):
            spool.write(offset + stream.at - start_at - len(part), part)
        if stream.at != start_at + size:
            return no_end_record(stream.at)
    return "goes on behind its end record" if stream.take(1) else ""
