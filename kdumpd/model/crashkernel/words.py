# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person who wrote a crashkernel= parameter may have meant."""

import re

from kdumpd.model.crashkernel.parameter import PREFIX, last_of_each_kind
from kdumpd.model.crashkernel.parse import parse_ranges

MOST = 4  # of them are told
LONGEST = 60  # characters of somebody's text in a sentence
# Not the kernel's own crashkernel=; the kernel hands what it does not know to init in silence.
MISSPELT = (
    rb"(?i)(?:crash[_-]kernel[=:]|crashkernel:|crashkernal=|crashkernels=|crashk=|kdump_crashkernel=)"
    rb"[^ \n\0]*"
)
VALUE = rb"crashkernel=([^ \n\0]*)"


def misspellings(cmdline: bytes) -> tuple[bytes, ...]:
    """Return the words that look like crashkernel= and are not."""
    words = cmdline.split()
    return tuple(
        word[:LONGEST] for word in words if re.fullmatch(MISSPELT, word) or _is_shouted(word)
    )


def superseded(cmdline: bytes) -> tuple[bytes, ...]:
    """Return the values that do not count because another one of their kind comes later."""
    last = set(last_of_each_kind(cmdline).values())
    values = dict.fromkeys(re.findall(VALUE, cmdline))
    found = [value for value in values if value not in last]
    return tuple(value[:LONGEST] for value in found[:MOST])


def unread_rest(cmdline: bytes) -> str:
    """Return what is wrong behind the last range that can be read, empty where nothing is."""
    value = last_of_each_kind(cmdline).get(b"", b"")
    return parse_ranges(value).complaint if b":" in value else ""


def _is_shouted(word: bytes) -> bool:
    return word.lower().startswith(PREFIX) and not word.startswith(PREFIX)
