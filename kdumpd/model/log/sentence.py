# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's sentences as they can be shown to everyone: a log's lines, without their numbers."""

import re

from kdumpd.model.crashlog.scrub import HIDDEN, without_addresses

LONGEST = 200  # characters


def plain_sentence(text: bytes) -> str:
    """Return the text printable, with every marked number and every long one as an asterisk.

    An exit code of four digits or fewer stays: it is no address.
    """
    shown = " ".join(without_addresses(text, _in_sentence).split())
    return shown[:LONGEST].rstrip()


def _in_sentence(match: re.Match[str]) -> str:
    if match["exit"]:
        return f"exitcode=0x{match['exit']}"
    return "" if match["offset"] else HIDDEN
