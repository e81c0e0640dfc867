# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpdctl: ask the daemon. Results go to stdout, words to stderr."""

import argparse
import asyncio
import errno
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from kdumpd import __version__
from kdumpd.address import bus_address
from kdumpd.arguments import EXIT_FAILURE, EXIT_IO, JSON, Parser
from kdumpd.bus import connect
from kdumpd.call import BusError, CallError
from kdumpd.client.absence import AbsentError
from kdumpd.client.crash_test import crash_test
from kdumpd.client.daemon import Daemon
from kdumpd.client.evidence import acknowledge, dmesg, path
from kdumpd.client.output import print_json, print_lines
from kdumpd.client.selection import SelectionError, select
from kdumpd.client.text import info_lines, list_lines, overview_lines
from kdumpd.client.trigger import Trigger
from kdumpd.document import plain_record, readiness_record, readiness_report
from kdumpd.model.readiness import Readiness
from kdumpd.model.report import EXIT_STATUS, check_lines

EXIT_ABSENT = 4
MODES = [[mode] for mode in JSON]
EPILOG = """\
exit status of status and check: 0 ready, 1 degraded, 2 not ready, 3 unsupported, 4 when kdumpd or
the bus cannot be reached. Of the other commands: 0 when the question was answered, 1 when it could
not be (no such capture or file, no right to it) or there is no capture to show, 4 as above. Of
test: 1 when the kernel was not crashed; with --dry-run 0 when nothing speaks against it, 1 when
something does. 64 for a wrong command line, 74 if it cannot be printed."""
ID = "the capture's id or its beginning (default: the newest crash)"

Verb = Callable[[Any, argparse.Namespace], Awaitable[int]]  # of Daemon or of Trigger


async def status(daemon: Daemon, options: argparse.Namespace) -> int:
    """Print whether the next panic would leave a dump, and what was captured."""
    manager = await daemon.manager()
    captures = await daemon.captures()
    test = await daemon.crash_test()
    if options.json == "off":
        print_lines(overview_lines(manager, captures, test, datetime.now(UTC)))
    else:
        more = {"captures": len(captures), "crash_test": plain_record(test)}
        print_json(plain_record(manager) | more, options.json)
    return EXIT_STATUS[Readiness(manager["Readiness"])]


async def check(daemon: Daemon, options: argparse.Namespace) -> int:
    """Print what was checked of readiness, a line each, as it is now."""
    try:
        await daemon.revalidate()
    except CallError as error:
        print(f"What was known before: {error}", file=sys.stderr)
    manager = await daemon.manager()
    if options.json == "off":
        print_lines(check_lines(readiness_report(manager)))
    else:
        print_json(readiness_record(manager), options.json)
    return EXIT_STATUS[Readiness(manager["Readiness"])]


async def list_captures(daemon: Daemon, options: argparse.Namespace) -> int:
    """Print all captures, the newest crash last."""
    captures = await daemon.captures()
    if options.json != "off":
        print_json([plain_record(capture) for capture in captures], options.json)
    elif captures:
        print_lines(list_lines(captures))
    else:
        print(await none_found(daemon), file=sys.stderr)
    return 0 if captures else EXIT_FAILURE


async def none_found(daemon: Daemon) -> str:
    """Return the sentence for an empty list: none there, or none that could be read."""
    findings = (await daemon.manager())["Findings"]
    unread = [message for code, _, message, _ in findings if code == "crash-folder-unreadable"]
    return "\n".join(["No captures found.", *unread])


async def info(daemon: Daemon, options: argparse.Namespace) -> int:
    """Print all that is known of one capture, or of the newest."""
    capture = select(await daemon.captures(), options.id)
    if options.json == "off":
        print_lines(info_lines(capture))
    else:
        print_json(plain_record(capture), options.json)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run kdumpdctl's command line and return its exit status."""
    options = arguments_parser().parse_args(_spelled_out(sys.argv[1:], arguments))
    try:
        return asyncio.run(_ask(options))
    except (CallError, SelectionError) as error:
        print(error, file=sys.stderr)
        return EXIT_ABSENT if options.verb in {status, check} else EXIT_FAILURE
    except BusError as error:
        print(error, file=sys.stderr)
        return EXIT_ABSENT
    except AbsentError as error:
        print(f"{error} on the bus '{options.bus}'.", file=sys.stderr)
        if options.verb in {status, check}:
            print("Without it: kdumpd --check judges readiness once.", file=sys.stderr)
        return EXIT_ABSENT
    except OSError as error:
        # Of a closed pipe nobody is told: whoever read has seen enough.
        if error.errno != errno.EPIPE:
            print(f"cannot print: {error.strerror}", file=sys.stderr)
        # What Python would still flush has nowhere to go.
        _discard_stdout()
        return EXIT_IO


def arguments_parser() -> argparse.ArgumentParser:
    """Return the parser of kdumpdctl's command line."""
    parser = Parser(
        prog="kdumpdctl",
        description="Ask kdumpd what crashed, and whether the next crash would leave a dump.",
        epilog=EPILOG,
        parents=[_common_parser()],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"kdumpdctl {__version__}")
    parser.set_defaults(verb=status, service=Daemon, bus="system", json="off")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, verb, text in (
        ("status", status, "whether the next panic would leave a dump (the default)"),
        ("check", check, "what was checked for that, a line each, and what to do"),
        ("list", list_captures, "all captures, the newest crash last"),
        ("info", info, "all that is known of one capture"),
        ("dmesg", dmesg, "the kernel log of one capture"),
        ("path", path, "where the core of one capture lies"),
        ("acknowledge", acknowledge, "take note of crashes"),
        ("test", crash_test, "crash this machine to prove that a dump is saved"),
    ):
        command = verbs.add_parser(
            name, help=text, description=verb.__doc__, parents=[_common_parser()]
        )
        command.set_defaults(verb=verb)
        if verb in {info, dmesg, path}:
            command.add_argument("id", nargs="?", metavar="ID", help=ID)
    verbs.choices["path"].add_argument(
        "--directory", action="store_true", help="print the folder of the capture instead"
    )
    which = verbs.choices["acknowledge"].add_mutually_exclusive_group()
    which.add_argument("ids", nargs="*", default=[], metavar="ID", help=ID)
    which.add_argument("--all", action="store_true", help="all crashes that are known now")
    _add_test_options(verbs.choices["test"])
    return parser


def _add_test_options(command: argparse.ArgumentParser) -> None:
    command.set_defaults(service=Trigger)
    command.add_argument(
        "--dry-run", action="store_true", help="only print what speaks against a crash now"
    )
    command.add_argument(
        "--override",
        action="append",
        default=[],
        metavar="CODE",
        help="crash in spite of this objection, if it is none that is fatal; can be repeated",
    )
    command.add_argument(
        "--yes",
        metavar="HOSTNAME",
        help="do not ask: crash the machine of this name, if this is it",
    )


def _common_parser() -> Parser:
    # One for each command: options may stand before or after it, and only the first has defaults.
    common = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--bus", metavar="BUS", help="system (the default), session, or an address")
    common.add_argument(
        "--json", choices=JSON, metavar="MODE", help="print JSON: pretty, short, or off (default)"
    )
    return common


async def _ask(options: argparse.Namespace) -> int:
    verb: Verb = options.verb
    async with connect(bus_address(options.bus, os.environ)) as connection:
        return await verb(options.service(connection), options)


def _discard_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _spelled_out(given: Sequence[str], arguments: Sequence[str] | None) -> list[str]:
    """Return the arguments with a lone --json written as --json=pretty."""
    words = list(given if arguments is None else arguments)
    return [
        "--json=pretty" if word == "--json" and words[at + 1 : at + 2] not in MODES else word
        for at, word in enumerate(words)
    ]


if __name__ == "__main__":
    sys.exit(main())
