# SPDX-License-Identifier: GPL-2.0-or-later
"""Which lines of a kernel log say that something is wrong, and what each of them means.

Each pattern matches from a line's start, and no repetition stands within another that could take
the same bytes. What strangers print (names, paths) comes after the kernel's own words, or is as
short as a task's name, which is too short for any pattern here.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Self

from kdumpd.model.crashlog.lines import LogLine
from kdumpd.model.text import USEC_PER_SEC
from kdumpd.model.vocabulary import CrashClass


class HeadlineKind(Enum):
    """What a headline means for those around it."""

    BOOT = auto()
    REQUEST = auto()  # somebody asked for a crash
    OOPS = auto()  # what is wrong; a line of kind DIE follows it
    DIE = auto()  # an oops' own line, the one with its number: [#1]
    EXPLANATION = auto()  # comes after the number
    REPORT = auto()  # a warning or a sanitizer's; the kernel goes on where it may
    LOCKUP = auto()
    MEMORY = auto()
    HARDWARE = auto()
    NMI = auto()
    PANIC = auto()


SYMBOL = rb"[A-Za-z_.$][\w.$]{0,199}"
OFFSET = rb"\+0x[0-9a-f]{1,16}/0x[0-9a-f]{1,16}"
FUNCTION = rb"(?P<function>" + SYMBOL + rb")" + OFFSET + rb"(?: \[(?P<module>[\w-]{1,64}))?"
FILE_AND_LINE = rb"[^\s:]{1,200}:\d{1,9}"
PLACE = rb"(?P<place>" + FILE_AND_LINE + rb")"

# "text [#1] PREEMPT SMP": what follows the number are words of the configuration.
OOPS_NUMBER = rb"[^\[]{0,120}\[#\d{1,6}\](?: [A-Z][\w()=]{0,30}){0,16}\s*$"
ERROR_CODE = rb"(?:: (?:0x)?[0-9a-f]{1,16}|, sig: \d{1,3}|,| )"
OOPS_PREFIX = rb"(?:Oops|Internal error)(?: - |: )(?:Oops(?: - |: ))?"

BOOT_HEADLINES = ((CrashClass.UNKNOWN, rb"(?P<say>Linux version) \d{1,3}\.\d{1,5}\S* \("),)

# drivers/tty/sysrq.c; "SysRq : " until 5.0
REQUEST_HEADLINES = (
    (CrashClass.SYSRQ, rb"(?P<say>(?:sysrq: SysRq : |sysrq: |SysRq : )Trigger a crash)\s*$"),
)

OOPS_HEADLINES = (
    # arch/x86/mm/fault.c: this form since 5.1, the one with "at" before
    (CrashClass.NULL_DEREFERENCE, rb"(?P<say>BUG: kernel NULL pointer dereference), address: "),
    (CrashClass.PAGE_FAULT, rb"(?P<say>BUG: unable to handle page fault) for address: "),
    (
        CrashClass.NULL_DEREFERENCE,
        rb"(?P<say>BUG: unable to handle kernel NULL pointer dereference)(?: at |$)",
    ),
    (CrashClass.PAGE_FAULT, rb"(?P<say>BUG: unable to handle kernel paging request)(?: at |$)"),
    # arch/powerpc/mm/fault.c, bad_page_fault(); the last form before 5.1
    (
        CrashClass.NULL_DEREFERENCE,
        rb"(?P<say>BUG: Kernel NULL pointer dereference(?: on (?:read|write))?)(?: at |$)",
    ),
    (CrashClass.PAGE_FAULT, rb"(?P<say>BUG: Unable to handle kernel [a-z -]{1,60}?)(?: at |$)"),
    (
        CrashClass.PAGE_FAULT,
        (
            rb"(?P<say>Unable to handle kernel paging request for [a-z -]{1,40}?)"
            rb" at address (?P<address>0x[0-9a-f]{1,16})"
        ),
    ),
    # mm/fault.c of arm, arm64, riscv, loongarch and mips
    (
        CrashClass.NULL_DEREFERENCE,
        rb"(?:CPU \d{1,6} )?(?P<say>Unable to handle kernel NULL pointer dereference)(?: at |$)",
    ),
    (
        CrashClass.PAGE_FAULT,
        rb"(?:CPU \d{1,6} )?(?P<say>Unable to handle kernel [a-z -]{1,60}?) at virtual address ",
    ),
    # arch/s390/mm/fault.c; the second line of it has the address
    (
        CrashClass.PAGE_FAULT,
        rb"(?P<say>Unable to handle kernel pointer dereference) in virtual \w{1,10} address space",
    ),
    (CrashClass.PAGE_FAULT, rb"(?P<say>)Failing address: (?P<address>[0-9a-f]{1,16}) TEID: "),
    # lib/list_debug.c
    (CrashClass.LIST_CORRUPTION, rb"(?P<say>list_(?:add|del) corruption)[.,] "),
    (CrashClass.LIST_CORRUPTION, rb"(?P<say>list_add double add): "),
    # lib/bug.c; without its file where the kernel was built without CONFIG_DEBUG_BUGVERBOSE
    (
        CrashClass.KERNEL_BUG,
        rb"(?P<say>kernel BUG at (?:[^\s:]{1,200}:\d{1,9}!|" + SYMBOL + rb"(?=" + OFFSET + rb")))",
    ),
    (CrashClass.DOUBLE_FAULT, rb"(?:traps: )?(?P<say>PANIC: double fault), error_code"),
    # traps.c of x86, arm64 and riscv; arch/x86/mm/fault.c before 5.16
    (CrashClass.STACK_OVERFLOW, rb"(?P<say>BUG: (?:[A-Z#]+ )?stack guard page was hit)"),
    (CrashClass.STACK_OVERFLOW, rb"(?P<say>Insufficient stack space to handle exception)"),
    (CrashClass.STACK_OVERFLOW, rb"(?P<say>Thread overran stack, or stack corrupted)"),
)

# With KASAN a dereference of NULL is a general protection fault, and only what follows tells.
EXPLANATION_HEADLINES = (
    (CrashClass.NULL_DEREFERENCE, rb"(?P<say>KASAN: null-ptr-deref in range) \["),
)

# Every architecture's die(): "Oops: 0002 [#1] SMP", "Internal error: Oops: 96000004 [#1] SMP"
_DIE_WORDS = (
    (
        CrashClass.GENERAL_PROTECTION,
        rb"general protection fault(?:, [a-z -]{1,60}address)?|stack segment|segment not present",
    ),
    (CrashClass.DIVIDE_ERROR, rb"divide error|fixpoint divide exception"),
    (
        CrashClass.INVALID_OPCODE,
        rb"invalid opcode|illegal operation|illegal instruction|[Uu]ndefined instruction",
    ),
    (CrashClass.DOUBLE_FAULT, rb"double fault"),
    (CrashClass.STACK_OVERFLOW, rb"kernel stack overflow|stack guard page|stack overflow"),
    (CrashClass.KERNEL_BUG, rb"BUG|Kernel BUG|monitor event|Exception in kernel mode"),
    (CrashClass.UBSAN, rb"UBSAN: [a-z -]{1,60}"),
    (CrashClass.MACHINE_CHECK, rb"synchronous external abort|[Mm]achine check"),
    (CrashClass.PAGE_FAULT, rb"Kernel access of bad area"),
    (CrashClass.NMI, rb"System Reset"),  # powerpc's, from the hypervisor or the service processor
    (CrashClass.UNKNOWN, rb"int3|alignment check|bounds|invalid TSS|simd exception|debug"),
)
DIE_HEADLINES = (
    *(
        (class_, rb"(?:" + OOPS_PREFIX + rb")?(?P<say>" + words + rb")" + ERROR_CODE + OOPS_NUMBER)
        for class_, words in _DIE_WORDS
    ),
    (
        CrashClass.PAGE_FAULT,
        rb"(?:Internal error: )?(?P<say>Oops)(?:: [0-9a-f]{1,16})? " + OOPS_NUMBER,
    ),
    (
        CrashClass.UNKNOWN,
        OOPS_PREFIX + rb"(?P<say>[A-Za-z][\w /-]{2,60})" + ERROR_CODE + OOPS_NUMBER,
    ),
)

REPORT_HEADLINES = (
    (CrashClass.NULL_DEREFERENCE, rb"(?P<say>BUG: KASAN: null-ptr-deref in )" + FUNCTION),
    (CrashClass.KASAN, rb"(?P<say>BUG: KAS[Aa][Nn]: [a-z -]{1,60} in )" + FUNCTION),
    (
        CrashClass.KCSAN,
        rb"(?P<say>BUG: KCSAN: [a-z: -]{1,60} in (?P<function>" + SYMBOL + rb")"
        rb"(?: / (?P<other>" + SYMBOL + rb"))?)(?:" + OFFSET + rb"(?: \[[\w-]{1,64}\])?)?\s*$",
    ),
    (
        CrashClass.UBSAN,
        rb"(?P<say>UBSAN: [A-Za-z -]{1,60} in " + FILE_AND_LINE + rb"(?::\d{1,9})?)\s*$",
    ),
    (CrashClass.PANIC_ON_WARN, rb"(?P<say>BUG: KFENCE: [a-z -]{1,60} in )" + FUNCTION),
    # kernel/panic.c, __warn(); the second form since 6.18, the third before 3.11
    (
        CrashClass.PANIC_ON_WARN,
        rb"(?P<say>WARNING:) CPU: \d{1,6} PID: \d{1,10} at " + PLACE + rb" " + FUNCTION,
    ),
    (CrashClass.PANIC_ON_WARN, rb"(?P<say>WARNING:) " + PLACE + rb" at " + FUNCTION),
    (CrashClass.PANIC_ON_WARN, rb"(?P<say>WARNING:) at " + PLACE + rb" " + FUNCTION),
)

# kernel/watchdog.c, kernel/hung_task.c, kernel/rcu/tree_stall.h, arch/powerpc/kernel/watchdog.c
_WATCHDOG = rb"(?:NMI )?(?:watchdog: )?"
_TASK = rb"(?P<comm>.{1,32}):(?P<pid>\d{1,10})"
LOCKUP_HEADLINES = (
    (
        CrashClass.SOFT_LOCKUP,
        rb"(?P<say>" + _WATCHDOG + rb"BUG: soft lockup - CPU#(?P<cpu>\d{1,6}) stuck for \d{1,9}s!)"
        rb" \[" + _TASK + rb"\]",
    ),
    (
        CrashClass.HARD_LOCKUP,
        rb"(?P<say>" + _WATCHDOG + rb"Watchdog detected hard LOCKUP on cpu (?P<cpu>\d{1,6}))",
    ),
    (
        CrashClass.HARD_LOCKUP,
        rb"(?P<say>[Ww]atchdog:? CPU[: ](?P<cpu>\d{1,6}) (?:self-detected hard|Hard) LOCKUP)",
    ),
    (
        CrashClass.HUNG_TASK,
        rb"(?P<say>INFO: task " + _TASK + rb" blocked (?:in I/O wait )?for more than \d{1,9} sec"
        rb"onds\.)",
    ),
    (
        CrashClass.RCU_STALL,
        (
            rb"(?P<say>(?:rcu: )?INFO: rcu_\w{1,20} (?:self-)?detected (?:expedited )?stalls?"
            rb" on CPUs?(?:/tasks)?)"
        ),
    ),
)

MEMORY_HEADLINES = ((CrashClass.OUT_OF_MEMORY, rb".{1,16} (?P<say>invoked oom-killer): gfp_mask="),)

# arch/x86/kernel/cpu/mce, drivers/acpi/apei; arch/x86/kernel/nmi.c
HARDWARE_HEADLINES = (
    (
        CrashClass.MACHINE_CHECK,
        rb"(?:mce: )?(?:\{\d{1,9}\})?\[Hardware Error\]: (?:CPU \d{1,6}: )?(?P<say>Machine Check)",
    ),
    (CrashClass.UNKNOWN, rb"(?:mce: )?(?:\{\d{1,9}\})?(?P<say>\[Hardware Error\]): "),
    (CrashClass.NMI, rb"(?P<say>NMI: PCI system error \(SERR\)|NMI: IOCK error)"),
)
NMI_HEADLINES = (
    (
        CrashClass.NMI,
        rb"(?:NMI: )?(?P<say>Uhhuh\. NMI received for unknown reason \w{1,4} on CPU \d{1,6}\.)",
    ),
)
PANIC_HEADLINES = ((CrashClass.UNKNOWN, rb"Kernel panic - not syncing: ?(?P<say>.*)"),)

HEADLINES_OF_KIND = {
    HeadlineKind.PANIC: PANIC_HEADLINES,
    HeadlineKind.BOOT: BOOT_HEADLINES,
    HeadlineKind.REQUEST: REQUEST_HEADLINES,
    HeadlineKind.OOPS: OOPS_HEADLINES,
    HeadlineKind.DIE: DIE_HEADLINES,
    HeadlineKind.EXPLANATION: EXPLANATION_HEADLINES,
    HeadlineKind.REPORT: REPORT_HEADLINES,
    HeadlineKind.LOCKUP: LOCKUP_HEADLINES,
    HeadlineKind.MEMORY: MEMORY_HEADLINES,
    HeadlineKind.HARDWARE: HARDWARE_HEADLINES,
    HeadlineKind.NMI: NMI_HEADLINES,
}


HEADLINE_RULES = tuple(
    (kind, class_, rb"(?s)" + pattern)
    for kind, rules in HEADLINES_OF_KIND.items()
    for class_, pattern in rules
)
# Without one of these words no rule matches, and most lines of a log have none.
HEADLINE_WORD_PATTERN = (
    rb"Kernel panic - |Linux version |Trigger a crash|BUG|Unable to handle kernel |Failing address"
    rb"|list_(?:add|del) |PANIC: |Insufficient stack|Thread overran|KASAN: |UBSAN: |WARNING: "
    rb"|LOCKUP|INFO: |invoked oom-killer|Hardware Error|NMI|\[#\d"
)
# a fault in it is a dereference of NULL (arch/powerpc and s390, mm/fault.c)
FIRST_PAGE_BYTES = 0x1000


@dataclass(frozen=True, slots=True)
class Distance:
    """How far apart the lines of one incident may be."""

    seconds: int
    lines: int  # where the log has no times


# A slow console delays a panic by the hundreds of lines of the report before it.
MAX_CAUSE_DISTANCE = Distance(seconds=60, lines=500)
MAX_SAME_MOMENT_DISTANCE = Distance(seconds=5, lines=300)
MAX_SAME_CRASH_DISTANCE = Distance(seconds=2, lines=200)


@dataclass(frozen=True, slots=True)
class Headline:
    """A line that names what is wrong."""

    index: int  # among the log's lines
    time: int | None  # microseconds
    kind: HeadlineKind
    class_: CrashClass
    sentence: bytes  # without the addresses and options that follow it
    details: Mapping[str, bytes]  # what else it says: function, module, place, comm, pid, cpu

    def may_cause(self, panic: Self) -> bool:
        """Return whether the line is as near to a panic as its cause is."""
        return self._is_within(MAX_CAUSE_DISTANCE, panic)

    def at_once(self, other: Self) -> bool:
        """Return whether nothing else can have come between the two."""
        return self._is_within(MAX_SAME_MOMENT_DISTANCE, other)

    def belongs(self, other: Self) -> bool:
        """Return whether the two can be lines of one report."""
        return self._is_within(MAX_SAME_CRASH_DISTANCE, other)

    def _is_within(self, distance: Distance, other: Self) -> bool:
        if self.time is None or other.time is None:
            return abs(self.index - other.index) <= distance.lines
        return abs(self.time - other.time) <= distance.seconds * USEC_PER_SEC


def find_headlines(lines: Sequence[LogLine]) -> Iterator[Headline]:
    """Return the lines that name something wrong, in the log's order."""
    hint = re.compile(HEADLINE_WORD_PATTERN)
    for index, line in enumerate(lines):
        if hint.search(line.text) and (headline := parse_headline(index, line)) is not None:
            yield headline


def parse_headline(index: int, line: LogLine) -> Headline | None:
    """Return what the line names as wrong, None for nothing."""
    for kind, class_, pattern in HEADLINE_RULES:
        if (match := re.match(pattern, line.text)) is not None:
            details = {name: text for name, text in match.groupdict().items() if text is not None}
            say = details.pop("say")
            null = int(details.get("address", b"1000"), 16) < FIRST_PAGE_BYTES
            kept = CrashClass.NULL_DEREFERENCE if null else class_
            return Headline(index, line.time, kind, kept, say, details)
    return None
