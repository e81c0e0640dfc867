# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's sentences as they can be shown to everyone: no address, no register, no code."""

import re

from kdumpd.model.text import printable

LONGEST = 200  # characters
HIDDEN = "*"
OFFSET = r"\+0x[0-9a-fA-F]+/0x[0-9a-fA-F]+"
# kernel/exit.c: status in the second byte, signal in the first, printed with eight digits.
EXIT_CODE = r"\bexitcode=0x0{0,8}([0-9a-fA-F]{1,4})\b"
KEPT = "\0"  # stands for the 0x of a number that stays; nothing printable holds it
HEXADECIMAL = r"[0-9a-fA-F]*0[xX][0-9a-fA-F]+|[0-9a-fA-F]{12,}"
# A 32-bit address, as %p prints it; decimal numbers of that length are not told apart.
WORD = r"(?<![0-9A-Za-z_])[0-9a-fA-F]{8,}(?![0-9A-Za-z_])"


def plain_sentence(text: bytes) -> str:
    """Return the text printable, with every number that may be an address as an asterisk.

    An exit code of four digits or fewer stays: it is no address.
    """
    shown = " ".join(printable(text).split())
    shown = re.sub(OFFSET, "", shown)
    shown = re.sub(EXIT_CODE, rf"exitcode={KEPT}\1", shown)
    shown = re.sub(WORD, HIDDEN, re.sub(HEXADECIMAL, HIDDEN, shown)).replace(KEPT, "0x")
    return shown[:LONGEST].rstrip()
