# SPDX-License-Identifier: GPL-2.0-or-later
"""Send a service messages that hardly any library would write; say how many of them it answered.

Its text is given to Python as an argument, as other users may not be able to read this file.
Arguments: path of the bus's socket, the service's name, a seed, how many messages, how many a
second (0: as many as are taken). Prints "sent answered" at the end. A bus that hangs up, as it does
on what breaks the specification, is connected to again.
"""

import array
import os
import random
import select
import socket
import struct
import sys
import time
from contextlib import suppress

HELLO = (
    b"l\1\0\1\0\0\0\0\1\0\0\0n\0\0\0\1\1o\0\25\0\0\0/org/freedesktop/DBus\0\0\0"
    b"\6\1s\0\24\0\0\0org.freedesktop.DBus\0\0\0\0\2\1s\0\24\0\0\0org.freedesktop.DBus\0\0\0\0"
    b"\3\1s\0\5\0\0\0Hello\0\0\0"
)
PATHS = ("/org/kdumpd1", "/", "/org/kdumpd1/capture/0", "/org/freedesktop/DBus", "/" + "a" * 5000)
INTERFACES = (
    *("org.kdumpd1.Manager", "org.freedesktop.DBus.Peer", "org.freedesktop.DBus.Properties", ""),
    *("org.freedesktop.DBus.ObjectManager", "org.freedesktop.DBus.Introspectable", "a.b"),
)
MEMBERS = ("Ping", "Rescan", "GetAll", "Get", "GetManagedObjects", "Introspect", "CrashReported")
SIGNATURES = ("", "s", "ss", "v", "av", "a{sv}", "aav", "(sv)", "h", "ay", "t", "a(ssss)", "as")
CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
LARGE = 4 << 20  # bytes
PING = 2_000_000_000  # the serial of a call that is waited for
PINGED = b"\5\1u\0" + struct.pack("<I", PING)
AT_ONCE = 50  # dbus-daemon lets one wait for 128 answers
PATIENCE = 60.0  # seconds


class Body:
    """Values as bytes."""

    def __init__(self, chance: random.Random, order: str) -> None:
        self.chance, self.order, self.data = chance, order, bytearray()

    def align(self, size: int) -> None:
        self.data += bytes(-len(self.data) % size)

    def put(self, kind: str, size: int, number: float) -> None:
        self.align(size)
        self.data += struct.pack(self.order + kind, number)

    def text(self, text: bytes) -> None:
        self.put("I", 4, len(text))
        self.data += text + b"\0"

    def signature(self, signature: bytes) -> None:
        self.data += bytes([len(signature)]) + signature + b"\0"

    def values(self, signature: str, depth: int = 0) -> None:
        while signature:
            one, signature = first(signature)
            self.value(one, depth)

    def value(self, signature: str, depth: int) -> None:
        kind = signature[0]
        sizes = {"y": "B", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d"}
        if kind in sizes:
            self.put(sizes[kind], struct.calcsize("=" + sizes[kind]), self.chance.randrange(100))
        elif kind in "bh":
            self.put("I", 4, 0)
        elif kind in "so":
            self.text(b"/" if kind == "o" else "a\u00e4\n".encode() * self.chance.randrange(3))
        elif kind == "g":
            self.signature(b"a{sv}")
        elif kind == "v":
            deeper = depth < 30 and self.chance.random() < 0.7
            inner = "v" if deeper else self.chance.choice(["s", "as", "(yv)", "a{qv}", "t"])
            self.signature(inner.encode())
            self.value(inner, depth + 1)
        elif kind == "a":
            self.items(signature[1:], depth)
        else:  # a struct, or the entry of a dict
            self.align(8)
            self.values(signature[1:-1], depth + 1)

    def items(self, signature: str, depth: int) -> None:
        self.put("I", 4, 0)
        place = len(self.data) - 4
        if signature[0] in "xtd({":
            self.align(8)
        start = len(self.data)
        for _ in range(self.chance.randrange(4) if depth < 20 else 0):
            self.value(signature, depth + 1)
        struct.pack_into(self.order + "I", self.data, place, len(self.data) - start)


def first(signature: str) -> tuple[str, str]:
    """Return the first complete type of a signature, and what follows it."""
    end = 0
    while signature[end] == "a":
        end += 1
    open_ = 0
    while True:
        open_ += (signature[end] in "({") - (signature[end] in ")}")
        end += 1
        if not open_:
            return signature[:end], signature[end:]


def fields_of(chance: random.Random, body: Body, service: str, signature: str) -> bytes:
    kind, order = chance.choice((CALL, CALL, CALL, SIGNAL)), body.order
    fields = [(1, "o", chance.choice(PATHS).encode()), (3, "s", chance.choice(MEMBERS).encode())]
    fields.append((6, "s", service.encode()))
    interface = chance.choice(INTERFACES) or ("a.b" if kind == SIGNAL else "")
    if interface:
        fields.append((2, "s", interface.encode()))
    if signature:
        fields.append((8, "g", signature.encode()))
    if chance.random() < 0.5:  # later ones
        codes = chance.sample(range(10, 256), chance.randrange(1, 40))
        fields += [(code, chance.choice("sguytv"), b"later") for code in codes]
    chance.shuffle(fields)
    header = Body(chance, order)
    for code, type_, text in fields:
        header.align(8)
        header.data += bytes([code, 1]) + type_.encode() + b"\0"
        if type_ in "so":
            header.text(text)
        elif type_ == "g":
            header.signature(text if code == 8 else b"as")
        else:
            header.value(type_, 28)
    return bytes([kind]) + bytes(header.data)


def to(service: str, interface: str, member: str) -> list[tuple[int, str, str]]:
    """Return the fields of a header that say where a message goes."""
    fields = [(1, "o", "/org/kdumpd1"), (3, "s", member), (6, "s", service)]
    return [*fields, (2, "s", interface)]


def framed(
    kind: int, flags: int, serial: int, fields: list[tuple[int, str, str]], body: Body
) -> bytes:
    """Return a message with these fields in its header."""
    header = Body(body.chance, "<")
    for code, type_, text in fields:
        header.align(8)
        header.data += bytes([code, 1]) + type_.encode() + b"\0"
        header.signature(text.encode()) if type_ == "g" else header.text(text.encode())
    sizes = len(body.data), serial, len(header.data)
    start = struct.pack("<BBBBIII", ord("l"), kind, flags, 1, *sizes)
    return start + header.data + bytes(-len(header.data) % 8) + body.data


def ping(service: str) -> bytes:
    """Return a call that is answered after all that were sent before it."""
    empty = Body(random.Random(), "<")  # noqa: S311  # is not asked
    return framed(CALL, 0, PING, to(service, "org.freedesktop.DBus.Peer", "Ping"), empty)


def first_large(service: str) -> bytes:
    """Return a call whose body is as long as dbus-daemon lets one be, about."""
    body = Body(random.Random(), "<")  # noqa: S311  # is not asked
    body.put("I", 4, 28 << 20)
    body.data += b"\1y\0\0" * (7 << 20)
    return framed(CALL, 0, 2, [*to(service, "org.kdumpd1.Manager", "Rescan"), (8, "g", "av")], body)


def silent(service: str) -> bytes:
    """Return a call that wants no answer."""
    body = Body(random.Random(), "<")  # noqa: S311  # is not asked
    body.text(b"org.kdumpd1.Manager")
    fields = [*to(service, "org.freedesktop.DBus.Properties", "GetAll"), (8, "g", "s")]
    return framed(CALL, 1, 2, fields, body)


def spoiled(chance: random.Random, data: bytes) -> bytes:
    """Return a message that the bus hangs up on, most often."""
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 4)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def message(chance: random.Random, service: str, serial: int) -> bytes:
    order = chance.choice("<<<>")
    body = Body(chance, order)
    signature = chance.choice(SIGNATURES)
    if chance.random() < 0.002:
        signature = "ay"
        body.put("I", 4, LARGE)
        body.data += bytes(LARGE)
    else:
        body.values(signature)
    kind, *fields = fields_of(chance, body, service, signature)
    flags = chance.choice((0, 0, 1, 2, 3, 4, 7, chance.randrange(256)))
    data = bytearray(b"l" if order == "<" else b"B") + bytes([kind, flags, 1])
    data += struct.pack(order + "III", len(body.data), serial, len(fields)) + bytes(fields)
    data += bytes(-len(data) % 8) + body.data
    return bytes(data)


class Client:
    """Somebody on the bus who sends what he likes."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.answered = 0
        self.pinged = False
        self.begin()

    def begin(self) -> None:
        self.came = bytearray()
        self.bus = socket.socket(socket.AF_UNIX)
        self.bus.connect(self.path)
        uid = str(os.geteuid()).encode().hex().encode()
        self.bus.sendall(b"\0AUTH EXTERNAL " + uid + b"\r\n")
        assert self.bus.recv(100).startswith(b"OK")
        self.bus.sendall(b"NEGOTIATE_UNIX_FD\r\n")
        assert self.bus.recv(100).startswith(b"AGREE")
        self.bus.sendall(b"BEGIN\r\n" + HELLO)
        self.bus.settimeout(20.0)

    def send(self, data: bytes) -> None:
        try:
            self.bus.sendall(data)
            self.read()
        except OSError:
            self.bus.close()
            self.begin()

    def wait(self, service: str) -> None:
        """Return once the service has answered all that was sent."""
        self.pinged, asked = False, None
        end = time.monotonic() + PATIENCE
        while not self.pinged and time.monotonic() < end:
            if asked is not self.bus:  # the bus may have hung up for something sent before
                asked = self.bus
                self.send(ping(service))
            self.send(b"")
            time.sleep(0.001)
        assert self.pinged

    def read(self) -> None:
        """Count the answers that are not the bus's own."""
        while select.select([self.bus], [], [], 0)[0]:
            data = self.bus.recv(1 << 20)
            if not data:
                raise ConnectionResetError
            self.came += data
        at = 0
        while len(self.came) - at >= 16:
            order = "<" if self.came[at] == ord("l") else ">"
            body, _, fields = struct.unpack_from(order + "III", self.came, at + 4)
            end = at + 16 + (fields + 7) // 8 * 8 + body
            if end > len(self.came):
                break
            ours = b"\7\1s\0\x14\0\0\0org.freedesktop.DBus" not in self.came[at:end]
            self.answered += ours and self.came[at + 1] in (RETURN, ERROR)
            self.pinged |= PINGED in self.came[at:end]
            at = end
        del self.came[:at]


def once(path: str, data: bytes, descriptors: list[int]) -> None:
    """Send a message over a connection of its own."""
    client = Client(path)
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
    with suppress(OSError):
        client.bus.sendmsg([data], rights if descriptors else [])
        client.bus.shutdown(socket.SHUT_WR)
        client.bus.recv(100)
    client.bus.close()


def main(path: str, service: str, seed: int, count: int, a_second: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # no secret: a run is to be repeated by its seed
    client = Client(path)
    bait = os.open("/dev/null", os.O_RDONLY)
    began = time.monotonic()
    for number in range(count):
        data = message(chance, service, number + 2)
        if chance.random() < 0.1:
            once(path, spoiled(chance, data), [])
        elif chance.random() < 0.05:  # descriptors of which the header does not speak
            once(path, data, [bait] * chance.randrange(1, 5))
        else:
            client.send(data)
        if number % AT_ONCE == 0:
            client.wait(service)
        if a_second:
            time.sleep(max(0.0, began + (number + 1) / a_second - time.monotonic()))
    client.wait(service)
    print(count, client.answered, flush=True)  # noqa: T201 - read by who started it


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
