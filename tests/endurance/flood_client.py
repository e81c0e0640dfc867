# SPDX-License-Identifier: GPL-2.0-or-later
"""Send one message again and again, as fast as it is taken; say each second what came of it.

Its text is given to Python as an argument, as other users may not be able to read this file.
Arguments: path of the bus's socket, how many messages, how many may wait for an answer (0: none
gets one). The message is stdin, with any serial. Prints "sent answers" after each second, and when
all is done; a bus that hangs up is connected to again.
"""

import os
import select
import socket
import struct
import sys
import time

HEADER = 16  # bytes, up to the length of the header's fields
HELLO = (
    b"l\1\0\1\0\0\0\0\1\0\0\0n\0\0\0\1\1o\0\25\0\0\0/org/freedesktop/DBus\0\0\0"
    b"\6\1s\0\24\0\0\0org.freedesktop.DBus\0\0\0\0\2\1s\0\24\0\0\0org.freedesktop.DBus\0\0\0\0"
    b"\3\1s\0\5\0\0\0Hello\0\0\0"
)
AT_ONCE = 64  # messages in one write
PATIENCE = 120.0  # seconds for the last answers


def connect(path: str) -> socket.socket:
    bus = socket.socket(socket.AF_UNIX)
    bus.connect(path)
    uid = str(os.geteuid()).encode().hex().encode()
    bus.sendall(b"\0AUTH EXTERNAL " + uid + b"\r\n")
    assert bus.recv(100).startswith(b"OK")
    bus.sendall(b"BEGIN\r\n" + HELLO)
    bus.settimeout(0)
    return bus


def count(data: bytearray) -> int:
    """Take the whole messages out of what came, and return how many were answers."""
    at = answers = 0
    while len(data) - at >= HEADER:
        order = "<" if data[at] == ord("l") else ">"
        body, _, fields = struct.unpack_from(order + "III", data, at + 4)
        end = at + HEADER + (fields + 7) // 8 * 8 + body
        if end > len(data):
            break
        answers += data[at + 1] in (2, 3)  # METHOD_RETURN, ERROR
        at = end
    del data[:at]
    return answers


class Flood:
    def __init__(self, path: str, message: bytes, window: int) -> None:
        self.path, self.message, self.window = path, bytearray(message), window
        self.sent = self.answers = 0
        self.begin()

    def begin(self) -> None:
        self.bus = connect(self.path)
        self.came, self.going = bytearray(), b""
        self.waiting, self.answers = 1, self.answers - 1  # Hello is answered, too

    def step(self, most: int) -> None:
        room = most - self.sent
        if self.window:
            room = min(room, self.window - self.waiting)
        if not self.going and room > 0:
            for _ in range(min(room, AT_ONCE)):
                self.sent += 1
                struct.pack_into("<I", self.message, 8, self.sent + 1)
                self.going += self.message
            self.waiting += min(room, AT_ONCE) if self.window else 0
        want = [self.bus] if self.going else []
        readable, writable, _ = select.select([self.bus], want, [], 0.1)
        try:
            if writable:
                self.going = self.going[self.bus.send(self.going) :]
            if readable:
                data = self.bus.recv(1 << 20)
                if not data:
                    raise ConnectionResetError
                self.came += data
                answers = count(self.came)
                self.answers += answers
                self.waiting -= answers
        except OSError:
            self.bus.close()
            self.begin()


def main(path: str, most: int, window: int) -> None:
    flood = Flood(path, sys.stdin.buffer.read(), window)
    told, end = time.monotonic(), 0.0
    while not end or (window and flood.waiting > 0 and time.monotonic() < end):
        flood.step(most)
        if flood.sent >= most and not flood.going and not end:
            end = time.monotonic() + PATIENCE
        if time.monotonic() - told >= 1.0:
            told = time.monotonic()
            print(flood.sent, flood.answers, flush=True)  # noqa: T201 - read by who started it
    print(flood.sent, flood.answers, flush=True)  # noqa: T201 - the same


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
