# SPDX-License-Identifier: GPL-2.0-or-later
"""A stream of bytes is taken apart into messages, whatever it holds and however it comes."""

import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpd.dbus import wire
from kdumpd.dbus.transport import MAX_HEADER_BYTES, Splitter
from kdumpd.dbus.wire import Header, Outgoing, WireError, write_message

pytestmark = pytest.mark.bus

MAX_BODY_BYTES = 1000


class Notes:
    """Remembers what came."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, int | None, list[int]]] = []  # member, bytes of the body
        self.dropped: list[str] = []

    def max_body_bytes(self, header: Header) -> int:
        return -1 if header.text(wire.MEMBER) == "Unwanted" else MAX_BODY_BYTES

    def receive(self, header: Header, body: bytes | None, descriptors: list[int]) -> None:
        size = None if body is None else len(body)
        self.messages.append((header.text(wire.MEMBER), size, descriptors))

    def drop(self, reason: str) -> None:
        self.dropped.append(reason)


def message(member: str, text: str = "", descriptors: int = 0, path: str = "/") -> bytes:
    outgoing = Outgoing(
        kind=wire.SIGNAL,
        path=path,
        interface="org.kdumpd1.Test",
        member=member,
        signature="s",
        body=(text,),
        descriptors=tuple(range(descriptors)),
    )
    return write_message(outgoing, 1)


def with_a_later_field_type(data: bytes) -> bytes:
    """Return the message with a field whose length nobody can tell."""
    spoiled = bytearray(data)
    spoiled[16:20] = b"\xc8\1v\0"
    return bytes(spoiled)


LARGE_HEADER = message("Large", path="/" + "a" * MAX_HEADER_BYTES)
SPOILED = with_a_later_field_type(message("Spoiled"))
STREAM = b"".join(
    (
        message("First", "a"),
        message("Unwanted"),
        message("Second", "b" * MAX_BODY_BYTES),
        SPOILED,
        message("Third"),
        LARGE_HEADER,
        message("Last"),
    )
)
SEEN = [("First", 6), ("Unwanted", None), ("Second", None), ("Third", 5), ("Last", 5)]


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_however_it_comes(cuts: list[int]) -> None:
    notes = Notes()
    splitter = Splitter(notes)
    edges = [0, *sorted(cuts), len(STREAM)]
    for start, end in pairwise(edges):
        splitter.take(STREAM[start:end], [])
    assert [(member, size) for member, size, _ in notes.messages] == SEEN
    assert len(notes.dropped) == 2
    assert "a header field of type v" in notes.dropped[0]
    assert "its header has" in notes.dropped[1]


def test_byte_by_byte() -> None:
    notes = Notes()
    splitter = Splitter(notes)
    for byte in STREAM:
        splitter.take(bytes([byte]), [])
    assert [(member, size) for member, size, _ in notes.messages] == SEEN


def test_what_is_passed_over_is_not_kept() -> None:
    notes = Notes()
    splitter = Splitter(notes)
    large = message("Large", "x" * (20 << 20))
    for start in range(0, len(large), 64 << 10):
        splitter.take(large[start : start + (64 << 10)], [])
        assert len(splitter._came) <= 64 << 10
    assert notes.messages == [("Large", None, [])]
    splitter.take(message("Next"), [])
    assert notes.messages[1:] == [("Next", 5, [])]


def test_descriptors_belong_to_the_messages_that_bring_them() -> None:
    notes = Notes()
    data = message("One", descriptors=1) + message("None") + message("Two", descriptors=2)
    Splitter(notes).take(data, [7, 8, 9])
    assert [descriptors for *_, descriptors in notes.messages] == [[7], [], [8, 9]]


def test_descriptors_of_what_cannot_be_read_are_closed(tmp_path: Path) -> None:
    notes = Notes()
    splitter = Splitter(notes)
    (tmp_path / "bait").touch()
    for data in (SPOILED, LARGE_HEADER):
        fd = os.open(tmp_path / "bait", os.O_RDONLY)
        splitter.take(data, [fd])
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
    fd = os.open(tmp_path / "bait", os.O_RDONLY)
    splitter.take(message("Half", descriptors=1)[:-1], [fd])
    splitter.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_what_is_no_message_at_all() -> None:
    with pytest.raises(WireError, match="no message begins with"):
        Splitter(Notes()).take(message("One") + b"HTTP/1.1 200 OK\r\n\r\n", [])
