# SPDX-License-Identifier: GPL-2.0-or-later
"""Stack traces in a kernel log, and which function in them is to blame."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kdumpd.model.crashlog.headlines import OFFSET, SYMBOL
from kdumpd.model.crashlog.lines import LogLine

# What a kernel runs to say that it dies, from the trap to the panic (x86, arm64, s390, ppc64,
# riscv), and the sanitizers, watchdogs and checks that only found what another function did.
_DYING_FUNCTIONS = rb"""
dump_stack\w* dump_backtrace\w* show_stack\w* show_regs\w* show_trace\w* sched_show_task
v?panic panic_\w+ nmi_panic\w* check_panic_on_warn\w* crash_kexec __crash_kexec machine_kexec
__warn\w* warn_slowpath\w* warn_bogus\w* report_bug handle_bug refcount_warn_saturate
__stack_chk_fail fortify_panic __fortify_panic
die __die\w* die_\w+ oops_\w+ no_context search_exception_tables
asm_exc_\w+ exc_\w+ idtentry\w* error_entry error_exit ret_from_exception ret_from_intr
(?:trace_)?(?:do_|__do_|___do_)?(?:async_)?page_fault\w* page_fault_oops kernelmode_fixup_or_oops
__?bad_area\w* bad_area\w* bad_page_fault\w* __bad_page_fault\w* do_kern_addr_fault
do_user_addr_fault mm_fault_error spurious_\w+ handle_page_fault do_hash_fault hash__do_page_fault
data_access\w* instruction_access\w* interrupt_return\w* program_check\w* alignment_common\w*
do_trap\w* do_error_trap do_invalid_op invalid_op do_divide_error divide_error do_int3 int3
do_general_protection general_protection do_double_fault double_fault do_stack_segment
do_mem_abort do_translation_fault do_bad_area __do_kernel_fault do_tag_check_fault do_sea
do_alignment_fault do_sp_pc_abort do_debug_exception do_undefinstr brk_handler bug_handler
bug_brk_handler call_break_hook el1_\w+ el1h_\w+ el1t_\w+ arm64_notify_die arm64_serror_panic
do_serror do_exception do_dat_exception do_protection_exception do_asce_exception pgm_check\w*
__do_pgm_check do_no_context handle_fault_error\w* handle_exception illegal_op do_report_trap
sysrq_handle_\w+ __handle_sysrq\w* handle_sysrq write_sysrq_trigger sysrq_\w+
nmi nmi_\w+ do_nmi default_do_nmi\w* end_repeat_nmi first_nmi repeat_nmi unknown_nmi_error\w*
mem_parity_error io_check_error pci_serr_error perf_event_nmi_handler __perf_event_overflow
perf_event_overflow intel_pmu_\w+ x86_pmu_\w+ amd_pmu_\w+ handle_pmi_common
watchdog watchdog_\w+ is_softlockup\w* check_hung_\w+ rcu_check_callbacks rcu_sched_clock_irq
print_cpu_stall\w* print_other_cpu_stall check_cpu_stall rcu_pending rcu_dump_cpu_stacks
update_process_times tick_\w+ __hrtimer_\w+ hrtimer_\w+ local_apic_timer_interrupt
\w*apic_timer_interrupt
do_machine_check mce_\w+ machine_check\w* mc_\w+ __ghes_\w+ ghes_\w+
kasan_\w+ __kasan_\w+ ____kasan_\w+ __asan_\w+ __hwasan_\w+ print_report\w* end_report
print_address_description\w* check_memory_region\w* kfence_\w+ __kfence_\w+
kcsan_\w+ __kcsan_\w+ __tsan_\w+ ubsan_\w+ __ubsan_\w+
__list_add_valid\w* __list_del_entry_valid\w*
"""
# The ways into the kernel, at every trace's end: they differ by the kernel's version.
_ENTRY_FUNCTIONS = rb"""
do_syscall_64 do_syscall_32\w* do_fast_syscall_32 do_int80\w* entry_\w+ x64_sys_call ia32_sys_call
system_call\w* sysenter_\w+ tracesys\w* sysret_\w+ __do_syscall ret_from_fork\w* kthread
ret_from_kernel_\w+ kernel_thread_starter start_kernel_thread
invoke_syscall el0_\w+ el0t_\w+ do_el0_svc ret_to_user
secondary_startup\w* start_secondary x86_64_start_\w+ common_startup_64 __primary_switched
__x64_sys_\w+ __ia32_sys_\w+ __arm64_sys_\w+ __s390x?_sys_\w+ __riscv_sys_\w+ __se_sys_\w+
__do_sys_\w+ [sS]y[sS]_\w+ SYSC_\w+
"""
# How a task that waits does so: its caller tells what for.
_WAITING_FUNCTIONS = rb"""
__schedule schedule schedule_\w+ io_schedule\w* __switch_to preempt_schedule\w*
wait_for_completion\w* __wait_for_common\w* do_wait_for_common
mutex_lock\w* __mutex_lock\w* rwsem_down_\w+ call_rwsem_down_\w+ down_read\w* down_write\w* down
__down\w* rt_mutex_\w+ __rt_mutex_\w+ bit_wait\w* __wait_on_bit\w* out_of_line_wait_on_\w+ msleep\w*
"""


def _any_of(words: bytes) -> bytes:
    return rb"|".join(words.split())


DYING_FUNCTION_PATTERN, ENTRY_FUNCTION_PATTERN, WAITING_FUNCTION_PATTERN = (
    _any_of(_DYING_FUNCTIONS),
    _any_of(_ENTRY_FUNCTIONS),
    _any_of(_WAITING_FUNCTIONS),
)


def is_dying(function: bytes) -> bool:
    """Return whether the function only says that the kernel dies, and of what."""
    return re.fullmatch(DYING_FUNCTION_PATTERN, function) is not None


def is_entry(function: bytes) -> bool:
    """Return whether the function is a way into the kernel that many crashes share."""
    return re.fullmatch(ENTRY_FUNCTION_PATTERN, function) is not None


def is_waiting(function: bytes) -> bool:
    """Return whether the function is how a task waits."""
    return re.fullmatch(WAITING_FUNCTION_PATTERN, function) is not None


MAX_TRACE_LINES = 1000  # of one trace, with the registers and modules between
MAX_TRACE_FRAMES = 64
MAX_FUNCTION_NAME_BYTES = 64  # KSYM_NAME_LEN is 512, for Rust

FUNCTION_AND_MODULE = rb"(" + SYMBOL + rb")" + OFFSET + rb"(?: \[([\w-]{1,64})[^\]]{0,64}\])?"
BRACKETED_ADDRESS = rb"\[<?[0-9a-f]{8,16}>?\] {0,2}"
# x86 "RIP: 0010:func+0x1/0x2 [module]" (with addresses before 4.10; e030 under Xen; 10: of machine
# checks), arm64 "pc : ", arm "PC is at ", riscv "epc : ", ppc64 "NIP [c00…] ", s390 "Krnl PSW : "
PROGRAM_COUNTER_LINE = (
    rb"(?:mce: \[Hardware Error\]: )?"
    rb"(?:RIP: (?:0010|e030):|RIP (?:!INEXACT! )?10:<[0-9a-f]{1,16}> \{|E?IP: (?:0060:)?|EIP is at "
    rb"|pc : |PC is at |epc : |NIP |Krnl PSW : [0-9a-f]{16} [0-9a-f]{16} \()"
    rb"(?:" + BRACKETED_ADDRESS + rb"){0,2}" + FUNCTION_AND_MODULE
)
# x86 and arm64: function, module, flags; with an address in [<>] before 4.10; ppc64 with two and
# perhaps (unreliable); a question mark is before what only lies on the stack.
FRAME_LINE = (
    rb" {0,8}(?:<\w{1,8}> {1,4})?\(?(?:"
    + BRACKETED_ADDRESS
    + rb"){0,2}\(?(\? )?"
    + FUNCTION_AND_MODULE
    + rb"[\w() ]{0,32}$"
)
# arm: "func from caller+0x1/0x2" since 5.18, "[<c00…>] (func) from [<c00…>] (caller+…)" before
ARM_FRAME_LINE = (
    rb" {0,8}(?:" + BRACKETED_ADDRESS + rb")?\(?(" + SYMBOL + rb")(?:" + OFFSET + rb")?\)? from "
    rb"(?:" + BRACKETED_ADDRESS + rb")?\(?" + FUNCTION_AND_MODULE
)
TRACE_BEGIN_LINE = rb"Call [Tt]race:"
TRACE_END_LINE = (
    rb" {0,4}</(?:TASK|IRQ|NMI)>|---\[ end |Kernel panic - |Allocated by task|Freed by task"
    rb"|Last Breaking-Event-Address"
)
# What a compiler adds to a name when it moves or copies code; BPF's tags are hashes of programs.
COMPILER_SUFFIX_PATTERN = rb"\.(?:cold|constprop|isra|part|llvm|lto_priv|\d).*$"
BPF_TAG_PATTERN = rb"[0-9a-fA-F]{12,}_?"
HEXADECIMAL_PREFIX_PATTERN = rb"0[xX]"


@dataclass(frozen=True, slots=True)
class Frame:
    """One function of a trace."""

    function: bytes
    module: bytes = b""


def parse_trace(lines: Sequence[LogLine], start: int, stop: int) -> Sequence[Frame]:
    """Return the first trace after a line, innermost function first; empty where there is none.

    It begins with the instruction that was executed, where the log says it.
    """
    frames: list[Frame] = []
    begun = False  # a Call Trace:, which riscv leaves out after its registers
    for line in lines[start : min(stop, start + MAX_TRACE_LINES)]:
        if re.match(TRACE_BEGIN_LINE, line.text) or re.match(TRACE_END_LINE, line.text):
            if begun and any(not is_dying(frame.function) for frame in frames):
                break
            begun = re.match(TRACE_BEGIN_LINE, line.text) is not None
            continue
        frame = _program_counter(line) or (_frame(line) if begun or frames else None)
        if frame and frame not in frames[-1:]:  # the counter's own comes twice, a recursion's often
            frames.append(frame)
            if len(frames) == MAX_TRACE_FRAMES:
                break
    return frames


def program_counter_index(lines: Sequence[LogLine], start: int, stop: int) -> int:
    """Return the first line after a line that says what was executed, the same line for none."""
    indices = range(start, min(stop, start + MAX_TRACE_LINES))
    return next((index for index in indices if _program_counter(lines[index])), start)


def own_frames(frames: Sequence[Frame]) -> Sequence[Frame]:
    """Return the frames without the kernel's dying and the ways into it."""
    own = [frame for frame in frames if not is_dying(frame.function)]
    return [frame for frame in own if not is_entry(frame.function)] or own


def blocked_frames(frames: Sequence[Frame]) -> Sequence[Frame]:
    """Return the frames of a task that waits, from the one that had it wait."""
    index = next((i for i, frame in enumerate(frames) if not is_waiting(frame.function)), 0)
    return frames[index:]


def plain_name(symbol: bytes) -> bytes:
    """Return a function's or module's name as it is written in the source, as far as one can tell.

    Nothing in it looks like an address.
    """
    plain = re.sub(BPF_TAG_PATTERN, b"", re.sub(COMPILER_SUFFIX_PATTERN, b"", symbol))
    return re.sub(HEXADECIMAL_PREFIX_PATTERN, b"0_", plain)[:MAX_FUNCTION_NAME_BYTES]


def _program_counter(line: LogLine) -> Frame | None:
    match = re.match(PROGRAM_COUNTER_LINE, line.text)
    return Frame(plain_name(match[1]), plain_name(match[2] or b"")) if match else None


def _frame(line: LogLine) -> Frame | None:
    match = re.match(FRAME_LINE, line.text)
    if match is not None:
        return None if match[1] else Frame(plain_name(match[2]), plain_name(match[3] or b""))
    match = re.match(ARM_FRAME_LINE, line.text)
    return Frame(plain_name(match[1])) if match else None
