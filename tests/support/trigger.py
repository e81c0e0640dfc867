# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpd-trigger as its users have it, with a pipe in the place of /proc/sysrq-trigger."""

import asyncio
import os
import signal
import sys
import tempfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.support.caller import TRIGGER, TRIGGER_PATH, Caller, caller
from tests.support.daemon import Kdumpd, Setup, running
from tests.support.machine import Machine
from tests.support.message_bus import Broker, Bus
from tests.support.polkit import Polkit, polkit_on, system_bus
from tests.support.process import BOUND, Message, ServiceError, end

# What the unit's drop-in does: the descriptor is moved away from stdout.
PASSING = 'exec 3>&1 1>&2; LISTEN_FDS=1 LISTEN_PID=$$ LISTEN_FDNAMES=sysrq exec "$@"'
PROGRAM = (sys.executable, "-m", "kdumpd.trigger.main")
LIMITED = """
import sys
from kdumpd.trigger.main import TriggerTimeouts, main
from kdumpd.trigger.run import CrashTestTimeouts
sys.exit(main(timeouts=TriggerTimeouts({})))
"""
ENABLED = "[CrashTest]\nEnabled=yes\nCountdownSec=3\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerSetup:
    """How to start the trigger: its options, and what goes before the command."""

    root: Path
    bus: str
    key: str = "c"
    config: str = ENABLED
    program: Sequence[str] = PROGRAM
    passing: str = PASSING
    prefix: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


class Trigger:
    """A running trigger, and the bytes that have come out of its descriptor."""

    def __init__(self, process: Process, pipe: int, directory: Path) -> None:
        self.process = process
        self.config = directory / "kdumpd.conf"
        self._log = directory / "log"
        self._pipe = pipe
        self._seen = b""

    @property
    def log(self) -> str:
        """What it wrote to stdout and stderr."""
        return self._log.read_text(errors="replace")

    @property
    def pressed(self) -> bytes:
        """All bytes that have been written to the descriptor so far."""
        try:
            while piece := os.read(self._pipe, 4096):
                self._seen += piece
        except BlockingIOError:
            pass
        return self._seen

    async def wait_until_pressed(self, seconds: float = 60) -> bytes:
        """Return the bytes once there is one."""
        try:
            async with asyncio.timeout(seconds):
                while not self.pressed:  # noqa: ASYNC110  # asked of the kernel
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise ServiceError(f"nothing is pressed: {self.log}") from None
        return self.pressed

    async def wait_until_logged(self, words: str, seconds: float = 20) -> None:
        """Return once the words stand in its log."""
        try:
            async with asyncio.timeout(seconds):
                while words not in self.log:  # a file has no event
                    if self.process.returncode is not None:
                        break
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pass
        if words not in self.log:
            raise ServiceError(f"'{words}' is not logged: {self.log}")

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it as the service manager does, and return its exit status."""
        return await end(self.process, number)


@asynccontextmanager
async def started_trigger(setup: TriggerSetup) -> AsyncIterator[Trigger]:
    """Run the trigger until the context ends, without waiting for it."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    with tempfile.TemporaryDirectory(prefix="kdumpd-test-") as name:
        directory = Path(name)
        os.chmod(name, 0o755)  # noqa: PTH101, S103 -- other users look into it
        (directory / "kdumpd.conf").write_text(setup.config)
        try:
            with (directory / "log").open("wb") as stderr:
                process = await asyncio.create_subprocess_exec(
                    *setup.prefix,
                    *BOUND,
                    *("sh", "-c", setup.passing, "sh", *setup.program),
                    *("--root", str(setup.root), "--bus", setup.bus, "--key", setup.key),
                    *("--config", str(directory / "kdumpd.conf")),
                    stdin=DEVNULL,
                    stdout=write,
                    stderr=stderr,
                    env={**os.environ, **setup.environment},
                )
        finally:
            os.close(write)
        trigger = Trigger(process, read, directory)
        try:
            yield trigger
        finally:
            # Once the key is pressed it would wait for the crash.
            await trigger.stop(signal.SIGKILL if trigger.pressed else signal.SIGTERM)
            os.close(read)


@asynccontextmanager
async def running_trigger(setup: TriggerSetup) -> AsyncIterator[Trigger]:
    """Run the trigger until the context ends; it has its name on the bus when this begins."""
    async with started_trigger(setup) as trigger:
        await trigger.wait_until_logged("READY: kdumpd-trigger")
        yield trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A machine, kdumpd, polkit and the trigger, on a bus of the system's kind."""

    machine: Machine
    bus: Bus
    polkit: Polkit
    kdumpd: Kdumpd
    trigger: Trigger
    ledger: Path

    @asynccontextmanager
    async def somebody(self, user: str) -> AsyncIterator["Somebody"]:
        """Connect a user."""
        async with caller(self.bus.address, user) as who:
            yield Somebody(who)


class Somebody:
    """A user's connection that asks the trigger."""

    def __init__(self, who: Caller) -> None:
        self.caller = who

    async def call(self, member: str, arguments: str = "", *, interactive: bool = False) -> Message:
        """Return what a method brought."""
        return await self.caller.call(
            TRIGGER_PATH, TRIGGER, member, arguments=arguments, interactive=interactive
        )

    async def error(self, member: str, arguments: str = "", *, interactive: bool = False) -> str:
        """Return the last part of the name of the error that a method brought, empty for none."""
        answer = await self.call(member, arguments, interactive=interactive)
        return str(answer.get("error", "")).removeprefix("org.kdumpd1.Error.")

    async def prepare(self) -> str:
        """Return a token."""
        return str((await self.call("Prepare"))["done"][0])

    async def objections(self) -> dict[str, str]:
        """Return what speaks against a crash: the severity, by code."""
        rows = (await self.call("Prepare"))["done"][1]
        return {code: severity for code, severity, *_ in rows}

    async def ask(self, member: str, arguments: str = "", *, interactive: bool = False) -> None:
        """Call a method without waiting for its answer."""
        await self.caller.ask(
            TRIGGER_PATH, TRIGGER, member, arguments=arguments, interactive=interactive
        )

    async def trigger(self, *overridden: str) -> None:
        """Prepare, and ask for the crash without waiting for an answer."""
        await self.ask("Trigger", arguments(await self.prepare(), *overridden))

    async def state(self) -> str:
        """Return the property State."""
        return str(await self.property("State"))

    async def property(self, name: str) -> object:
        """Return a property."""
        answer = await self.caller.call(
            TRIGGER_PATH,
            "org.freedesktop.DBus.Properties",
            "Get",
            arguments=f"('{TRIGGER}', '{name}')",
        )
        return answer["done"][0]

    async def wait_for(self, state: str, seconds: float = 30) -> None:
        """Return once the property State says this."""
        async with asyncio.timeout(seconds):
            while await self.state() != state:  # noqa: ASYNC110  # asked of another program
                await asyncio.sleep(0.02)


def limited(timeouts: str) -> Sequence[str]:
    """Return the program with other timeouts, as Python has its arguments."""
    return (sys.executable, "-c", LIMITED.format(timeouts))


def arguments(token: str, *overridden: str) -> str:
    """Return Trigger's arguments as GVariant has them in text."""
    codes = ", ".join(f"'{code}'" for code in overridden)
    return f"('{token}', @as [{codes}])"


@asynccontextmanager
async def scene(
    machine: Machine,
    public: Path,
    state: Path,
    broker: Broker = Broker.DBUS_DAEMON,
    daemon_prefix: Sequence[str] = (),
    **options: Any,  # noqa: ANN401  # of TriggerSetup
) -> AsyncIterator[Scene]:
    """Run all that a crash test needs; the options are the trigger's setup."""
    async with system_bus(public, broker) as bus, polkit_on(public, bus) as polkit:
        daemon = Setup(root=machine.root, state=state, bus=bus.address, prefix=daemon_prefix)
        usual = TriggerSetup(root=machine.root, bus=bus.address)
        async with (
            running(daemon) as kdumpd,
            running_trigger(replace(usual, **options)) as trigger,
        ):
            yield Scene(
                machine=machine,
                bus=bus,
                polkit=polkit,
                kdumpd=kdumpd,
                trigger=trigger,
                ledger=daemon.ledger,
            )
