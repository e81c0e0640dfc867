# SPDX-License-Identifier: GPL-2.0-or-later
"""The kinds of crash that are told apart."""

from enum import StrEnum


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
