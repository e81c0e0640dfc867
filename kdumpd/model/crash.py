# SPDX-License-Identifier: GPL-2.0-or-later
"""What crashed, as far as it is known."""

from dataclasses import dataclass

from kdumpd.model.crash_class import CrashClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """What a kernel log tells of its crash. No text holds an address, a register or code."""

    class_: CrashClass = CrashClass.UNKNOWN
    reason: str = ""  # one sentence of the kernel's own, printable, at most 200 characters
    function: str = ""  # where it happened, without offset; empty where no function is to blame
    module: str = ""  # the one that the function belongs to
    command: str = ""  # the task's name: whoever started it chose it
    pid: int | None = None
    tainted: str = ""  # in words, with the letters: "out-of-tree module (G O)"
    armed: bool | None = None  # was a capture kernel loaded; None where the log does not say
    hardware_error: bool = False
    kernel_release: str = ""  # as uname -r says it
    moment: int | None = None  # of its first line: microseconds since that kernel's boot
    signature: str = ""  # 16 hex digits, the same for the same crash; empty: nothing to group by
