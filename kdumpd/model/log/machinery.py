# SPDX-License-Identifier: GPL-2.0-or-later
"""Functions that stand in a crash's trace without being any part of what went wrong."""

import re

# What a kernel runs to say that it dies, from the trap to the panic (x86, arm64, s390, ppc64,
# riscv), and the sanitizers, watchdogs and checks that only found what another function did.
_DYING = rb"""
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
_ENTRY = rb"""
do_syscall_64 do_syscall_32\w* do_fast_syscall_32 do_int80\w* entry_\w+ x64_sys_call ia32_sys_call
system_call\w* sysenter_\w+ tracesys\w* sysret_\w+ __do_syscall ret_from_fork\w* kthread
ret_from_kernel_\w+ kernel_thread_starter start_kernel_thread
invoke_syscall el0_\w+ el0t_\w+ do_el0_svc ret_to_user
secondary_startup\w* start_secondary x86_64_start_\w+ common_startup_64 __primary_switched
__x64_sys_\w+ __ia32_sys_\w+ __arm64_sys_\w+ __s390x?_sys_\w+ __riscv_sys_\w+ __se_sys_\w+
__do_sys_\w+ [sS]y[sS]_\w+ SYSC_\w+
"""
# How a task that waits does so: its caller tells what for.
_WAITING = rb"""
__schedule schedule schedule_\w+ io_schedule\w* __switch_to preempt_schedule\w*
wait_for_completion\w* __wait_for_common\w* do_wait_for_common
mutex_lock\w* __mutex_lock\w* rwsem_down_\w+ call_rwsem_down_\w+ down_read\w* down_write\w* down
__down\w* rt_mutex_\w+ __rt_mutex_\w+ bit_wait\w* __wait_on_bit\w* out_of_line_wait_on_\w+ msleep\w*
"""


def _any_of(words: bytes) -> bytes:
    return rb"|".join(words.split())


DYING, ENTRY, WAITING = _any_of(_DYING), _any_of(_ENTRY), _any_of(_WAITING)


def is_dying(function: bytes) -> bool:
    """Return whether the function only says that the kernel dies, and of what."""
    return re.fullmatch(DYING, function) is not None


def is_entry(function: bytes) -> bool:
    """Return whether the function is a way into the kernel that many crashes share."""
    return re.fullmatch(ENTRY, function) is not None


def is_waiting(function: bytes) -> bool:
    """Return whether the function is how a task waits."""
    return re.fullmatch(WAITING, function) is not None
