# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages as bytes: what is written is read again, and what is no message says so."""

import struct
from typing import Any

import pytest
from dbus_next import Message as OtherMessage
from dbus_next import MessageType as OtherType
from dbus_next import Variant as OtherVariant
from hypothesis import given
from hypothesis import strategies as st

from kdumpd.dbus import wire
from kdumpd.dbus.messages import BusError
from kdumpd.dbus.wire import (
    FIXED_HEADER_BYTES,
    Header,
    Outgoing,
    WireError,
    read_body,
    read_fixed_header,
    read_header,
    socket_addresses,
    variant,
    write_message,
)

pytestmark = pytest.mark.bus

CALL = Outgoing(
    kind=wire.METHOD_CALL,
    flags=wire.ALLOW_INTERACTIVE_AUTHORIZATION,
    destination="org.kdumpd1",
    path="/org/kdumpd1",
    interface="org.kdumpd1.Manager",
    member="Rescan",
    signature="sav",
    body=("a", [variant("u", 7), variant("as", ["b"])]),
)
NUMBER = struct.Struct("<I")


def parts(message: bytes) -> tuple[Header, bytes]:
    fixed = read_fixed_header(message[:FIXED_HEADER_BYTES])
    fields = message[FIXED_HEADER_BYTES : FIXED_HEADER_BYTES + fixed.fields_bytes]
    assert len(message) == fixed.header_bytes + fixed.body_bytes
    return read_header(fixed, fields), message[fixed.header_bytes :]


def with_fields(*fields: bytes) -> bytes:
    """Return a call without a body whose header has these fields."""
    data = b""
    for field in fields:
        data += bytes(-len(data) % 8) + field
    start = struct.pack("<BBBBIII", ord("l"), wire.METHOD_CALL, 0, 1, 0, 1, len(data))
    return start + data + bytes(-len(data) % 8)


def text_field(code: int, type_: str, text: bytes) -> bytes:
    return bytes([code, 1]) + type_.encode() + b"\0" + NUMBER.pack(len(text)) + text + b"\0"


def test_what_is_written_is_read_again() -> None:
    header, body = parts(write_message(CALL, 5))
    assert header.fixed.serial == 5
    assert header.interactive
    assert header.wants_reply
    assert (header.text(wire.PATH), header.text(wire.MEMBER)) == ("/org/kdumpd1", "Rescan")
    assert (header.text(wire.SIGNATURE), header.sender) == ("sav", "")
    assert read_body(header, body) == ["a", [7, ["b"]]]


@pytest.mark.parametrize(
    ("signature", "values"),
    [
        ("", []),
        ("ybnqiuxtd", [1, True, -2, 3, -4, 5, -6, 7, 8.5]),
        ("a{sv}", [{"a": OtherVariant("a(ss)", [["b", "c"]])}]),
        ("sa{sv}as", ["a", {"b": OtherVariant("v", OtherVariant("o", "/c"))}, ["d"]]),
        ("oaygh", ["/", b"\0\xff", "a{sv}", 0]),
    ],
)
def test_another_library_writes_what_is_read(signature: str, values: list[Any]) -> None:
    other = OtherMessage(
        path="/",
        member="Any",
        message_type=OtherType.METHOD_CALL,
        signature=signature,
        body=values,
        serial=9,
    )
    header, body = parts(bytes(other._marshall()))
    assert header.text(wire.SIGNATURE) == signature
    assert read_body(header, body) == [without_variants(value) for value in values]


def without_variants(value: Any) -> Any:  # noqa: ANN401  # any D-Bus value
    if isinstance(value, OtherVariant):
        return without_variants(value.value)
    if isinstance(value, dict):
        return {key: without_variants(inner) for key, inner in value.items()}
    return [without_variants(one) for one in value] if isinstance(value, list) else value


def test_big_endian() -> None:
    fields = b"\7\1s\0" + struct.pack(">I", 3) + b":1.2"[:3] + b"\0" + bytes(5)
    fields = fields[:12] + bytes(4) + b"\x08\1g\0\1u\0"
    data = struct.pack(">BBBBIII", ord("B"), wire.SIGNAL, 0, 1, 4, 77, len(fields)) + fields
    header, body = parts(data + bytes(-len(fields) % 8) + struct.pack(">I", 8))
    assert (header.fixed.serial, header.sender) == (77, ":1.")
    assert read_body(header, body) == [8]


def test_flags_that_are_not_known_are_ignored() -> None:
    message = bytearray(write_message(CALL, 1))
    message[2] = 0xFE
    header, body = parts(bytes(message))
    assert header.wants_reply
    assert read_body(header, body)
    message[2] = 0xFF
    assert not parts(bytes(message))[0].wants_reply


@pytest.mark.parametrize(
    "unknown",
    [
        text_field(42, "s", b"later"),
        bytes([42, 1]) + b"u\0" + NUMBER.pack(7),
        bytes([200, 1]) + b"y\0\1",
        bytes([255, 1]) + b"t\0" + bytes(4) + bytes(8),
        bytes([10, 1]) + b"g\0\1s\0",
    ],
)
def test_fields_that_are_not_known_are_passed_over(unknown: bytes) -> None:
    member = text_field(wire.MEMBER, "s", b"Ping")
    for fields in ((unknown, member), (member, unknown)):
        header, _ = parts(with_fields(*fields))
        assert header.text(wire.MEMBER) == "Ping"


@pytest.mark.parametrize(
    "field",
    [
        bytes([42, 1]) + b"v\0\1s\0",  # how long it is would take to read it
        bytes([42, 2]) + b"as",
        text_field(wire.MEMBER, "o", b"Ping"),  # of another type than it has
        bytes([wire.REPLY_SERIAL, 1]) + b"s\0",
        text_field(wire.MEMBER, "s", b"\xff"),
        text_field(wire.MEMBER, "s", b"Ping")[:-1] + b"x",
        bytes([wire.MEMBER, 1]) + b"s\0" + NUMBER.pack(2**32 - 1),
        bytes([wire.MEMBER]),
    ],
)
def test_field_that_cannot_be_read(field: bytes) -> None:
    with pytest.raises(WireError):
        parts(with_fields(field))


@pytest.mark.parametrize("start", [b"x\1\0\1", b"l\1\0\2", b"\0\0\0\0"])
def test_no_message_begins_so(start: bytes) -> None:
    with pytest.raises(WireError, match="no message begins with"):
        read_fixed_header(start + bytes(12))


def test_longer_than_a_message_may_be() -> None:
    with pytest.raises(WireError, match="a message of 134217729 bytes"):
        read_fixed_header(struct.pack("<BBBBIII", ord("l"), 1, 0, 1, 128 << 20, 1, 1))


@pytest.mark.parametrize(
    ("signature", "body"),
    [("{", b"1234"), ("\0", b"1"), ("s", b"\1\0\0\0\xff\0"), ("v", b"\1")],
)
def test_body_that_cannot_be_read(signature: str, body: bytes) -> None:
    header = Header(read_fixed_header(with_fields()[:16]), {wire.SIGNATURE: signature})
    with pytest.raises(WireError):
        read_body(header, body)
    with pytest.raises(WireError, match="its body of 0 bytes is too long"):
        read_body(header, None)


@given(st.binary(max_size=200), st.sampled_from([ord("l"), ord("B"), 0]))
def test_any_bytes_are_a_header_or_none(data: bytes, order: int) -> None:
    start = bytes([order, 1, 0, 1]) + bytes(8) + NUMBER.pack(len(data))
    try:
        header = read_header(read_fixed_header(start), data)
    except WireError:
        return
    assert set(header.fields) <= set(range(256))


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), max_size=6))
def test_a_header_with_wrong_bytes(changes: list[tuple[int, int]]) -> None:
    message = bytearray(write_message(CALL, 1))
    for at, byte in changes:
        message[at % len(message)] = byte
    try:
        fixed = read_fixed_header(bytes(message[:FIXED_HEADER_BYTES]))
        header = read_header(fixed, bytes(message[FIXED_HEADER_BYTES:][: fixed.fields_bytes]))
    except WireError:
        return
    assert header.text(wire.MEMBER) in header.fields.values() or not header.text(wire.MEMBER)


@pytest.mark.parametrize(
    ("address", "places"),
    [
        ("unix:path=/run/bus", ["/run/bus"]),
        ("unix:abstract=/tmp/a%2c,guid=1", [b"\0/tmp/a,"]),
        ("unix:path=/a;unix:path=/b", ["/a", "/b"]),
    ],
)
def test_addresses(address: str, places: list[str | bytes]) -> None:
    assert list(socket_addresses(address)) == places


@pytest.mark.parametrize("address", ["", "tcp:host=localhost,port=1", "unix:", "nothing"])
def test_no_address(address: str) -> None:
    with pytest.raises(BusError):
        list(socket_addresses(address))
