# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpdctl: ask the daemon. Results go to stdout, words to stderr."""

import argparse
import asyncio
import errno
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime

from kdumpd import __version__
from kdumpd.address import bus_address
from kdumpd.arguments import EXIT_IO, JSON, Parser
from kdumpd.call import BusError, CallError
from kdumpd.client.daemon import AbsentError, Daemon, connected
from kdumpd.client.evidence import acknowledge, dmesg, path
from kdumpd.client.selection import SelectionError, select
from kdumpd.client.text import info_lines, list_lines, overview_lines
from kdumpd.document import plain_record, readiness_record, readiness_report, to_json
from kdumpd.model.readiness import Readiness
from kdumpd.model.report import EXIT_STATUS, check_lines

EXIT_FAILURE, EXIT_ABSENT = 1, 4
MODES = [[mode] for mode in JSON]
EPILOG = """\
exit status of status and check: 0 ready, 1 degraded, 2 not ready, 3 unsupported, 4 when kdumpd or
the bus cannot be reached. Of the other commands: 0 when the question was answered, 1 when it could
not be (no such capture or file, no right to it) or there is no capture to show, 4 as above. 64 for
a wrong command line, 74 if it cannot be printed."""
ID = "the capture's id or its beginning (default: the newest crash)"

Verb = Callable[[Daemon, argparse.Namespace], Awaitable[int]]


async def status(daemon: Daemon, options: argparse.Namespace) -> int:
    """Print whether the next panic would leave a dump, and what was captured."""
    manager = await daemon.manager()
    captures = await daemon.captures()
    test = await daemon.crash_test()
    if options.json == "off":
        _print(overview_lines(manager, captures, test, datetime.now(UTC)))
    else:
        more = {"captures": len(captures), "crash_test": plain_record(test)}
        _print_json(plain_record(manager) | more, options)
    return EXIT_STATUS[Readiness(manager["Readiness"])]


async def check(daemon: Daemon, options: argparse.Namespace) -> int:
    """Print what was checked of readiness, a line each, as it is now."""
    try:
        await daemon.revalidate()
    except CallError as error:
        print(f"What was known before: {error}", file=sys.stderr)
    manager = await daemon.manager()
    if options.json == "off":
        _print(check_lines(readiness_report(manager)))
    else:
        _print_json(readiness_record(manager), options)
    return EXIT_STATUS[Readiness(manager["Readiness"])]


async def list_captures(daemon: Daemon, options: argparse.Namespace) -> int:
    """Print all captures, the newest crash last."""
    captures = await daemon.captures()
    if options.json != "off":
        _print_json([plain_record(capture) for capture in captures], options)
    elif captures:
        _print(list_lines(captures))
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
        _print(info_lines(capture))
    else:
        _print_json(plain_record(capture), options)
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
    except AbsentError:
        print(f"kdumpd does not run on the bus '{options.bus}'.", file=sys.stderr)
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
    parser.set_defaults(verb=status, bus="system", json="off")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, verb, text in (
        ("status", status, "whether the next panic would leave a dump (the default)"),
        ("check", check, "what was checked for that, a line each, and what to do"),
        ("list", list_captures, "all captures, the newest crash last"),
        ("info", info, "all that is known of one capture"),
        ("dmesg", dmesg, "the kernel log of one capture"),
        ("path", path, "where the core of one capture lies"),
        ("acknowledge", acknowledge, "take note of crashes"),
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
    return parser


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
    async with connected(bus_address(options.bus, os.environ)) as daemon:
        return await verb(daemon, options)


def _discard_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _spelled_out(given: Sequence[str], arguments: Sequence[str] | None) -> list[str]:
    """Return the arguments with a lone --json written as --json=pretty."""
    words = list(given if arguments is None else arguments)
    return [
        "--json=pretty" if word == "--json" and words[at + 1 : at + 2] not in MODES else word
        for at, word in enumerate(words)
    ]


def _print(lines: Iterable[str]) -> None:
    print("\n".join(lines), flush=True)


def _print_json(value: object, options: argparse.Namespace) -> None:
    print(to_json(value, pretty=options.json == "pretty"), flush=True)


if __name__ == "__main__":
    sys.exit(main())
