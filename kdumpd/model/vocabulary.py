# SPDX-License-Identifier: GPL-2.0-or-later
"""The words in which the state is told: on D-Bus, in the journal and by the command line.

They stand apart so that whoever only reads them needs nothing else of the model.
"""

from dataclasses import dataclass
from enum import StrEnum, auto


class Readiness(StrEnum):
    """The one-word answer shown on D-Bus, in the journal and by the command line."""

    READY = auto()
    DEGRADED = auto()
    NOT_READY = "not-ready"
    UNSUPPORTED = auto()


class Mechanism(StrEnum):
    """What would capture the next panic."""

    KDUMP = auto()
    FADUMP = auto()
    NONE = auto()


class CaptureState(StrEnum):
    """How much of the crash was saved."""

    COMPLETE = auto()
    INCOMPLETE = auto()
    DMESG_ONLY = "dmesg-only"
    UNREADABLE = auto()
    GONE = auto()


class BootEnd(StrEnum):
    """How a boot ended, in a word."""

    CLEAN = auto()  # in order
    CRASH_CAPTURED = "crash-captured"
    CRASH_INCOMPLETE = "crash-incomplete"  # something was saved, and no complete core
    CRASH_NOT_CAPTURED = "crash-not-captured"
    TEST_CAPTURED = "test-captured"
    TEST_NOT_CAPTURED = "test-not-captured"
    UNCLEAN = auto()  # power loss, reset or hang; or a crash that left no trace
    UNKNOWN = auto()


class CrashTestVerdict(StrEnum):
    """What a test has proven."""

    NONE = auto()  # there was no test
    PENDING = auto()  # the kernel was, or is about to be, crashed
    PASSED = auto()  # it left a complete capture
    FAILED = auto()


class CrashClass(StrEnum):
    """What a kernel died of; the words are public (D-Bus, journal)."""

    SYSRQ = "sysrq"  # somebody asked for it: a test or a hand
    NULL_DEREFERENCE = "null-dereference"
    PAGE_FAULT = "page-fault"
    GENERAL_PROTECTION = "general-protection"
    KERNEL_BUG = "kernel-bug"
    DIVIDE_ERROR = "divide-error"
    INVALID_OPCODE = "invalid-opcode"
    DOUBLE_FAULT = "double-fault"
    STACK_OVERFLOW = "stack-overflow"
    STACK_CORRUPTION = "stack-corruption"  # something wrote beyond its own part of the stack
    SOFT_LOCKUP = "soft-lockup"
    HARD_LOCKUP = "hard-lockup"
    HUNG_TASK = "hung-task"
    RCU_STALL = "rcu-stall"
    NMI = "nmi"
    MACHINE_CHECK = "machine-check"
    OUT_OF_MEMORY = "out-of-memory"
    INIT_KILLED = "init-killed"
    ROOT_NOT_MOUNTED = "root-not-mounted"
    PANIC_ON_WARN = "panic-on-warn"
    LIST_CORRUPTION = "list-corruption"
    KASAN = "kasan"
    UBSAN = "ubsan"
    KCSAN = "kcsan"
    USER_REQUEST = "user-request"  # by another way than sysrq, such as lkdtm
    UNKNOWN = "unknown"


def crash_was_intended(class_: str, *, is_test: bool) -> bool:
    """Return whether somebody crashed the kernel on purpose: as a test, or by hand."""
    return is_test or class_ == CrashClass.SYSRQ


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
    armed: bool | None = None  # was a crash kernel loaded; None where the log does not say
    hardware_error: bool = False
    kernel_release: str = ""  # as uname -r says it
    moment: int | None = None  # of its first line: microseconds since that kernel's boot
    signature: str = ""  # 16 hex digits, the same for the same crash; empty: nothing to group by
