# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpd: put the parts together and run them."""

import gc

# Python's collector would look through the modules again and again while they are loaded, which is
# 12 of 220 ms of a start, and they stay.
gc.disable()

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from kdumpd import __version__
from kdumpd.arguments import (
    EXIT_CONFIG,
    EXIT_FAILURE,
    Parser,
    add_bus_option,
    add_json_option,
    add_machine_options,
    keep_to_oneself,
)
from kdumpd.config import Configuration, Settings, read_configuration
from kdumpd.dbus.connection import Connection, connect
from kdumpd.dbus.introspection import InterfaceError, read_interfaces
from kdumpd.dbus.messages import KDUMPD_BUS_NAME, BusError, bus_address
from kdumpd.engine import CallerActions, Engine, EngineParts, Sink
from kdumpd.expose.dbus_service import DbusService
from kdumpd.expose.journal import Journal, JournalOutbox
from kdumpd.expose.motd import Motd, motd_path
from kdumpd.expose.prometheus import Metrics
from kdumpd.expose.systemd import SystemdNotifier, TerminalOutput
from kdumpd.expose.textfile import TextFile, WriteOutcome
from kdumpd.ledger.database import LedgerError, NewerLedgerError
from kdumpd.ledger.ledger import opened_ledger
from kdumpd.model.state import Delays
from kdumpd.observe.boots import BootsObserver
from kdumpd.observe.captures.core_reader import CoreReader
from kdumpd.observe.captures.inotify import InotifyWatcher
from kdumpd.observe.captures.open_files import CaptureFiles
from kdumpd.observe.cores.inspector import inspect, read_toolbox
from kdumpd.observe.files import IOMEM, Files
from kdumpd.observe.machine import Hints, Machine, Plan, Watchers
from kdumpd.observe.readiness.units import NoServiceManager, ServiceManager, Units
from kdumpd.observe.threads import PatientThread

gc.freeze()
gc.enable()

log = logging.getLogger("kdumpd")

LEDGER_FILE_NAME = "ledger.sqlite"
METRICS_FILE_REMEDY = (
    "The service may write to /run/kdumpd. Another directory must exist and belong to the user"
    " kdumpd. To allow it, type: systemctl edit kdumpd, add the lines [Service] and"
    " BindPaths={directory}, and then type: systemctl restart kdumpd"
)
WRITE_TIMEOUT_S = 10.0  # for a file that others read
STATE_DIRECTORY = Path("/var/lib/kdumpd")
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """Whether it shall end, or read its configuration again."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.reload = asyncio.Event()

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take the signals from now on, for as long as the loop lasts."""
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self.stop.set)
        loop.add_signal_handler(signal.SIGHUP, self.reload.set)

    async def wait(self) -> None:
        """Return once something is asked for."""
        waits = [asyncio.create_task(one.wait()) for one in (self.stop, self.reload)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()


def arguments_parser() -> argparse.ArgumentParser:
    """Return the parser of kdumpd's command line."""
    parser = Parser(
        prog="kdumpd",
        description="Watch for kernel crashes, and check if the next panic would leave a dump.",
        epilog="kdumpd(8) explains readiness, every check and every exit status.",
    )
    parser.add_argument("--version", action="version", version=f"kdumpd {__version__}")
    add_machine_options(parser)
    add_bus_option(parser)
    parser.add_argument(
        "--state-dir",
        metavar="DIR",
        type=Path,
        default=STATE_DIRECTORY,
        help=f"keep the database in DIR (default: {STATE_DIRECTORY})",
    )
    parser.add_argument(
        "--iomem",
        metavar="FD",
        type=_descriptor,
        help="read /proc/iomem from descriptor FD, which root has opened: the kernel shows other"
        " users no addresses there",
    )
    add_json_option(parser)
    once = parser.add_mutually_exclusive_group()
    once.add_argument(
        "--check",
        action="store_true",
        help="check readiness once, print the result, and exit; this needs neither a bus nor root",
    )
    once.add_argument(
        "--list",
        action="store_true",
        help="print the captures in the crash directories as JSON, and exit; this needs no bus",
    )
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="with --check: list the checks that passed as well",
    )
    return parser


def _descriptor(text: str) -> int:
    try:
        number = int(text)
        os.fstat(number)
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(f"'{text}' is not an open descriptor") from None
    return number


class StopError(Exception):
    """Somebody asked the daemon to end, or to begin anew."""


async def serve(options: argparse.Namespace, configuration: Configuration) -> None:
    """Run the daemon until a signal ends it, and anew with what is configured by then on SIGHUP."""
    signals = Signals()
    signals.attach(asyncio.get_running_loop())
    await serve_once(options, configuration, signals)
    while not signals.stop.is_set():
        signals.reload.clear()
        # One life leaves reference cycles, which the collector would free only after dozens.
        gc.collect()
        configuration = await asyncio.to_thread(read_configured, options)
        await serve_once(options, configuration, signals)


async def serve_once(
    options: argparse.Namespace, configuration: Configuration, signals: Signals
) -> None:
    """Run the daemon until the bus or the ledger is lost, or a signal comes."""
    loop, settings = asyncio.get_running_loop(), configuration.settings
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(
            connect(bus_address(options.bus, os.environ), renewed=True)
        )
        await connection.own(KDUMPD_BUS_NAME)
        motd = motd_path(os.environ)  # in the runtime directory, which is in memory
        spare_directory = motd.parent if motd else None
        ledger = await stack.enter_async_context(
            opened_ledger(options.state_dir / LEDGER_FILE_NAME, spare_directory)
        )
        hints = Hints()
        captures, conditions = InotifyWatcher(hints.directories), InotifyWatcher(hints.everything)
        for watch in (captures, conditions):
            stack.enter_context(watch.attached(loop))
        capture_files = CaptureFiles(options.root)
        services = await service_manager(options.root, connection, hints)
        parts = EngineParts(
            machine=Machine(
                Files(options.root, opened=opened_files(options)),
                Plan(directories=settings.directories, problems=configuration.problems),
                hints,
                Watchers(captures=captures, conditions=conditions),
                services,
            ),
            services=services,
            boots=BootsObserver(options.root, hints.everything),
            reader=CoreReader(
                CaptureFiles(options.root), settings.directories, inspect, read_toolbox
            ),
            ledger=ledger,
            outbox=JournalOutbox(ledger, Journal()),
            terminal=TerminalOutput(),
            delays=delays_of(settings),
        )
        files = public_files(options, settings, os.environ)
        await run_parts(connection, parts, capture_files, signals, files)


async def run_parts(
    connection: Connection,
    parts: EngineParts,
    capture_files: CaptureFiles,
    signals: Signals,
    files: Sequence[Metrics | Motd],
) -> None:
    """Run all tasks in one group, until one of them fails or a signal comes."""
    engine, notifier = Engine(parts), SystemdNotifier(os.environ)
    service = DbusService(
        connection,
        read_interfaces(),
        await engine.load(),
        CallerActions(engine, capture_files, inspect),
    )
    connection.serve(service.answer)
    sinks: list[Sink] = [service, parts.terminal, notifier, *files]
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(engine.run(sinks))
            group.create_task(engine.learn())
            group.create_task(parts.outbox.run())
            group.create_task(notifier.feed_watchdog())
            for file in files:
                group.create_task(file.run())
            group.create_task(_until_lost(connection))
            group.create_task(_until_signalled(signals))
    except* StopError:
        if signals.stop.is_set():
            notifier.stopping()
            if await parts.services.is_stopping():
                await engine.note_stop()
        else:
            notifier.reloading()
        await engine.put_down()


def public_files(
    options: argparse.Namespace, settings: Settings, environment: Mapping[str, str]
) -> Sequence[Metrics | Motd]:
    """Return the files that are written for others to read: those asked for."""
    found: list[Metrics | Motd] = []
    # What a mounted image says about files is about its own.
    ours = options.root == Path("/") or options.config is not None
    if settings.metrics_file is not None and ours:
        directory = settings.metrics_file.parent
        found.append(
            Metrics(
                text_file(settings.metrics_file, METRICS_FILE_REMEDY.format(directory=directory))
            )
        )
    if (path := motd_path(environment)) is not None:
        found.append(Motd(text_file(path)))
    return found


def text_file(path: Path, remedy: str = "") -> TextFile:
    """Return a file that is written in a thread of its own; one that hangs stalls nobody."""
    return TextFile(path, PatientThread[WriteOutcome](WRITE_TIMEOUT_S, lambda: None), remedy)


async def service_manager(root: Path, connection: Connection, hints: Hints) -> ServiceManager:
    """Return who knows the units of the machine below the root: systemd, if it is this machine."""
    if root != Path("/"):
        return NoServiceManager()
    units = Units(connection)
    await units.follow(hints.everything)
    return units


def delays_of(settings: Settings) -> Delays:
    """Return how long to wait; readiness is settled sooner than a file that may still grow."""
    usual = Delays(settle=settings.settle_seconds)
    return replace(usual, steady=min(usual.steady, usual.settle))


def opened_files(options: argparse.Namespace) -> Mapping[str, int]:
    """Return the descriptors that the daemon was started with, by the files that they are of."""
    return {} if options.iomem is None else {IOMEM: options.iomem}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run kdumpd's command line and return its exit status."""
    options = arguments_parser().parse_args(arguments)
    # Under systemd the events' own journal entries say what these lines say in a terminal.
    level = logging.WARNING if "JOURNAL_STREAM" in os.environ else logging.INFO
    logging.basicConfig(level=level, format="%(message)s", stream=sys.stderr)
    configuration = read_configured(options)
    if options.check or options.list:
        return once(options, configuration)
    keep_to_oneself()
    return run(options, configuration)


def once(options: argparse.Namespace, configuration: Configuration) -> int:
    """Answer what is asked for without a daemon, and return the exit status."""
    from kdumpd.oneshot import check, list_captures  # noqa: PLC0415  # no part of the daemon

    files = Files(options.root, opened=opened_files(options))
    if options.check:
        return check(files, configuration, options.json, verbose=options.verbose)
    return list_captures(files, configuration, options.json)


def read_configured(options: argparse.Namespace) -> Configuration:
    """Return what is configured, and say what is wrong with it."""
    configuration = read_configuration(options.root, options.config)
    for problem in configuration.problems:
        log.warning("%s (the default is used)", problem)
    return configuration


def run(options: argparse.Namespace, configuration: Configuration) -> int:
    """Run the daemon, and return 0 when it was asked to end, another when it could not go on."""
    failures: list[Exception] = []
    try:
        asyncio.run(serve(options, configuration))
    except* (BusError, LedgerError, InterfaceError) as group:
        failures.extend(group.exceptions)
    for failure in failures:
        log.error("kdumpd: %s", failure)
    if any(isinstance(failure, NewerLedgerError) for failure in failures):
        return EXIT_CONFIG  # the next start would come to the same
    return EXIT_FAILURE if failures else 0


async def _until_lost(connection: Connection) -> None:
    raise BusError(await connection.lost())


async def _until_signalled(signals: Signals) -> None:
    await signals.wait()
    raise StopError


if __name__ == "__main__":
    sys.exit(main())
