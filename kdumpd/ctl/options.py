# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpdctl's commands and its command line."""

import argparse
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from importlib import import_module
from typing import Any, NamedTuple

from kdumpd import __version__
from kdumpd.arguments import JSON_MODES, Parser, existing_directory
from kdumpd.ctl.describe import UNTRUSTED
from kdumpd.ctl.timestamps import MomentError, parse_moment
from kdumpd.model.crash_test import unheard_of
from kdumpd.model.vocabulary import CaptureState, CrashClass

STATE_WORDS = (*map(str, CaptureState), UNTRUSTED)


def add_list_options(command: argparse.ArgumentParser) -> None:
    """Let the parser of `list` take what chooses captures."""
    command.add_argument(
        "-n", "--lines", metavar="N", type=_count, help="show only the newest N captures"
    )
    command.add_argument(
        "-S",
        "--since",
        metavar="TIME",
        type=_moment,
        help="show only crashes at this time or later",
    )
    command.add_argument(
        "-U",
        "--until",
        metavar="TIME",
        type=_moment,
        help="show only crashes at this time or earlier",
    )
    command.add_argument("-r", "--reverse", action="store_true", help="show the newest crash first")
    command.add_argument(
        "--untrusted",
        action="store_true",
        help="list untrusted captures one by one, not as a count for each user",
    )
    command.add_argument(
        "--no-legend", dest="legend", action="store_false", help="do not print column headings"
    )
    command.add_argument(
        "--state",
        dest="states",
        metavar="STATE,…",
        type=lambda text: _words(text, STATE_WORDS),
        default=[],
        help=f"show only captures in these states: {', '.join(STATE_WORDS)}",
    )
    command.add_argument(
        "--class",
        dest="classes",
        metavar="CLASS,…",
        type=lambda text: _words(text, [str(one) for one in CrashClass]),
        default=[],
        help="show only crashes of these classes",
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number")
    return int(text)


def _moment(text: str) -> datetime:
    try:
        return parse_moment(text, datetime.now().astimezone())
    except MomentError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _words(text: str, known: Sequence[str]) -> list[str]:
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if word not in known:
            raise argparse.ArgumentTypeError(f"'{word}' is not one of: {', '.join(known)}")
    return words


# What answers, its first argument, depends on the command: the daemon, the trigger, or a look.
Run = Callable[[Any, argparse.Namespace], Awaitable[int]]


class Verb(NamedTuple):
    """A command, and what it does: in a few words, and in a sentence."""

    name: str
    module: str
    function: str
    help: str
    description: str


VERBS = (
    Verb(
        "status",
        "kdumpd.ctl.commands",
        "status",
        "show whether the next panic would leave a dump (the default)",
        "Print whether the next panic would leave a dump, and what was captured.",
    ),
    Verb(
        "check",
        "kdumpd.ctl.commands",
        "check",
        "check readiness now, and show how to fix what is wrong",
        "Check now whether the next panic would leave a dump, and show how to fix what is wrong.",
    ),
    Verb(
        "list",
        "kdumpd.ctl.commands",
        "list_captures",
        "list captures, the newest crash last",
        "List captures, the newest crash last.",
    ),
    Verb(
        "info",
        "kdumpd.ctl.commands",
        "info",
        "show everything known about captures",
        "Show everything known about one or more captures.",
    ),
    Verb(
        "report",
        "kdumpd.ctl.report",
        "report",
        "print a crash as text to paste into a bug report",
        "Print what is known about one crash as text to paste into a bug report.",
    ),
    Verb(
        "dmesg",
        "kdumpd.ctl.dmesg",
        "dmesg",
        "print the kernel log of a capture",
        "Print the kernel log of a capture. On a terminal, control characters are escaped.",
    ),
    Verb(
        "path",
        "kdumpd.ctl.commands",
        "path",
        "print the path of the core of a capture",
        "Print the path of the core of a capture, byte for byte.",
    ),
    Verb(
        "watch",
        "kdumpd.ctl.watch",
        "watch",
        "print events as they happen",
        "Print events as they happen, one per line, until you press Ctrl-C.",
    ),
    Verb(
        "acknowledge",
        "kdumpd.ctl.commands",
        "acknowledge",
        "mark crashes as acknowledged",
        "Permanently mark crashes as acknowledged.",
    ),
    Verb(
        "test",
        "kdumpd.ctl.crash_test",
        "crash_test",
        "crash this machine to test that a dump is saved",
        "Crash this machine on purpose, after a countdown, to test that a dump is saved.",
    ),
)
VERBS_BY_NAME = {verb.name: verb for verb in VERBS}


def run_of(name: str) -> Run:
    """Return the function that runs the command of this name."""
    verb = VERBS_BY_NAME[name]
    run: Run = getattr(import_module(verb.module), verb.function)
    return run


SYSTEM_BUS_OPTION = "system"
JSON_MODE_WORDS = [[mode] for mode in JSON_MODES]
EPILOG = """\
"kdumpdctl COMMAND --help" shows the options of a command. kdumpdctl(1) explains each command and
each exit status."""
ROOT_HELP = "look at the system below DIR, such as a mounted image, without the daemon"
ID_HELP = "the id of a capture, or the beginning of one (default: the newest crash)"
VERBS_WITHOUT_DAEMON = {"check", "list", "info"}
VERBS_OF_ONE_CAPTURE = {"report", "dmesg", "path"}
TIME_OPTIONS = {"-S", "--since", "-U", "--until"}


def arguments_parser() -> argparse.ArgumentParser:
    """Return the parser of kdumpdctl's command line."""
    parser = Parser(
        prog="kdumpdctl",
        description="Ask kdumpd what crashed, and whether the next crash would leave a dump.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_common_options(parser)
    parser.add_argument("--version", action="version", version=f"kdumpdctl {__version__}")
    parser.set_defaults(verb="status", bus=SYSTEM_BUS_OPTION, json="off", root=None, pager=True)
    _add_root_option(parser, argparse.SUPPRESS)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND")
    for verb in VERBS:
        command = verbs.add_parser(verb.name, help=verb.help, description=verb.description)
        _add_common_options(command)
        command.set_defaults(verb=verb.name)
        if verb.name in VERBS_OF_ONE_CAPTURE:
            command.add_argument("id", nargs="?", metavar="ID", help=ID_HELP)
        if verb.name in VERBS_WITHOUT_DAEMON:
            _add_root_option(command, ROOT_HELP)
    verbs.choices["info"].add_argument("ids", nargs="*", default=[], metavar="ID", help=ID_HELP)
    verbs.choices["check"].add_argument(
        "-v", "--verbose", action="store_true", help="list the checks that passed as well"
    )
    add_list_options(verbs.choices["list"])
    _add_report_options(verbs.choices["report"])
    verbs.choices["path"].add_argument(
        "--directory", action="store_true", help="print the directory of the capture instead"
    )
    which = verbs.choices["acknowledge"].add_mutually_exclusive_group()
    which.add_argument("ids", nargs="*", default=[], metavar="ID", help=ID_HELP)
    which.add_argument("--all", action="store_true", help="acknowledge every crash known now")
    _add_test_options(verbs.choices["test"])
    return parser


def parse_arguments(words: Sequence[str]) -> argparse.Namespace:
    """Return the options; a wrong command line ends the program."""
    parser = arguments_parser()
    options = parser.parse_args(spelled_out(words))
    if options.root is not None and options.verb not in VERBS_WITHOUT_DAEMON:
        parser.error("argument --root: only check, list and info take it")
    return options


def spelled_out(words: Sequence[str]) -> list[str]:
    """Return the arguments with a lone --json as --json=pretty, and -2h as the value of --since.

    argparse takes both for something else.
    """
    spelled: list[str] = []
    for at, word in enumerate(words):
        if word == "--json" and list(words[at + 1 : at + 2]) not in JSON_MODE_WORDS:
            spelled.append("--json=pretty")
        elif spelled and spelled[-1] in TIME_OPTIONS:
            option = spelled.pop()
            spelled.append(f"{option}={word}" if option.startswith("--") else option + word)
        else:
            spelled.append(word)
    return spelled


def _add_root_option(command: argparse.ArgumentParser, words: str) -> None:
    command.add_argument(
        "--root", metavar="DIR", type=existing_directory, default=argparse.SUPPRESS, help=words
    )


def _add_report_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--addresses", action="store_true", help="keep addresses, registers and code in the log"
    )
    command.add_argument("--host", action="store_true", help="include the name of the machine")


def _add_test_options(command: argparse.ArgumentParser) -> None:
    which = command.add_mutually_exclusive_group()
    which.add_argument(
        "--dry-run", action="store_true", help="only print reasons not to crash the machine now"
    )
    which.add_argument(
        "--cancel",
        action="store_true",
        help="stop a test that is prepared or counting down, whoever started it",
    )
    command.add_argument(
        "--override",
        action="append",
        type=_code,
        default=[],
        metavar="CODE",
        help="override the warning with this code; can be repeated",
    )
    command.add_argument(
        "--yes",
        metavar="HOSTNAME",
        help="skip the prompt; HOSTNAME must be the name of this machine",
    )


def _add_common_options(parser: argparse.ArgumentParser) -> None:
    """Let the parser take what may stand before a command or after it; it sets no defaults."""
    parser.add_argument(
        "--bus",
        metavar="BUS",
        default=argparse.SUPPRESS,
        help="the message bus: system (the default), session, or an address",
    )
    parser.add_argument(
        "--json",
        nargs="?",
        choices=JSON_MODES,
        metavar="MODE",
        default=argparse.SUPPRESS,
        help="print JSON: pretty (the default if MODE is omitted), short, or off",
    )
    parser.add_argument(
        "--no-pager",
        dest="pager",
        action="store_false",
        default=argparse.SUPPRESS,
        help="do not use a pager",
    )


def _code(text: str) -> str:
    if problem := unheard_of([text]):
        raise argparse.ArgumentTypeError(problem)
    return text
