# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages as bytes (D-Bus specification, "Message Protocol"): the one user of the D-Bus library.

The header of a message that comes is read here, and its body by the library. dbus-fast 1.84.2 and
2.44.1, which Debian 12 and 13 have, end with an error at flags and header fields that they do not
know, and D-Bus asks to ignore those.
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, NamedTuple

from dbus_fast import Message, MessageFlag, MessageType, Variant

# There is no public way to read a message without the library's own socket.
from dbus_fast._private.address import parse_address
from dbus_fast._private.unmarshaller import Unmarshaller
from dbus_fast.errors import InvalidAddressError

from kdumpd.dbus.messages import BusError

FIXED_HEADER_BYTES = 16  # up to the header's fields, with their length
MAX_MESSAGE_BYTES = 128 << 20
PROTOCOL_VERSION = 1
LITTLE_ENDIAN_START, BIG_ENDIAN_START = (ord("l"), PROTOCOL_VERSION), (ord("B"), PROTOCOL_VERSION)
LITTLE_ENDIAN_HEADER, BIG_ENDIAN_HEADER = struct.Struct("<xBBxIII"), struct.Struct(">xBBxIII")
LITTLE_ENDIAN_NUMBER, BIG_ENDIAN_NUMBER = (
    struct.Struct("<I").unpack_from,
    struct.Struct(">I").unpack_from,
)

METHOD_CALL, METHOD_RETURN, ERROR, SIGNAL = 1, 2, 3, 4
NO_REPLY_EXPECTED, NO_AUTO_START, ALLOW_INTERACTIVE_AUTHORIZATION = 1, 2, 4

PATH, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, _, SENDER, SIGNATURE, UNIX_FDS = range(1, 10)
FIELD_TYPES = dict(zip(range(1, 10), b"osssussgu", strict=True))
TEXT_TYPES, SIGNATURE_TYPE, NUMBER_TYPE = frozenset(b"so"), ord("g"), ord("u")
FIXED_SIZES = dict(zip(b"ybnqiuxtdh", (1, 4, 2, 2, 4, 4, 8, 8, 8, 4), strict=True))

Field = str | int | None
Unpack = Callable[[bytes, int], tuple[int, ...]]


class WireError(Exception):
    """These bytes are no message; the text says what is wrong."""


class FixedHeader(NamedTuple):
    """What the first bytes of each message say."""

    byte_order: str  # as struct writes it
    kind: int
    flags: int
    serial: int
    body_bytes: int
    fields_bytes: int

    @property
    def header_bytes(self) -> int:
        """Return how long the whole header is."""
        return FIXED_HEADER_BYTES + (self.fields_bytes + 7) // 8 * 8


class Header(NamedTuple):
    """The header of a message: who sends what to whom."""

    fixed: FixedHeader
    fields: Mapping[int, Field]

    def text(self, field: int) -> str:
        """Return a field that is a text, empty where the header has none."""
        return str(self.fields.get(field) or "")

    def number(self, field: int) -> int:
        """Return a field that is a number, 0 where the header has none."""
        return int(self.fields.get(field) or 0)

    @property
    def sender(self) -> str:
        """Return the unique name of who sends it: the bus sees to it that it is true."""
        return self.text(SENDER)

    @property
    def wants_reply(self) -> bool:
        """Return whether whoever calls waits for an answer."""
        return not self.fixed.flags & NO_REPLY_EXPECTED

    @property
    def interactive(self) -> bool:
        """Return whether whoever calls waits while a person is asked for a password."""
        return bool(self.fixed.flags & ALLOW_INTERACTIVE_AUTHORIZATION)


def read_fixed_header(data: bytes | bytearray, at: int = 0) -> FixedHeader:
    """Return what the FIXED_HEADER_BYTES there say; WireError where no message begins so."""
    start = data[at], data[at + 3]
    if start == LITTLE_ENDIAN_START:
        byte_order, unpack = "<", LITTLE_ENDIAN_HEADER.unpack_from
    elif start == BIG_ENDIAN_START:
        byte_order, unpack = ">", BIG_ENDIAN_HEADER.unpack_from
    else:
        raise WireError(f"no message begins with {bytes(data[at : at + 4])!r}")
    kind, flags, body_bytes, serial, fields_bytes = unpack(data, at)
    if body_bytes + fields_bytes > MAX_MESSAGE_BYTES:
        raise WireError(f"a message of {body_bytes + fields_bytes} bytes")
    return FixedHeader(byte_order, kind, flags, serial, body_bytes, fields_bytes)


def read_header(fixed: FixedHeader, data: bytes) -> Header:
    """Return the header, whose fields are these bytes; WireError where they cannot be read.

    Fields that are not known are passed over, as far as their type tells how long they are.
    """
    unpack = LITTLE_ENDIAN_NUMBER if fixed.byte_order == "<" else BIG_ENDIAN_NUMBER
    fields: dict[int, Field] = {}
    at, end = 0, len(data)
    try:
        while at < end:
            at += -at & 7
            code, type_ = data[at], data[at + 2]
            if FIELD_TYPES.get(code, type_) != type_ or data[at + 1] != 1 or data[at + 3]:
                raise WireError(f"header field {code} is of type {data[at + 1 : at + 4]!r}")
            at += 4
            if type_ in TEXT_TYPES:
                start = at + 4
                at = start + unpack(data, at)[0]
            elif type_ == SIGNATURE_TYPE:
                start = at + 1
                at = start + data[at]
            else:
                fields[code], at = _read_fixed(data, at, type_, unpack)
                continue
            fields[code] = str(data[start:at], "utf-8")
            if data[at]:
                raise WireError(f"the text of header field {code} has no end")
            at += 1
    except (IndexError, ValueError, struct.error) as error:
        raise WireError(f"header field: {error}") from error
    return Header(fixed, fields)


def _read_fixed(data: bytes, at: int, type_: int, unpack: Unpack) -> tuple[Field, int]:
    """Return the number there, where it is of a type that is wanted, and where it ends."""
    size = FIXED_SIZES.get(type_)
    if size is None:
        raise WireError(f"a header field of type {chr(type_)}")
    at += -at % size
    return unpack(data, at)[0] if type_ == NUMBER_TYPE else None, at + size


def read_body(header: Header, body: bytes | None) -> list[Any]:
    """Return the values in a message's body, without variants; WireError where it has others.

    There is no body where it was too long for whoever received it.
    """
    if body is None:
        raise WireError(f"its body of {header.fixed.body_bytes} bytes is too long")
    signature = header.text(SIGNATURE).encode()
    if not signature or not body:
        return []
    order = header.fixed.byte_order
    field = bytes([SIGNATURE, 1, ord("g"), 0, len(signature)]) + signature + b"\0"
    start = struct.pack(
        order + "BBBBIII",
        *(ord("l" if order == "<" else "B"), SIGNAL, 0, PROTOCOL_VERSION),
        *(len(body), 1, len(field)),
    )
    message = start + field + bytes(-len(field) % 8) + body
    try:
        read = Unmarshaller(BytesIO(message)).unmarshall()  # type: ignore[arg-type]  # needs read() only
        values = read.body  # type: ignore[union-attr]  # None is an error like any other here
    except Exception as error:  # the edge: the library fails by what it trips over
        raise WireError(f"{type(error).__name__}: {error}") from error
    return [plain(value) for value in values]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message to send."""

    kind: int
    flags: int = 0
    path: str = ""
    interface: str = ""
    member: str = ""
    error_name: str = ""
    reply_serial: int = 0
    destination: str = ""
    signature: str = ""
    body: Sequence[Any] = ()
    descriptors: tuple[int, ...] = ()  # the sender's to close; a value of type h is a place here


def write_message(outgoing: Outgoing, serial: int) -> bytes:
    """Return the message as it goes to the socket, without its descriptors."""
    body = list(outgoing.body)
    message = Message(
        message_type=MessageType(outgoing.kind),
        flags=MessageFlag(outgoing.flags),
        path=outgoing.path or None,
        interface=outgoing.interface or None,
        member=outgoing.member or None,
        error_name=outgoing.error_name or None,
        reply_serial=outgoing.reply_serial,
        destination=outgoing.destination or None,
        signature=outgoing.signature,
        body=_in_ascii(body) if COUNTS_CHARACTERS else body,
        unix_fds=list(outgoing.descriptors),
        serial=serial,
    )
    return bytes(message._marshall(True))  # noqa: SLF001, FBT003  # no public way to its bytes


def variant(signature: str, value: Any) -> Variant:  # noqa: ANN401  # any D-Bus value
    """Return a value with its type, as a{sv} and v want it."""
    return Variant(signature, value)


def plain(value: Any) -> Any:  # noqa: ANN401  # any D-Bus value
    """Return the value without the variants around it and inside."""
    if isinstance(value, Variant):
        return plain(value.value)
    if isinstance(value, bytearray):  # dbus-fast 1.84's byte strings
        return bytes(value)
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):  # a struct is the one or the other, by the version
        return [plain(inner) for inner in value]
    return value


def socket_addresses(address: str) -> Iterator[str | bytes]:
    """Yield where the sockets of a bus address are, as the socket module writes it.

    BusError where the address is none, or has no socket of this machine.
    """
    try:
        places = parse_address(address)
    except InvalidAddressError as error:
        raise BusError(str(error)) from error
    for transport, options in places:
        if transport == "unix" and "path" in options:
            yield options["path"]
        elif transport == "unix" and "abstract" in options:
            yield b"\0" + options["abstract"].encode()
        else:
            raise BusError("the address is neither unix:path=… nor unix:abstract=…")


def _counts_characters() -> bool:
    """Return whether the library gives a string's length in characters instead of bytes.

    dbus-fast 1.84.2 of Debian 12 does, and the bus hangs up on whoever sends that.
    """
    text = "\N{LATIN SMALL LETTER A WITH DIAERESIS}"
    message = Message(
        message_type=MessageType.SIGNAL,
        path="/",
        interface="org.kdumpd1",
        member="Probe",
        signature="s",
        body=[text],
        serial=1,
    )
    sent = bytes(message._marshall(False))  # noqa: SLF001, FBT003  # no public way to its bytes
    return not sent.endswith(b"\2\0\0\0" + text.encode() + b"\0")


COUNTS_CHARACTERS = _counts_characters()


def _in_ascii(value: Any) -> Any:  # noqa: ANN401  # any D-Bus value
    """Return the value with everything in its texts escaped that is not ASCII."""
    if isinstance(value, str):
        return value.encode("ascii", "backslashreplace").decode("ascii")
    if isinstance(value, Variant):
        return Variant(value.signature, _in_ascii(value.value))
    if isinstance(value, dict):
        return {_in_ascii(key): _in_ascii(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_in_ascii(inner) for inner in value]
    return value
