# SPDX-License-Identifier: GPL-2.0-or-later
"""A real message bus of our own, by either of the two brokers."""

import asyncio
import os
import signal
import socket
import subprocess
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from pathlib import Path

from tests.support.bus_policy import Policy, configuration
from tests.support.namespace import MOUNTS_AS_SELF
from tests.support.process import BOUND, ServiceError, end, program


class Broker(StrEnum):
    """Who carries the messages."""

    DBUS_DAEMON = "dbus-daemon"
    DBUS_BROKER = "dbus-broker"  # its tests need namespace.needs_root


# dbus-broker-launch wants the listening socket as fd 3, and a socket (anything that takes
# datagrams) at the journal's path, or it exits.
BROKER_SETUP = """
set -e
mount -t tmpfs tmpfs /run/systemd
mkdir /run/systemd/journal
ln -s "$1" /run/systemd/journal/socket
shift
exec 3<&0 </dev/null
LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"
"""


class Bus:
    """A bus that can be lost and come back at the same address."""

    def __init__(self, directory: Path, broker: Broker, policy: Policy, config: str) -> None:
        self.address = f"unix:path={directory / 'bus'}"
        self._socket = directory / "bus"
        self._broker = broker
        self._scope = "system" if policy is Policy.SYSTEM else "user"
        self._config = directory / "bus.conf"
        self._config.write_text(configuration(policy, self._socket, config))
        self._log = directory / "bus.log"
        self._journal: socket.socket | None = None
        self._process: Process | None = None

    def log(self) -> str:
        """Return what the broker has said, for example about a message it denied."""
        return self._log.read_text(errors="replace")

    async def start(self) -> None:
        """Start the broker and wait until it takes a client."""
        if self._process is not None:
            raise ServiceError("the bus runs already")
        self._socket.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            if self._broker is Broker.DBUS_DAEMON:
                self._process = await self._start_dbus_daemon(log.fileno())
            else:
                self._process = await self._start_dbus_broker(log.fileno())
        try:
            await self._until(answers=True)
        except TimeoutError:
            raise ServiceError(f"no bus from {self._broker}: {self.log()}") from None

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the broker, if it runs, and wait until it is gone for its clients as well."""
        process, self._process = self._process, None
        try:
            if process is not None:
                await end(process, number)
                await self._until(answers=False)  # dbus-broker ends a little after its launcher
        finally:
            if self._journal is not None:
                asyncio.get_running_loop().remove_reader(self._journal)
                self._journal.close()
                self._journal = None

    async def restart(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Lose the bus, and every client with it, and have a new one at the same address."""
        await self.stop(number)
        await self.start()

    async def _start_dbus_daemon(self, log: int) -> Process:
        return await asyncio.create_subprocess_exec(
            *BOUND,
            *(program("dbus-daemon", "dbus"), "--nofork", "--nopidfile", "--nosyslog"),
            f"--config-file={self._config}",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )

    async def _start_dbus_broker(self, log: int) -> Process:
        launcher = program("dbus-broker-launch", "dbus-broker")
        journal = self._socket.with_name("log")
        journal.unlink(missing_ok=True)
        self._journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._journal.settimeout(0)
        self._journal.bind(str(journal))
        asyncio.get_running_loop().add_reader(self._journal, self._drain, self._journal)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self._socket))
            self._socket.chmod(0o666)
            listener.listen(128)
            return await asyncio.create_subprocess_exec(
                *MOUNTS_AS_SELF,
                *BOUND,
                *("sh", "-c", BROKER_SETUP, "sh", str(journal)),
                *(launcher, "--config-file", str(self._config), "--scope", self._scope),
                stdin=listener.fileno(),
                stdout=log,
                stderr=log,
                env={
                    "PATH": os.environ["PATH"],
                    # the launcher is a client too, in order to find systemd: of this very bus
                    "DBUS_SYSTEM_BUS_ADDRESS": self.address,
                    "DBUS_SESSION_BUS_ADDRESS": self.address,
                },
            )

    def _drain(self, journal: socket.socket) -> None:
        with self._log.open("ab") as log:
            log.write(journal.recv(1 << 20) + b"\n")

    async def _until(self, *, answers: bool) -> None:
        async with asyncio.timeout(10):
            while await _takes_clients(self._socket) is not answers:
                if self._process is not None and self._process.returncode is not None:
                    raise ServiceError(f"{self._broker} has ended: {self.log()}")
                await asyncio.sleep(0.005)


async def _takes_clients(path: Path) -> bool:
    """Say hello as a client does: a listening socket alone is not yet a bus."""
    try:
        reader, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    try:
        writer.write(b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\r\n")
        return (await reader.readline()).startswith(b"OK ")
    except OSError:
        return False
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def private_bus(
    directory: Path, broker: Broker, policy: Policy = Policy.SESSION, config: str = ""
) -> AsyncIterator[Bus]:
    """Run a bus with its socket in `directory`; `config` is further XML: an include, a limit."""
    bus = Bus(directory, broker, policy, config)
    try:
        await bus.start()
        yield bus
    finally:
        await bus.stop()
