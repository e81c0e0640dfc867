# SPDX-License-Identifier: GPL-2.0-or-later
"""Strangers who send the daemon as much as a bus lets them."""

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbus_fast import Message, MessageFlag, MessageType

from tests.support.process import BOUND, as_uid, end, program
from tests.support.traps import NOBODY

SCRIPT = Path(__file__).with_name("flood_client.py")
WITHOUT_END = 1 << 30  # messages
WINDOW = 100  # calls that wait for an answer; dbus-daemon lets a client wait for 128
MANAGER = "org.kdumpd1.Manager"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """What a stranger sends."""

    interface: str
    member: str
    signature: str = ""
    body: tuple[Any, ...] = ()
    signal: bool = False
    silent: bool = False  # a call that wants no answer

    @property
    def answered(self) -> bool:
        """Whether each is answered."""
        return not (self.signal or self.silent)

    def message(self, destination: str) -> bytes:
        """Return it as it goes to the socket."""
        kind = MessageType.SIGNAL if self.signal else MessageType.METHOD_CALL
        message = Message(
            destination=destination,
            path="/org/kdumpd1",
            interface=self.interface,
            member=self.member,
            message_type=kind,
            flags=MessageFlag.NO_REPLY_EXPECTED if self.silent else MessageFlag.NONE,
            signature=self.signature,
            body=list(self.body),
            serial=1,
        )
        return bytes(message._marshall(False))  # noqa: FBT003 - no public way to its bytes


OBJECTS = Sort(interface="org.freedesktop.DBus.ObjectManager", member="GetManagedObjects")
PROPERTIES = Sort(
    interface="org.freedesktop.DBus.Properties", member="GetAll", signature="s", body=(MANAGER,)
)
LOOKS = Sort(interface=MANAGER, member="Rescan")
SORTS = {
    "properties": PROPERTIES,
    "objects": OBJECTS,
    "looks": LOOKS,
    "refused": Sort(interface=MANAGER, member="AcknowledgeAll"),
    "unknown": Sort(interface="org.example.None", member="Explode"),
    "large": Sort(interface=MANAGER, member="Rescan", signature="s", body=("x" * 200_000,)),
    "signals": Sort(interface=MANAGER, member="CrashReported", signal=True),
    "silent": Sort(interface=MANAGER, member="Rescan", silent=True),
    "silent-objects": Sort(interface=OBJECTS.interface, member=OBJECTS.member, silent=True),
}


@dataclass(slots=True)
class Flood:
    """A stranger at work."""

    process: Process
    sent: int = 0
    answers: int = 0

    async def until_done(self) -> None:
        """Return once all is sent, and answered."""
        assert await self.process.wait() == 0

    async def read(self) -> None:
        """Take note of what came of it, until it ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.sent, self.answers = (int(word) for word in line.split())


@asynccontextmanager
async def flooded(
    address: str, sort: Sort, destination: str, *, count: int = WITHOUT_END, uid: int = NOBODY
) -> AsyncIterator[Flood]:
    """Have somebody, a stranger, send so many messages of a sort while the context lasts."""
    process = await asyncio.create_subprocess_exec(
        *(*as_uid(uid), *BOUND, program("python3", "python3"), "-c", SCRIPT.read_text()),
        *(address.removeprefix("unix:path="), str(count), str(WINDOW if sort.answered else 0)),
        stdin=PIPE,
        stdout=PIPE,
        cwd="/",
    )
    flood = Flood(process)
    assert process.stdin is not None
    process.stdin.write(sort.message(destination))
    process.stdin.close()
    reader = asyncio.create_task(flood.read())
    try:
        yield flood
    finally:
        await end(process)
        await reader
