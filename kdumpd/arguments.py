# SPDX-License-Identifier: GPL-2.0-or-later
"""What the command lines of all programs have in common."""

import argparse
import sys
from typing import NoReturn

EXIT_USAGE, EXIT_IO, EXIT_CONFIG = 64, 74, 78  # sysexits.h
JSON = ("pretty", "short", "off")


class Parser(argparse.ArgumentParser):
    """A parser whose errors cannot be taken for an answer about readiness."""

    def error(self, message: str) -> NoReturn:  # type: ignore[explicit-override]  # typing.override: 3.12
        """Print the message and exit."""
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Let the parser take --json, which alone is --json=pretty."""
    parser.add_argument(
        "--json",
        nargs="?",
        choices=JSON,
        const="pretty",
        default="off",
        metavar="MODE",
        help="print JSON: pretty, short, or off (default)",
    )
