# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpdctl's command line."""

import argparse
from collections.abc import Sequence

from kdumpd import __version__
from kdumpd.arguments import JSON, Parser, existing_folder
from kdumpd.client.list_options import add_list_options
from kdumpd.client.verbs import VERBS
from kdumpd.model.crash_test import unheard_of

SYSTEM = "system"
MODES = [[mode] for mode in JSON]
EPILOG = """\
exit status of status and check: 0 ready, 1 degraded, 2 not ready, 3 unsupported, 4 when kdumpd or
the bus cannot be reached. Of the other commands: 0 when the question was answered, 1 when it could
not be (no such capture or file, no right to it) or there is no capture to show, 4 as above. Of
test: 1 when the kernel was not crashed; with --dry-run 0 when nothing speaks against it, 1 when
something does; with --cancel 0 when a test was stopped, 1 when not. Of all: 64 for a wrong command
line, 74 if the answer cannot be printed."""
ROOT = "look at the machine below this folder, without a daemon"
ID = "the capture's id or its beginning (default: the newest crash)"
WITHOUT_DAEMON = {"check", "list", "info"}
OF_ONE_CAPTURE = {"report", "dmesg", "path"}
TIMES = {"-S", "--since", "-U", "--until"}


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
    parser.set_defaults(verb="status", bus=SYSTEM, json="off", root=None)
    _add_root_option(parser, argparse.SUPPRESS)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND")
    for verb in VERBS:
        command = verbs.add_parser(verb.name, help=verb.help, description=verb.description)
        _add_common_options(command)
        command.set_defaults(verb=verb.name)
        if verb.name in OF_ONE_CAPTURE:
            command.add_argument("id", nargs="?", metavar="ID", help=ID)
        if verb.name in WITHOUT_DAEMON:
            _add_root_option(command, ROOT)
    verbs.choices["info"].add_argument("ids", nargs="*", default=[], metavar="ID", help=ID)
    add_list_options(verbs.choices["list"])
    _add_report_options(verbs.choices["report"])
    verbs.choices["dmesg"].add_argument(
        "--no-pager", dest="pager", action="store_false", help="print it all at once"
    )
    verbs.choices["path"].add_argument(
        "--directory", action="store_true", help="print the folder of the capture instead"
    )
    which = verbs.choices["acknowledge"].add_mutually_exclusive_group()
    which.add_argument("ids", nargs="*", default=[], metavar="ID", help=ID)
    which.add_argument("--all", action="store_true", help="all crashes that are known now")
    _add_test_options(verbs.choices["test"])
    return parser


def parse_arguments(words: Sequence[str]) -> argparse.Namespace:
    """Return the options; a wrong command line ends the program."""
    parser = arguments_parser()
    options = parser.parse_args(spelled_out(words))
    if options.root is not None and options.verb not in WITHOUT_DAEMON:
        parser.error("argument --root: it is for the commands check, list and info")
    return options


def spelled_out(words: Sequence[str]) -> list[str]:
    """Return the arguments with a lone --json as --json=pretty, and -2h as the value of --since.

    argparse takes both for something else.
    """
    spelled: list[str] = []
    for at, word in enumerate(words):
        if word == "--json" and list(words[at + 1 : at + 2]) not in MODES:
            spelled.append("--json=pretty")
        elif spelled and spelled[-1] in TIMES:
            option = spelled.pop()
            spelled.append(f"{option}={word}" if option.startswith("--") else option + word)
        else:
            spelled.append(word)
    return spelled


def _add_root_option(command: argparse.ArgumentParser, words: str) -> None:
    command.add_argument(
        "--root", metavar="DIR", type=existing_folder, default=argparse.SUPPRESS, help=words
    )


def _add_report_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--addresses", action="store_true", help="leave addresses, registers and code in the log"
    )
    command.add_argument("--host", action="store_true", help="tell the name of the machine")


def _add_test_options(command: argparse.ArgumentParser) -> None:
    which = command.add_mutually_exclusive_group()
    which.add_argument(
        "--dry-run", action="store_true", help="only print what speaks against a crash now"
    )
    which.add_argument(
        "--cancel",
        action="store_true",
        help="stop the test that is prepared or counted down, whoever asked for it",
    )
    command.add_argument(
        "--override",
        action="append",
        type=_code,
        default=[],
        metavar="CODE",
        help="crash in spite of this objection, if it is none that is fatal; can be repeated",
    )
    command.add_argument(
        "--yes",
        metavar="HOSTNAME",
        help="do not ask: crash the machine of this name, if this is it",
    )


def _add_common_options(parser: argparse.ArgumentParser) -> None:
    """Let the parser take what may stand before a command or after it; it sets no defaults."""
    parser.add_argument(
        "--bus",
        metavar="BUS",
        default=argparse.SUPPRESS,
        help="system (the default), session, or an address",
    )
    parser.add_argument(
        "--json",
        choices=JSON,
        metavar="MODE",
        default=argparse.SUPPRESS,
        help="print JSON: pretty (also meant without MODE), short, or off (default)",
    )


def _code(text: str) -> str:
    if problem := unheard_of([text]):
        raise argparse.ArgumentTypeError(problem)
    return text
