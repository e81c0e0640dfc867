# SPDX-License-Identifier: GPL-2.0-or-later
"""A panic's last words: what they tell by themselves, and which lines before them tell more."""

import re

from kdumpd.model.crash_class import CrashClass
from kdumpd.model.crashlog.headlines import Kind

# The kind of line that can tell more of such a panic; PANIC where it tells all by itself.
RULES = (
    (CrashClass.SYSRQ, Kind.REQUEST, rb"sysrq triggered crash"),
    # kernel/panic.c, check_panic_on_warn(): "kernel: …", "KASAN: …" since 6.2
    (CrashClass.PANIC_ON_WARN, Kind.REPORT, rb"(?:.{1,40}: )?panic_on_warn set"),
    (CrashClass.KASAN, Kind.REPORT, rb"kasan\.fault=panic set"),
    (CrashClass.SOFT_LOCKUP, Kind.LOCKUP, rb"softlockup: hung tasks"),
    (CrashClass.HUNG_TASK, Kind.LOCKUP, rb"hung_task: blocked tasks"),
    (CrashClass.HARD_LOCKUP, Kind.LOCKUP, rb"(?:Watchdog detected )?[Hh]ard LOCKUP"),
    (CrashClass.RCU_STALL, Kind.LOCKUP, rb"RCU Stall"),
    # arch/x86/kernel/cpu/mce/core.c; drivers/acpi/apei/ghes.c; arch/arm64/kernel/traps.c
    (
        CrashClass.MACHINE_CHECK,
        Kind.HARDWARE,
        (
            rb"(?:Fatal |Uncorrected |Unrecoverable )?(?:local )?[Mm]achine [Cc]heck"
            rb"|Timeout: Not all CPUs entered broadcast exc|Timeout synchronizing machine check"
            rb"|Fatal hardware error|Processor context corrupt|Asynchronous SError Interrupt"
            rb"|\w{0,20} ?synchronous external abort"
        ),
    ),
    (CrashClass.NMI, Kind.NMI, rb"NMI|Non[ -]maskable|An NMI occurred"),
    (
        CrashClass.OUT_OF_MEMORY,
        Kind.PANIC,
        rb"Out of memory|out of memory|System is deadlocked on memory",
    ),
    (CrashClass.INIT_KILLED, Kind.OOPS, rb"Attempted to kill init"),
    (CrashClass.ROOT_NOT_MOUNTED, Kind.PANIC, rb"VFS: Unable to mount root fs"),
    (
        CrashClass.STACK_OVERFLOW,
        Kind.OOPS,
        rb"[Kk]ernel stack overflow|corrupted stack end|Corrupt kernel stack",
    ),
    (CrashClass.STACK_CORRUPTION, Kind.OOPS, rb"stack-protector: "),  # kernel/panic.c
    (CrashClass.USER_REQUEST, Kind.PANIC, rb"dumptest$"),  # drivers/misc/lkdtm/bugs.c
    # Machine halted is what follows a double fault.
    (CrashClass.DOUBLE_FAULT, Kind.OOPS, rb"Machine halted"),
)
# What a panic says that only follows an oops: alone it is no reason.
AFTER_AN_OOPS = (
    rb"(?:Oops[^:]{0,60}: )?Fatal exception|Aiee, killing interrupt|Attempted to kill the idle"
)


def panic_class(sentence: bytes) -> tuple[CrashClass, Kind]:
    """Return the class of a panic by its own words, and what kind of line can tell more of it.

    Words that are not known here may follow an oops, as some architectures' do.
    """
    for class_, kind, pattern in RULES:
        if re.match(pattern, sentence):
            return class_, kind
    return CrashClass.UNKNOWN, Kind.OOPS
