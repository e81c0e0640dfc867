# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpd-notify: follow the daemon for a user's desktop, and tell of each crash once."""

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

from kdumpd import __version__
from kdumpd.arguments import Parser
from kdumpd.dbus.connection import Connection, connect
from kdumpd.dbus.messages import NOTIFY_BUS_NAME, BusError, TakenError, bus_address
from kdumpd.notify.desktop import desktop_on
from kdumpd.notify.notifier import Backoff, GivenUpError, Notifier, NotifyDelays
from kdumpd.notify.seen import SeenStore, state_file
from kdumpd.notify.terminal import TerminalWindow

log = logging.getLogger(__name__)

# Two on one session bus, started by the desktop and by the service manager, would tell twice.
EPILOG = """\
kdumpd-notify(1) explains which notifications there are, and each exit status."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run kdumpd-notify's command line and return its exit status."""
    options = arguments_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    asyncio.run(_until_terminated(options))
    return 0


def arguments_parser() -> argparse.ArgumentParser:
    """Return the parser of kdumpd-notify's command line."""
    parser = Parser(
        prog="kdumpd-notify",
        description="Show a desktop notification for each kernel crash.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"kdumpd-notify {__version__}")
    parser.add_argument(
        "--bus",
        metavar="BUS",
        type=_bus,
        default="system",
        help="the bus that kdumpd is on: system (the default), session, or an address",
    )
    parser.add_argument(
        "--session-bus",
        metavar="BUS",
        type=_bus,
        default="session",
        help="the bus that the desktop is on: session (the default), system, or an address",
    )
    parser.add_argument(
        "--wait",
        metavar="SECONDS",
        type=_seconds,
        default=NotifyDelays().missing,
        help="how long to wait for a missing bus or service (default: %(default)g)",
    )
    return parser


async def notify(
    bus: str, session_bus: str, environment: Mapping[str, str], delays: NotifyDelays
) -> None:
    """Follow the daemon for the desktop until nothing more can be done, which the log explains."""
    seen_store = SeenStore(state_file(environment))
    terminal = TerminalWindow(environment, () if bus == "system" else (f"--bus={bus}",))
    backoff = Backoff(delays.missing)
    try:
        addresses = bus_address(bus, environment), bus_address(session_bus, environment)
        while True:
            try:
                async with connect(addresses[1]) as session:
                    await session.own(NOTIFY_BUS_NAME)
                    backoff.relieve()
                    desktop = await desktop_on(session)
                    notifier = Notifier(desktop, seen_store, terminal, delays, _uptime)
                    await _attend(notifier, addresses[0], session)
            except TakenError:
                raise
            except BusError as error:
                delay = backoff.miss(str(error))
            await asyncio.sleep(delay)
    except TakenError:
        log.info("Another kdumpd-notify runs in this session.")
    except (BusError, GivenUpError) as error:
        log.info("Ending, what was not shown is shown at the next login: %s", error)
    finally:
        await terminal.close()


async def _attend(notifier: Notifier, address: str, session: Connection) -> NoReturn:
    """Follow and serve until the session's bus is lost (BusError) or GivenUpError."""
    loss = asyncio.create_task(session.lost())
    tasks = [
        loss,
        asyncio.create_task(notifier.follow(address)),
        asyncio.create_task(notifier.serve()),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {loss}:
            task.result()
        raise BusError(loss.result())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until_terminated(options: argparse.Namespace) -> None:
    task = asyncio.create_task(
        notify(options.bus, options.session_bus, os.environ, NotifyDelays(missing=options.wait))
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


def _bus(text: str) -> str:
    if text not in {"system", "session"} and ":" not in text:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a bus: use system, session or an address such as unix:path=…"
        )
    return text


def _seconds(text: str) -> float:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of seconds")
    return float(text)


def _uptime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


if __name__ == "__main__":
    sys.exit(main())
