# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpd-trigger: the command line, and the parts put together and run."""

import argparse
import asyncio
import logging
import os
import pwd
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from kdumpd import __version__
from kdumpd.arguments import EXIT_FAILURE, Parser, add_bus_option, add_machine_options
from kdumpd.config import Settings, read_configuration
from kdumpd.dbus.connection import Connection, connect
from kdumpd.dbus.introspection import TRIGGER_XML, InterfaceError, read_interfaces
from kdumpd.dbus.messages import TRIGGER_BUS_NAME, BusError, CallError, bus_address
from kdumpd.dbus.polkit import POLKIT_TIMEOUT_S, Authority
from kdumpd.expose.journal import Journal
from kdumpd.expose.systemd import SdNotify
from kdumpd.model.text import shown
from kdumpd.observe.threads import start
from kdumpd.trigger.journal import TRIGGER_SYSLOG_IDENTIFIER, TriggerJournal
from kdumpd.trigger.kdumpd import Kdumpd
from kdumpd.trigger.logind import Logind
from kdumpd.trigger.preflight import MachinePreflight
from kdumpd.trigger.run import CrashTestTimeouts, RunDependencies
from kdumpd.trigger.service import ServiceParts, TriggerService
from kdumpd.trigger.sysrq import (
    CRASH_KEY,
    SYSRQ_KEYS,
    DescriptorError,
    SysrqTrigger,
    passed_descriptor,
)
from kdumpd.trigger.tokens import Admission, Peers, Tokens

log = logging.getLogger("kdumpd-trigger")

USER_NAME_TIMEOUT_S = 1.0  # for what may ask a server (nsswitch.conf(5))
LAST_ANSWERS_TIMEOUT_S = 5.0  # for the answers to what still came
NO_SYSRQ_SENTENCE = (
    "Crash test: not possible here, as there is no /proc/sysrq-trigger that could be written to."
)


def arguments_parser() -> argparse.ArgumentParser:
    """Return the parser of kdumpd-trigger's command line."""
    parser = Parser(
        prog="kdumpd-trigger",
        description="Crash the kernel on purpose, to test that a dump is saved.",
        epilog="systemd starts kdumpd-trigger and passes it /proc/sysrq-trigger as an open "
        "descriptor. kdumpd-trigger(8) explains each step and each exit status.",
    )
    parser.add_argument("--version", action="version", version=f"kdumpd-trigger {__version__}")
    add_machine_options(parser)
    add_bus_option(parser)
    parser.add_argument(
        "--key",
        choices=SYSRQ_KEYS,
        default=CRASH_KEY,
        help="the SysRq key to press: c crashes the kernel (the default), h prints SysRq's help",
    )
    parser.add_argument(
        "--refuse",
        action="store_true",
        help="refuse every test, and need no descriptor",
    )
    return parser


async def user_name(uid: int) -> str:
    """Return the name of the user with this uid, empty where none is known in time."""
    lookup = start(lambda: _name(uid))
    done, _ = await asyncio.wait([lookup], timeout=USER_NAME_TIMEOUT_S)
    return lookup.result() if done else ""


def _name(uid: int) -> str:
    try:
        return shown(os.fsencode(pwd.getpwuid(uid).pw_name))
    except (KeyError, OSError):
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerTimeouts:
    """How long the program waits, in seconds."""

    idle: float = 60.0  # for somebody to ask for something
    polkit: float = POLKIT_TIMEOUT_S
    test_run: CrashTestTimeouts = field(default_factory=CrashTestTimeouts)


class EndError(Exception):
    """The program is to end; the text says why."""


class ConfigurationReader:
    """Reads the configuration anew each time; what is wrong with it is said once."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._said: tuple[str, ...] = ()

    async def settings(self) -> Settings:
        """Return the settings as they are now."""
        options = self._options
        configuration = await asyncio.to_thread(read_configuration, options.root, options.config)
        if configuration.problems != self._said:
            for problem in configuration.problems:
                log.warning("%s (the default is used)", problem)
        self._said = configuration.problems
        return configuration.settings

    async def allows(self) -> bool:
        """Return whether it allows a crash test now."""
        return (await self.settings()).crash_test


async def serve(
    options: argparse.Namespace, sysrq: SysrqTrigger, timeouts: TriggerTimeouts
) -> None:
    """Serve until the bus is lost, a signal ends it, or nobody asks for anything any more."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    sd_notify = SdNotify(os.environ)
    async with connect(bus_address(options.bus, os.environ), renewed=True) as connection:
        service = TriggerService(
            connection, read_interfaces(TRIGGER_XML), parts_of(options, connection, sysrq, timeouts)
        )
        connection.serve(service.answer)
        await connection.own(TRIGGER_BUS_NAME)
        sd_notify.tell("READY=1")
        log.info("READY: kdumpd-trigger%s", ", for a rehearsal" if sysrq.rehearses else "")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_until_idle(service, timeouts.idle))
                group.create_task(_until_lost(connection))
                group.create_task(_until_set(stop))
        except* EndError as ends:
            service.end(str(ends.exceptions[0]))
            sd_notify.tell("STOPPING=1")
            with suppress(BusError, CallError):
                await connection.disown(TRIGGER_BUS_NAME)
            await connection.settle(LAST_ANSWERS_TIMEOUT_S)


def parts_of(
    options: argparse.Namespace,
    connection: Connection,
    sysrq: SysrqTrigger,
    timeouts: TriggerTimeouts,
) -> ServiceParts:
    """Return what the service works with."""
    reader, peers, kdumpd = (
        ConfigurationReader(options),
        Peers(connection),
        Kdumpd(connection),
    )
    trigger_journal = TriggerJournal(Journal(TRIGGER_SYSLOG_IDENTIFIER), time.monotonic)
    dependencies = RunDependencies(
        preflight=MachinePreflight(options.root, kdumpd, Logind(connection)),
        recorder=kdumpd,
        peers=peers,
        key=sysrq,
        tell=trigger_journal.tell,
        allowed=reader.allows,
        timeouts=timeouts.test_run,
    )
    return ServiceParts(
        authority=Authority(connection, timeouts.polkit),
        peers=peers,
        admission=Admission(Tokens(time.monotonic), peers),
        trigger_journal=trigger_journal,
        dependencies=dependencies,
        settings=reader.settings,
        user_name=user_name,
        host=os.uname().nodename,
        obstacle=NO_SYSRQ_SENTENCE if options.refuse else "",
    )


def main(
    arguments: Sequence[str] | None = None, timeouts: TriggerTimeouts = TriggerTimeouts()
) -> int:
    """Run kdumpd-trigger's command line and return its exit status."""
    # First of all: should stderr be the descriptor, a word of argparse's would be a command.
    fd, problem = _take_descriptor()
    options = arguments_parser().parse_args(arguments)
    level = logging.WARNING if "JOURNAL_STREAM" in os.environ else logging.INFO
    logging.basicConfig(level=level, format="%(message)s", stream=sys.stderr)
    if problem and not options.refuse:
        log.error("kdumpd-trigger: %s", problem)
        return EXIT_FAILURE
    return run(options, SysrqTrigger(fd, options.key), timeouts)


def run(options: argparse.Namespace, sysrq: SysrqTrigger, timeouts: TriggerTimeouts) -> int:
    """Serve, and return 0 when it came to its end, 1 when it could not go on."""
    failures: list[Exception] = []
    try:
        asyncio.run(serve(options, sysrq, timeouts))
    except* (BusError, InterfaceError) as group:
        failures.extend(group.exceptions)
    for failure in failures:
        log.error("kdumpd-trigger: %s", failure)
    return EXIT_FAILURE if failures else 0


def _take_descriptor() -> tuple[int, str]:
    """Return the descriptor that was passed, or why there is none."""
    try:
        return passed_descriptor(os.environ, os.getpid()), ""
    except DescriptorError as error:
        return -1, str(error)


async def _until_idle(service: TriggerService, seconds: float) -> None:
    await service.tend(seconds)
    raise EndError("kdumpd-trigger was idle")


async def _until_lost(connection: Connection) -> None:
    raise BusError(await connection.lost())


async def _until_set(stop: asyncio.Event) -> None:
    await stop.wait()
    raise EndError("kdumpd-trigger was stopped")


if __name__ == "__main__":
    sys.exit(main())
