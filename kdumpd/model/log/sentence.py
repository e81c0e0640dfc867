# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's sentences as they can be shown to everyone: no address, no register, no code."""

import re

from kdumpd.model.text import printable

LONGEST = 200  # characters
HIDDEN = "*"
OFFSET = re.compile(r"\+0x[0-9a-fA-F]+/0x[0-9a-fA-F]+")
EXIT_CODE = re.compile(r"\bexitcode=0x([0-9a-fA-F]{1,8})\b")
HEXADECIMAL = re.compile(r"[0-9a-fA-F]*0[xX][0-9a-fA-F]+|[0-9a-fA-F]{12,}")
# A 32-bit address, as %p prints it; decimal numbers of that length are not told apart.
WORD = re.compile(r"(?<![0-9A-Za-z_])[0-9a-fA-F]{8,}(?![0-9A-Za-z_])")


def plain_sentence(text: bytes) -> str:
    """Return the text printable, with every number that may be an address as an asterisk.

    An exit code stays, in decimal: it is no address.
    """
    shown = " ".join(printable(text).split())
    shown = OFFSET.sub("", shown)
    shown = EXIT_CODE.sub(lambda match: f"exitcode={int(match[1], 16)}", shown)
    shown = WORD.sub(HIDDEN, HEXADECIMAL.sub(HIDDEN, shown))
    return shown[:LONGEST].rstrip()
