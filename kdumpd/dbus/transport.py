# SPDX-License-Identifier: GPL-2.0-or-later
"""The socket of a message bus: messages out whole, and messages in, bounded before they are read.

Whoever is on the bus can send what he likes, and a bus takes messages of up to 128 MiB. A message
that is too long is passed over as it comes, and one that is none costs its own bytes alone.
"""

import array
import asyncio
import os
import socket
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

from kdumpd.dbus.messages import BusError
from kdumpd.dbus.wire import (
    FIXED_HEADER_BYTES,
    UNIX_FDS,
    FixedHeader,
    Header,
    WireError,
    read_fixed_header,
    read_header,
    socket_addresses,
)

MAX_HEADER_BYTES = 8 << 10
READ_BYTES = 64 << 10  # in one read
READS_AT_ONCE = 4  # before others on the loop have a turn
MAX_DESCRIPTORS = 253  # in one read (SCM_MAX_FD, include/net/scm.h)
MAX_AUTHENTICATION_LINE_BYTES = 16 << 10
SEND_TIMEOUT_S = 30.0
BACKLOG_WAIT_S = 0.02


class StalledError(BusError):
    """The bus takes nothing: it bounds what it keeps of us for those who do not read it."""


class Receiver(Protocol):
    """What becomes of the messages that come."""

    def max_body_bytes(self, header: Header) -> int:
        """Return how long the body of this message may be."""

    def receive(self, header: Header, body: bytes | None, descriptors: list[int]) -> None:
        """Take a message, whose descriptors are the receiver's; no body where it is too long."""

    def drop(self, reason: str) -> None:
        """Take note that a message was passed over, as nothing can be read of it."""


class Splitter:
    """Takes what comes from a bus apart into messages."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._came = bytearray()
        self._descriptors: deque[int] = deque()  # in the order of the messages that bring them
        self._to_skip = 0  # bytes of a message that is passed over

    def take(self, came: bytes, descriptors: Iterable[int]) -> None:
        """Hand over the messages that are whole now; WireError where none can be told apart."""
        self._came += came
        self._descriptors.extend(descriptors)
        at = 0
        while (used := self._take_one(at)) is not None:
            at += used
        del self._came[:at]

    def close(self) -> None:
        """Close the descriptors of messages that have not come whole."""
        close_all(self._descriptors)
        self._descriptors.clear()

    def _take_one(self, at: int) -> int | None:
        """Return how many bytes were used up, or None when more must come first."""
        available = len(self._came) - at
        if self._to_skip:
            skipped = min(available, self._to_skip)
            self._to_skip -= skipped
            return skipped or None
        if available < FIXED_HEADER_BYTES:
            return None
        fixed = read_fixed_header(self._came, at)
        if fixed.header_bytes > MAX_HEADER_BYTES:
            return self._pass_over(fixed, f"its header has {fixed.header_bytes} bytes")
        if available < fixed.header_bytes:
            return None
        try:
            start = at + FIXED_HEADER_BYTES
            header = read_header(fixed, bytes(self._came[start : start + fixed.fields_bytes]))
        except WireError as error:
            return self._pass_over(fixed, str(error))
        return self._take_body(header, at + fixed.header_bytes, available)

    def _take_body(self, header: Header, at: int, available: int) -> int | None:
        fixed = header.fixed
        end = at + fixed.body_bytes
        if fixed.body_bytes > self._receiver.max_body_bytes(header):
            self._to_skip = fixed.header_bytes + fixed.body_bytes
            self._receiver.receive(header, None, self._take_descriptors(header))
            return 0
        if available < fixed.header_bytes + fixed.body_bytes:
            return None
        self._receiver.receive(header, bytes(self._came[at:end]), self._take_descriptors(header))
        return fixed.header_bytes + fixed.body_bytes

    def _take_descriptors(self, header: Header) -> list[int]:
        if not self._descriptors:
            return []
        most = min(header.number(UNIX_FDS), len(self._descriptors))
        return [self._descriptors.popleft() for _ in range(most)]

    def _pass_over(self, fixed: FixedHeader, reason: str) -> int:
        """Skip a message of which nobody can tell how many of the descriptors are its own."""
        self.close()
        self._to_skip = fixed.header_bytes + fixed.body_bytes
        self._receiver.drop(reason)
        return 0


class Transport:
    """A socket to a bus that has let us in; `lost` is done, with the reason, once it is gone."""

    def __init__(self, bus: socket.socket) -> None:
        self._socket = bus
        self._loop = asyncio.get_running_loop()
        self._splitter: Splitter | None = None
        self._sending = asyncio.Lock()
        self._unsent = memoryview(b"")
        self._unsent_descriptors: list[int] = []
        self._all_sent = asyncio.Event()
        self._all_sent.set()
        self.lost: asyncio.Future[str] = self._loop.create_future()

    def start(self, receiver: Receiver) -> None:
        """Hand the receiver what comes from now on, also after a pause."""
        if self._splitter is None:
            self._splitter = Splitter(receiver)
        if not self.lost.done():
            self._loop.add_reader(self._socket, self._readable, self._splitter)

    def pause(self) -> None:
        """Read nothing until the next start."""
        if not self.lost.done():
            self._loop.remove_reader(self._socket)

    async def send(
        self, data: bytes, descriptors: Iterable[int] = (), stall_s: float = SEND_TIMEOUT_S
    ) -> None:
        """Send a message whole, and close its descriptors; BusError when the bus takes it not.

        StalledError says that the bus took no byte for so many seconds. What is sent in part is
        sent to its end, also when whoever waits for that gives up.
        """
        ours = list(descriptors)
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S), self._sending:
                await self._until_sent(stall_s)
                self._check()
                self._unsent, self._unsent_descriptors, ours = memoryview(data), ours, []
                self._all_sent.clear()
                self._write()
                await self._until_sent(stall_s)
                self._check()
        except TimeoutError as error:
            raise BusError(f"the bus took no message for {SEND_TIMEOUT_S:g} s") from error
        finally:
            close_all(ours)

    def close(self, reason: str) -> None:
        """Leave the bus, for this reason."""
        if self.lost.done():
            return
        self.lost.set_result(reason)
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        if self._splitter is not None:
            self._splitter.close()
        close_all(self._unsent_descriptors)
        self._unsent_descriptors = []
        self._all_sent.set()

    async def _until_sent(self, stall_s: float) -> None:
        while not self._all_sent.is_set():
            before = len(self._unsent)
            with suppress(TimeoutError):
                async with asyncio.timeout(stall_s):
                    await self._all_sent.wait()
            if not self._all_sent.is_set() and len(self._unsent) == before:
                raise StalledError(f"the bus took no byte for {stall_s:g} s")

    def _check(self) -> None:
        if self.lost.done():
            raise BusError(self.lost.result())

    def _write(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[self._send_some() :]
                close_all(self._unsent_descriptors)
                self._unsent_descriptors = []
        except BlockingIOError:
            self._loop.add_writer(self._socket, self._write)
        except OSError as error:
            self.close(f"the bus was lost: {error.strerror}")
        else:
            self._loop.remove_writer(self._socket)
            self._all_sent.set()

    def _send_some(self) -> int:
        if not self._unsent_descriptors:
            return self._socket.send(self._unsent)
        numbers = array.array("i", self._unsent_descriptors)
        return self._socket.sendmsg(
            [self._unsent], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)]
        )

    def _readable(self, splitter: Splitter) -> None:
        try:
            for _ in range(READS_AT_ONCE):
                came, descriptors = self._read()
                splitter.take(came, descriptors)
                if not came:
                    self.close("the bus closed the connection")
                if self.lost.done():
                    return
        except BlockingIOError:
            return
        except OSError as error:
            self.close(f"the bus was lost: {error.strerror}")
        except WireError as error:
            self.close(f"the bus sent what is no message: {error}")

    def _read(self) -> tuple[bytes, list[int]]:
        numbers = array.array("i")
        room = socket.CMSG_SPACE(MAX_DESCRIPTORS * numbers.itemsize)
        came, ancillary, _, _ = self._socket.recvmsg(READ_BYTES, room, socket.MSG_CMSG_CLOEXEC)
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
        return came, numbers.tolist()


async def open_transport(address: str) -> Transport:
    """Return a transport to the bus at the address; OSError, or BusError, when there is none."""
    failure: OSError | None = None
    for place in socket_addresses(address):
        bus = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            await _connect(bus, place)
            await _authenticate(bus)
        except OSError as error:
            bus.close()
            failure = error
        except BaseException:
            bus.close()
            raise
        else:
            return Transport(bus)
    raise failure or BusError(f"'{address}' is no address of a bus")


async def _connect(bus: socket.socket, place: str | bytes) -> None:
    while True:
        try:
            bus.connect(place)
        except BlockingIOError:  # too many wait for the bus to accept them (unix(7), connect(2))
            await asyncio.sleep(BACKLOG_WAIT_S)
        else:
            return


async def _authenticate(bus: socket.socket) -> None:
    """Say who we are (D-Bus specification, "Authentication Protocol"); BusError when refused."""
    uid = str(os.geteuid()).encode().hex()
    for line, agreement in (
        (f"\0AUTH EXTERNAL {uid}", "OK "),
        ("NEGOTIATE_UNIX_FD", "AGREE_UNIX_FD"),
    ):
        answer = await _say(bus, line)
        if not answer.startswith(agreement):
            raise BusError(f"it does not take uid {os.geteuid()}: {answer}")
    await asyncio.get_running_loop().sock_sendall(bus, b"BEGIN\r\n")


async def _say(bus: socket.socket, line: str) -> str:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(bus, line.encode() + b"\r\n")
    answer = b""
    while not answer.endswith(b"\r\n"):
        part = await loop.sock_recv(bus, MAX_AUTHENTICATION_LINE_BYTES)
        answer += part
        if not part or len(answer) > MAX_AUTHENTICATION_LINE_BYTES:
            raise BusError("it closed the connection" if not part else "it does not speak D-Bus")
    return answer.decode("ascii", "replace").strip()


def close_all(descriptors: Iterable[int]) -> None:
    """Close the descriptors."""
    for fd in descriptors:
        os.close(fd)
