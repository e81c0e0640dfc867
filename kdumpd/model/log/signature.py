# SPDX-License-Identifier: GPL-2.0-or-later
"""What makes two crashes the same one."""

import hashlib
import re
from collections.abc import Sequence

from kdumpd.model.crash_class import CrashClass

MOST_FRAMES = 6  # as many as ABRT takes
HEX_DIGITS = 16
NUMBER = r"\w*\d\w*"
# No function is to blame: all of them are one crash.
BY_CLASS = frozenset({CrashClass.SYSRQ, CrashClass.OUT_OF_MEMORY, CrashClass.ROOT_NOT_MOUNTED})
# Where the kernel was is chance, or always the same: the reason tells them apart.
BY_REASON = frozenset({CrashClass.NMI, CrashClass.MACHINE_CHECK, CrashClass.INIT_KILLED})


def signature(class_: CrashClass, functions: Sequence[bytes], reason: str) -> str:
    """Return the same 16 hex digits for the same crash, whatever the boot; empty for nothing known.

    It is made from the class and the innermost functions, or from the reason without its numbers
    where there are none; out of memory, sysrq and a missing root are each one crash.
    """
    if class_ in BY_CLASS:
        parts = [b""]
    elif functions and class_ not in BY_REASON:
        parts = list(functions[:MOST_FRAMES])
    elif reason:
        kept = reason if class_ is CrashClass.INIT_KILLED else re.sub(NUMBER, "", reason)
        parts = [kept.encode()]
    else:
        return ""
    return hashlib.sha256(b"\n".join([class_.encode(), *parts])).hexdigest()[:HEX_DIGITS]
