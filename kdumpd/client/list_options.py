# SPDX-License-Identifier: GPL-2.0-or-later
"""What chooses captures on the command line of kdumpdctl list."""

import argparse
from collections.abc import Sequence
from datetime import datetime

from kdumpd.client.summary import UNTRUSTED
from kdumpd.ctl.timestamps import MomentError, parse_moment
from kdumpd.model.vocabulary import CaptureState, CrashClass

STATES = (*map(str, CaptureState), UNTRUSTED)


def add_list_options(command: argparse.ArgumentParser) -> None:
    """Let the parser of `list` take what chooses captures."""
    command.add_argument(
        "-n", "--lines", metavar="N", type=_count, help="the newest N captures only"
    )
    command.add_argument(
        "-S", "--since", metavar="TIME", type=_moment, help="crashes at this time or later"
    )
    command.add_argument(
        "-U", "--until", metavar="TIME", type=_moment, help="crashes at this time or before"
    )
    command.add_argument("-r", "--reverse", action="store_true", help="the newest crash first")
    command.add_argument(
        "--no-legend", dest="legend", action="store_false", help="print no line of headings"
    )
    command.add_argument(
        "--state",
        dest="states",
        metavar="STATE,…",
        type=lambda text: _words(text, STATES),
        default=[],
        help=f"captures in these states only: {', '.join(STATES)}",
    )
    command.add_argument(
        "--class",
        dest="classes",
        metavar="CLASS,…",
        type=lambda text: _words(text, [str(one) for one in CrashClass]),
        default=[],
        help="crashes of these classes only",
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"'{text}' is no number")
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
            raise argparse.ArgumentTypeError(f"'{word}' is none of: {', '.join(known)}")
    return words
