# SPDX-License-Identifier: GPL-2.0-or-later
"""What had been done to a kernel before it died."""

# Documentation/admin-guide/tainted-kernels.rst (6.15). G is the absence of P.
WORDS = {
    "P": "proprietary module",
    "F": "module loaded by force",
    "S": "processor out of specification",
    "R": "module removed by force",
    "M": "machine check",
    "B": "bad page",
    "U": "requested from user space",
    "D": "died before",
    "A": "ACPI table overridden",
    "W": "warned before",
    "C": "staging driver",
    "I": "firmware bug worked around",
    "O": "out-of-tree module",
    "E": "unsigned module",
    "L": "soft lockup before",
    "K": "live patched",
    "X": "distribution's own taint",
    "T": "structure layout randomised",
    "N": "test run",
    "J": "fwctl debugging",
}
NO_PROPRIETARY_MODULE = "G"


def taint_in_words(letters: str) -> str:
    """Return the letters of a Tainted: in words, followed by them; empty for no taint."""
    flags = dict.fromkeys(letter for letter in letters if letter.isalpha())
    words = [
        WORDS.get(letter, f"unknown {letter}")
        for letter in flags
        if letter != NO_PROPRIETARY_MODULE
    ]
    if not words:
        return ""
    return f"{', '.join(words)} ({_spaced(''.join(flags))})"


def _spaced(letters: str) -> str:
    """Return the first letter, which tells of licences, apart as the kernel does."""
    return " ".join(part for part in (letters[:1], letters[1:]) if part)
