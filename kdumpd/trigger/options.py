# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line of kdumpd-trigger."""

import argparse

from kdumpd import __version__
from kdumpd.arguments import Parser, add_bus_option, add_machine_options
from kdumpd.trigger.sysrq import CRASH, KEYS


def arguments_parser() -> argparse.ArgumentParser:
    """Return the parser of kdumpd-trigger's command line."""
    parser = Parser(
        prog="kdumpd-trigger",
        description="Crash the kernel on purpose, for who may, when nothing speaks against it.",
        epilog="Started by D-Bus and systemd, which pass a descriptor of /proc/sysrq-trigger. The "
        "exit status is 0 when it was asked to end, or nobody asks it for anything; 1 when it "
        "cannot go on, and 64 for a wrong command line.",
    )
    parser.add_argument("--version", action="version", version=f"kdumpd-trigger {__version__}")
    add_machine_options(parser)
    add_bus_option(parser)
    parser.add_argument(
        "--key",
        choices=KEYS,
        default=CRASH,
        help="the key of SysRq: c crashes (the default), h rehearses: the kernel prints its help",
    )
    return parser
