# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon's command line."""

import argparse
import os
from pathlib import Path

from kdumpd import __version__
from kdumpd.arguments import Parser, add_bus_option, add_json_option, add_machine_options

STATE_DIR = Path("/var/lib/kdumpd")


def arguments_parser() -> argparse.ArgumentParser:
    """Return the parser of kdumpd's command line."""
    parser = Parser(
        prog="kdumpd",
        description="Watch kernel crash captures, and say whether the next one would succeed.",
        epilog="With --check the exit status is 0 for ready, 1 for degraded, 2 for not ready, "
        "3 for unsupported; with --list it is 0 where there is a capture, else 1. It is "
        "64 for a wrong command line, and 74 if nothing can be printed.",
    )
    parser.add_argument("--version", action="version", version=f"kdumpd {__version__}")
    add_machine_options(parser)
    add_bus_option(parser)
    parser.add_argument(
        "--state-dir",
        metavar="DIR",
        type=Path,
        default=STATE_DIR,
        help=f"keep the ledger here (default: {STATE_DIR})",
    )
    parser.add_argument(
        "--iomem",
        metavar="FD",
        type=_descriptor,
        help="read /proc/iomem, which hides its addresses from all but root, from this descriptor"
        " that root opened",
    )
    add_json_option(parser)
    once = parser.add_mutually_exclusive_group()
    once.add_argument(
        "--check",
        action="store_true",
        help="judge readiness once, print it, and exit; needs no bus and no root",
    )
    once.add_argument(
        "--list",
        action="store_true",
        help="print as JSON the captures that lie in the crash folders, and exit; needs no bus",
    )
    return parser


def _descriptor(text: str) -> int:
    try:
        number = int(text)
        os.fstat(number)
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(f"'{text}' is no open descriptor") from None
    return number
