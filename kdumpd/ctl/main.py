# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpdctl: ask the daemon. Results go to stdout, words to stderr."""

import argparse
import asyncio
import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kdumpd.arguments import EXIT_FAILURE, EXIT_IO, discard_stdout
from kdumpd.ctl.client import (
    AbsentError,
    Daemon,
    LookError,
    LookWithoutDaemon,
    SelectionError,
    is_masked,
)
from kdumpd.ctl.options import SYSTEM_BUS_OPTION, VERBS_WITHOUT_DAEMON, parse_arguments, run_of
from kdumpd.ctl.terminal import tell
from kdumpd.dbus.connection import connect
from kdumpd.dbus.messages import ROOT_UID, BusError, CallError, bus_address

EXIT_ABSENT = 4
READINESS_VERBS = {"status", "check"}  # whose other exit statuses are words of readiness
LOOK_INSTEAD_HINT = (
    "This is a look without kdumpd, which would know more: what is gone, or acknowledged."
)
UNMASK_HINT = "Its unit is masked. To allow its start: systemctl unmask {unit}"
START_HINT = "To start kdumpd: systemctl start kdumpd. Why it does not run: journalctl -u kdumpd"
TRIGGER_LOG_HINT = "Why it does not start: journalctl -u kdumpd-trigger"
AS_ROOT_HINT = "Root gets an answer to this without kdumpd too."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run kdumpdctl's command line and return its exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    options = parse_arguments(words)
    try:
        return asyncio.run(_ask(options))
    except (CallError, SelectionError) as error:
        tell(str(error))
        of_the_bus = isinstance(error, CallError) and error.of_the_bus
        return EXIT_ABSENT if of_the_bus or options.verb in READINESS_VERBS else EXIT_FAILURE
    except (BusError, LookError) as error:
        tell(str(error))
        _advise(options, START_HINT if options.verb != "test" else "")
        return EXIT_ABSENT
    except AbsentError as error:
        tell(f"{error} on the bus '{options.bus}'.")
        _advise(options, start_hint(error, options))
        return EXIT_ABSENT
    except OSError as error:
        # Of a closed pipe nobody is told: whoever read has seen enough.
        if error.errno != errno.EPIPE:
            tell(f"cannot print: {error.strerror}")
        discard_stdout()
        return EXIT_IO


async def _ask(options: argparse.Namespace) -> int:
    run = run_of(options.verb)
    if options.verb == "watch":  # it outlives a connection
        return await run(None, options)
    if options.root is not None:
        return await run(LookWithoutDaemon(options.root), options)
    try:
        async with connect(bus_address(options.bus, os.environ)) as connection:
            if options.verb == "test":
                from kdumpd.ctl.trigger import Trigger  # noqa: PLC0415  # of this command alone

                return await run(Trigger(connection), options)
            return await run(Daemon(connection), options)
    except (AbsentError, BusError) as error:
        if not _may_look(options):
            raise
        bus = f" on the bus '{options.bus}'" if isinstance(error, AbsentError) else ""
        hint = start_hint(error, options) if isinstance(error, AbsentError) else START_HINT
        tell(f"{str(error).rstrip('.')}{bus}. {hint}\n{LOOK_INSTEAD_HINT}\n")
    return await run(LookWithoutDaemon(Path("/")), options)


def _may_look(options: argparse.Namespace) -> bool:
    """Return whether this can be answered without the daemon: another bus' has another machine."""
    return (
        options.verb in VERBS_WITHOUT_DAEMON
        and options.bus == SYSTEM_BUS_OPTION
        and os.geteuid() == ROOT_UID
    )


def start_hint(error: AbsentError, options: argparse.Namespace) -> str:
    """Return how to have the service started that the command asks, or where it says why not."""
    unit = "kdumpd-trigger" if options.verb == "test" else "kdumpd"
    if error.is_masked or (options.bus == SYSTEM_BUS_OPTION and is_masked(unit)):
        return UNMASK_HINT.format(unit=unit)
    return TRIGGER_LOG_HINT if options.verb == "test" else START_HINT


def _advise(options: argparse.Namespace, hint: str = START_HINT) -> None:
    """Say what to type where the service is not to be reached."""
    if hint and options.bus == SYSTEM_BUS_OPTION and options.root is None:
        tell(hint)
        if options.verb in VERBS_WITHOUT_DAEMON and os.geteuid() != ROOT_UID:
            tell(AS_ROOT_HINT)
    if options.verb in READINESS_VERBS:
        tell("Without kdumpd running: kdumpd --check judges readiness once.")


if __name__ == "__main__":
    sys.exit(main())
