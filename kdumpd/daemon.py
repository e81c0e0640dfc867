# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpd: put the parts together and run them."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

from kdumpd import __version__
from kdumpd.bus import Connection, bus_address, connect
from kdumpd.call import BusError
from kdumpd.config import Settings, read_configuration
from kdumpd.expose.herald import Herald
from kdumpd.expose.interface import InterfaceError, read_interfaces
from kdumpd.expose.introspection import standard_interfaces
from kdumpd.expose.journal import Journal
from kdumpd.expose.methods import ActionError, MissingError
from kdumpd.expose.notify import Notifier
from kdumpd.expose.service import Service
from kdumpd.expose.terminal import Terminal
from kdumpd.ledger import Ledger, LedgerError, opened_ledger
from kdumpd.model.acknowledgement import acknowledge
from kdumpd.model.capture import Capture
from kdumpd.model.event import Event
from kdumpd.model.readiness import Readiness
from kdumpd.model.report import readiness_lines
from kdumpd.model.state import Patience, State, Verdict, next_look
from kdumpd.model.step import judged, step
from kdumpd.observe.evidence import Evidence, EvidenceError, NoEvidenceError
from kdumpd.observe.machine import Machine, Unwatched, clock
from kdumpd.observe.watch import Watch

log = logging.getLogger("kdumpd")

BUS_NAME = "org.kdumpd1"
STATE_DIR = Path("/var/lib/kdumpd")
LEDGER = "ledger.sqlite"
RETRY_SECONDS = 5.0  # while the ledger cannot be written
EXIT_FAILURE = 1
EXIT_USAGE, EXIT_IO = 64, 74  # sysexits.h
EXIT_STATUS = {
    Readiness.READY: 0,
    Readiness.DEGRADED: 1,
    Readiness.NOT_READY: 2,
    Readiness.UNSUPPORTED: 3,
}


class Sink(Protocol):
    """Somebody to whom the state is shown."""

    async def show(self, state: State) -> None:
        """Show the state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the daemon is made of, apart from the machine it watches."""

    ledger: Ledger
    herald: Herald
    terminal: Terminal
    evidence: Evidence
    patience: Patience


class Daemon:
    """The one flow: observe → step → ledger → show."""

    def __init__(self, machine: Machine, parts: Parts) -> None:
        self._machine = machine
        self._parts = parts
        self._state = self._recorded = State()
        self._unrecorded: tuple[Event, ...] = ()
        self._failing = False
        self._looked = asyncio.Condition()
        self._last_look = 0
        self._changing = asyncio.Lock()
        self._sinks: Sequence[Sink] = ()

    async def load(self) -> State:
        """Return what the ledger remembers, and go on from there."""
        self._state = self._recorded = await self._parts.ledger.load()
        return self._state

    async def look(self) -> None:
        """Look at the machine now, and return when the outcome is shown."""
        number = self._machine.look_again()
        async with self._looked:
            await self._looked.wait_for(lambda: self._last_look >= number)

    async def acknowledge(self, ids: Collection[str]) -> None:
        """Acknowledge the captures of these ids, and return when that is shown."""
        async with self._changing:
            self._state = acknowledge(self._state, ids)
            await self._record(())
            await self._show()

    async def open_core(self, id_: str) -> int:
        """Return a read-only descriptor of the capture's core, which the caller closes."""
        folder, capture = self._found(id_)
        return await _opened(self._parts.evidence.open_core(folder, capture))

    async def open_dmesg(self, id_: str) -> int:
        """Return a read-only descriptor of its kernel log, which the caller closes."""
        folder, capture = self._found(id_)
        return await _opened(self._parts.evidence.open_dmesg(folder, capture))

    async def run(self, sinks: Sequence[Sink]) -> None:
        """Observe, for ever."""
        self._sinks = sinks
        async for seen in self._machine.observations(self._due):
            async with self._changing:
                self._state, events = step(self._state, seen, self._parts.patience)
                await self._record(events)
                self._parts.terminal.tell(events)
                await self._show()
            async with self._looked:
                self._last_look = seen.number
                self._looked.notify_all()

    def _found(self, id_: str) -> tuple[bytes, Capture]:
        """Return a capture, and the crash folder that it lies in."""
        capture = self._state.captures.get(id_)
        for folder in self._state.folders:
            if capture is not None and capture.directory.startswith(folder.rstrip(b"/") + b"/"):
                return folder, capture
        raise MissingError(f"There is no capture {id_} any more.")

    async def _show(self) -> None:
        for sink in self._sinks:
            await sink.show(self._state)

    async def _record(self, events: tuple[Event, ...]) -> None:
        """Record the state and the events; while that fails, tell them and try again each time."""
        self._unrecorded += events
        try:
            await self._parts.ledger.record(self._recorded, self._state, self._unrecorded)
        except LedgerError as error:
            self._parts.herald.tell(self._unrecorded)
            self._mind(error)
            return
        self._recorded, self._unrecorded = self._state, ()
        self._parts.herald.wake()
        self._mind(None)

    def _mind(self, problem: LedgerError | None) -> None:
        if problem is not None and not self._failing:
            log.warning("what is new is not remembered, but told: %s", problem)
        elif problem is None and self._failing:
            log.warning("the ledger can be written again: all that was new is recorded")
        self._failing = problem is not None

    def _due(self) -> float | None:
        due = next_look(self._state, clock(), self._parts.patience)
        if self._failing:
            return RETRY_SECONDS if due is None else min(due, RETRY_SECONDS)
        return due


class StopError(Exception):
    """Somebody asked the daemon to end."""


async def serve(options: argparse.Namespace, settings: Settings) -> None:
    """Run the daemon until the bus or the ledger is lost, or a signal ends it."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as parts:
        connection = await parts.enter_async_context(connect(bus_address(options.bus, os.environ)))
        await connection.own(BUS_NAME)
        ledger = await parts.enter_async_context(opened_ledger(options.state_dir / LEDGER))
        again = asyncio.Event()
        watch = Watch(again.set)
        parts.enter_context(watch.attached(loop))
        machine = Machine(options.root, settings.folders, again, watch)
        await run_parts(connection, ledger, machine, Patience(settle=settings.settle_seconds), stop)


async def run_parts(
    connection: Connection,
    ledger: Ledger,
    machine: Machine,
    patience: Patience,
    stop: asyncio.Event,
) -> None:
    """Run all tasks in one group, until one of them fails or `stop` is set."""
    herald, terminal, notifier = Herald(ledger, Journal()), Terminal(), Notifier(os.environ)
    parts = Parts(
        ledger=ledger,
        herald=herald,
        terminal=terminal,
        evidence=Evidence(machine.root),
        patience=patience,
    )
    daemon = Daemon(machine, parts)
    interfaces = {**read_interfaces(), **standard_interfaces()}
    service = Service(connection, interfaces, await daemon.load(), daemon)
    connection.serve(service.answer)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(daemon.run([service, terminal, notifier]))
            group.create_task(herald.run())
            group.create_task(notifier.feed_watchdog())
            group.create_task(_until_lost(connection))
            group.create_task(_until_set(stop))
    except* StopError:
        notifier.stopping()


async def look_once(root: Path, settings: Settings) -> Verdict:
    """Return readiness as one look at the machine below `root` tells it."""
    machine = Machine(root, settings.folders, asyncio.Event(), Unwatched())
    return judged(await machine.look())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run kdumpd's command line and return its exit status."""
    options = arguments_parser().parse_args(arguments)
    # Under systemd the events' own journal entries say what these lines say in a terminal.
    level = logging.WARNING if "JOURNAL_STREAM" in os.environ else logging.INFO
    logging.basicConfig(level=level, format="%(message)s", stream=sys.stderr)
    configuration = read_configuration(options.root, options.config)
    for problem in configuration.problems:
        log.warning("%s (the default stands)", problem)
    if options.check:
        return check(options.root, configuration.settings)
    return run(options, configuration.settings)


def check(root: Path, settings: Settings) -> int:
    """Print readiness, and return the exit status that says it."""
    verdict = asyncio.run(look_once(root, settings))
    lines = readiness_lines(verdict.readiness, verdict.findings)
    if sys.stdout is None:  # closed by whoever started this
        return EXIT_IO
    try:
        sys.stdout.writelines(f"{line}\n" for line in lines)
        sys.stdout.flush()
    except OSError as error:
        log.error("kdumpd: cannot print: %s", error.strerror)  # noqa: TRY400  # no traceback
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_IO
    return EXIT_STATUS[verdict.readiness]


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run the daemon, and return 0 when it was asked to end, 1 when it could not go on."""
    failures: list[Exception] = []
    try:
        asyncio.run(serve(options, settings))
    except* (BusError, LedgerError, InterfaceError) as group:
        failures.extend(group.exceptions)
    for failure in failures:
        log.error("kdumpd: %s", failure)
    return EXIT_FAILURE if failures else 0


class Parser(argparse.ArgumentParser):
    """A parser whose errors cannot be taken for what --check answers."""

    def error(self, message: str) -> NoReturn:  # type: ignore[explicit-override]  # typing.override: 3.12
        """Print the message and exit."""
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def arguments_parser() -> argparse.ArgumentParser:
    """Return the parser of kdumpd's command line."""
    parser = Parser(
        prog="kdumpd",
        description="Watch kernel crash captures, and say whether the next one would succeed.",
        epilog="With --check the exit status is 0 for ready, 1 for degraded, 2 for not ready, "
        "3 for unsupported. It is 64 for a wrong command line, and 74 if nothing can be printed.",
    )
    parser.add_argument("--version", action="version", version=f"kdumpd {__version__}")
    parser.add_argument(
        "--root",
        metavar="DIR",
        type=_folder,
        default=Path("/"),
        help="watch the machine below this folder instead of this one",
    )
    parser.add_argument(
        "--bus",
        metavar="BUS",
        default="system",
        help="the message bus to serve on: system (the default), session, or an address",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=_file,
        help="read this configuration instead of /etc/kdumpd/kdumpd.conf and its drop-ins",
    )
    parser.add_argument(
        "--state-dir",
        metavar="DIR",
        type=Path,
        default=STATE_DIR,
        help=f"keep the ledger here (default: {STATE_DIR})",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="judge readiness once, print it, and exit; needs no bus and no root",
    )
    return parser


def _folder(text: str) -> Path:
    if not text or not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"'{text}' is no folder")
    return Path(text)


def _file(text: str) -> Path:
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"'{text}' is no file")
    return Path(text)


async def _opened(opening: Awaitable[int]) -> int:
    try:
        return await opening
    except NoEvidenceError as error:
        raise MissingError(str(error)) from error
    except EvidenceError as error:
        raise ActionError(str(error)) from error


async def _until_lost(connection: Connection) -> None:
    raise BusError(await connection.lost())


async def _until_set(stop: asyncio.Event) -> None:
    await stop.wait()
    raise StopError


if __name__ == "__main__":
    sys.exit(main())
