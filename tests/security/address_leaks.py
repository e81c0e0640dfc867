# SPDX-License-Identifier: GPL-2.0-or-later
"""What everybody may read must not tell where the kernel lies, or what was in its memory."""

import re

# A pointer as the kernel prints it (%px, %p, %lx), and what follows 0x.
ADDRESS = re.compile(r"0x[0-9a-f]{8,}|(?<![0-9a-f])[0-9a-f]{16}(?![0-9a-f])", re.IGNORECASE)


def is_telling(text: str) -> bool:
    """Return whether a kernel address can be read out of the text."""
    return ADDRESS.search(text) is not None
