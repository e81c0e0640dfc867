// SPDX-License-Identifier: GPL-2.0-or-later
/* Kills the kernel that loads it: `insmod crasher.ko how=null`. For test guests only. */
#include <linux/bug.h>
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/kprobes.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/perf_event.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/workqueue.h>
#include <asm/mach_traps.h>
#include <asm/nmi.h>

/* x86-64 addresses are canonical when bits 63 to 47 are equal: these are not. */
#define NON_CANONICAL 0xdead4ead00000000UL
/* Canonical and of the kernel's half, in a hole of its memory map (mm.rst: "guard hole"). */
#define UNMAPPED 0xffff800000abc000UL

/* Of kernel/rcu/rcu.h, exported for rcutorture. RCU_SEQ_STATE_MASK: not 0 while a grace period is
 * under way.
 */
unsigned long rcu_get_gp_seq(void);
#define CRASHER_GP_STATE 3UL

static char *how = "";
module_param(how, charp, 0);
MODULE_PARM_DESC(how, "the way to die, see the table at the end of crasher.c");

static noinline void crasher_null(void)
{
	volatile int *nothing = NULL;

	*nothing = 1;
}

/* As a member of a structure that is not there: the address is small, and not 0. */
static noinline void crasher_null_member(void)
{
	volatile int *member = (int *)0x98;

	pr_info("%d\n", *member);
}

static noinline void crasher_null_call(void)
{
	void (*volatile nothing)(void) = NULL;

	nothing();
}

static void crasher_on_timer(struct timer_list *unused)
{
	crasher_null();
}

static DEFINE_TIMER(crasher_timer, crasher_on_timer);

static noinline void crasher_null_in_interrupt(void)
{
	mod_timer(&crasher_timer, jiffies + 1);
}

static void crasher_on_work(struct work_struct *unused)
{
	crasher_null();
}

static DECLARE_WORK(crasher_work, crasher_on_work);

static noinline void crasher_null_in_work(void)
{
	schedule_work(&crasher_work);
}

static noinline void crasher_page_fault(void)
{
	volatile int *wild = (int *)UNMAPPED;

	pr_info("%d\n", *wild);
}

static const char crasher_constant[] = "read only";

static noinline void crasher_write_read_only(void)
{
	*(volatile char *)crasher_constant = 'R';
}

static noinline void crasher_execute_data(void)
{
	static char data[] = "\xc3"; /* ret */
	void (*volatile function)(void) = (void (*)(void))data;

	function();
}

static noinline void crasher_general_protection(void)
{
	volatile int *wild = (int *)NON_CANONICAL;

	pr_info("%d\n", *wild);
}

static noinline void crasher_bug(void)
{
	BUG();
}

static noinline void crasher_divide(void)
{
	asm volatile("divl %0" : : "r"(0), "a"(1), "d"(0) : "cc");
}

static noinline void crasher_invalid_opcode(void)
{
	asm volatile("ud2"); /* as BUG(), but not in the kernel's table of bugs */
}

/* A page fault needs the stack that it is about; the CPU then takes the double fault's own. */
static noinline void crasher_double_fault(void)
{
	asm volatile("mov %0, %%rsp; pushq $0" : : "r"(UNMAPPED) : "memory");
}

static noinline int crasher_recurse(int depth)
{
	volatile char used[256];

	used[depth % sizeof(used)] = (char)depth;
	if (depth == 1000000) /* never: the stack has 16 KiB */
		return 0;
	return crasher_recurse(depth + 1) + used[depth % sizeof(used)];
}

static noinline void crasher_stack_overflow(void)
{
	pr_info("%d\n", crasher_recurse(0));
}

static noinline void crasher_stack_corruption(void)
{
	char small[16];
	volatile char *p = small;
	int i;

	for (i = 0; i < 64; i++)
		p[i] = 'x';
	pr_info("%.8s\n", small);
}

static noinline void crasher_soft_lockup(void)
{
	preempt_disable();
	for (;;)
		cpu_relax();
}

static void crasher_after_grace_period(struct rcu_head *unused)
{
}

static noinline void crasher_rcu_stall(void)
{
	static struct rcu_head head;

	/* A grace period must have begun to be late, and alone we keep everybody from beginning one. */
	call_rcu(&head, crasher_after_grace_period);
	while (!(rcu_get_gp_seq() & CRASHER_GP_STATE))
		schedule_timeout_uninterruptible(1);
	rcu_read_lock();
	preempt_disable();
	for (;;)
		cpu_relax();
}

/* QEMU's TCG has no performance counters, whose overflow is the kernel's NMI watchdog. An NMI from
 * outside stands in for it: what it calls, and all that is printed, is the kernel's own.
 */
typedef void crasher_overflow_fn(struct perf_event *, struct perf_sample_data *, struct pt_regs *);
static crasher_overflow_fn *crasher_overflow;
static struct perf_event crasher_event;

static int crasher_on_nmi(unsigned int unused, struct pt_regs *regs)
{
	crasher_overflow(&crasher_event, NULL, regs);
	return NMI_HANDLED;
}

static noinline void crasher_hard_lockup(void)
{
	struct kprobe watchdog = { .symbol_name = "watchdog_overflow_callback" };

	if (register_kprobe(&watchdog)) /* it finds what is not exported */
		return;
	crasher_overflow = (crasher_overflow_fn *)watchdog.addr;
	unregister_kprobe(&watchdog);
	if (register_nmi_handler(NMI_LOCAL, crasher_on_nmi, 0, "crasher"))
		return;
	pr_emerg("crasher: nothing but an NMI is heard from here on\n"); /* the monitor's cue */
	local_irq_disable();
	for (;;)
		cpu_relax();
}

/* QEMU's port 0x61 never blames a device for an NMI; this answers in its place. */
static int crasher_reason;

static int crasher_instead_of_port(struct kprobe *unused, struct pt_regs *regs)
{
	regs->ax = crasher_reason;
	regs->ip = *(unsigned long *)regs->sp; /* returns at once */
	regs->sp += sizeof(unsigned long);
	return 1;
}

static struct kprobe crasher_port = {
	.symbol_name = "default_get_nmi_reason",
	.pre_handler = crasher_instead_of_port,
};

static noinline void crasher_nmi_iock(void)
{
	crasher_reason = NMI_REASON_IOCHK;
	if (register_kprobe(&crasher_port))
		pr_err("no NMI's reason can be given\n");
}

static noinline void crasher_nmi_serr(void)
{
	crasher_reason = NMI_REASON_SERR;
	if (register_kprobe(&crasher_port))
		pr_err("no NMI's reason can be given\n");
}

static noinline void crasher_hung_task(void)
{
	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		schedule();
	}
}

static noinline void crasher_warn(void)
{
	WARN(1, "the crasher warns of itself\n");
}

static noinline void crasher_list_del(void)
{
	LIST_HEAD(list);
	struct list_head first, other;

	list_add(&first, &list);
	INIT_LIST_HEAD(&other);
	list.next = &other; /* no longer the one that `first` believes in */
	list_del(&first);
}

static noinline void crasher_list_del_twice(void)
{
	LIST_HEAD(list);
	struct list_head first;

	list_add(&first, &list);
	list_del(&first);
	list_del(&first);
}

static noinline void crasher_list_add(void)
{
	LIST_HEAD(list);
	struct list_head first, second, other;

	list_add(&first, &list);
	INIT_LIST_HEAD(&other);
	list.next->prev = &other;
	list_add(&second, &list);
}

static noinline void crasher_panic(void)
{
	panic("crasher: a panic was requested");
}

static const struct {
	const char *name;
	void (*die)(void);
} crasher_ways[] = {
	{ "null", crasher_null },
	{ "null-member", crasher_null_member },
	{ "null-call", crasher_null_call },
	{ "null-in-interrupt", crasher_null_in_interrupt },
	{ "null-in-work", crasher_null_in_work },
	{ "page-fault", crasher_page_fault },
	{ "write-read-only", crasher_write_read_only },
	{ "execute-data", crasher_execute_data },
	{ "general-protection", crasher_general_protection },
	{ "bug", crasher_bug },
	{ "divide", crasher_divide },
	{ "invalid-opcode", crasher_invalid_opcode },
	{ "double-fault", crasher_double_fault },
	{ "stack-overflow", crasher_stack_overflow },
	{ "stack-corruption", crasher_stack_corruption },
	{ "soft-lockup", crasher_soft_lockup },
	{ "rcu-stall", crasher_rcu_stall },
	{ "hard-lockup", crasher_hard_lockup },
	{ "nmi-iock", crasher_nmi_iock },
	{ "nmi-serr", crasher_nmi_serr },
	{ "hung-task", crasher_hung_task },
	{ "warn", crasher_warn },
	{ "list-del", crasher_list_del },
	{ "list-del-twice", crasher_list_del_twice },
	{ "list-add", crasher_list_add },
	{ "panic", crasher_panic },
};

static int __init crasher_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(crasher_ways); i++) {
		if (strcmp(how, crasher_ways[i].name) == 0) {
			crasher_ways[i].die();
			return 0;
		}
	}
	return -EINVAL;
}

module_init(crasher_init);
MODULE_DESCRIPTION("Dies in a chosen way, for the tests of kdumpd");
MODULE_LICENSE("GPL");
