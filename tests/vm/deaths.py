# SPDX-License-Identifier: GPL-2.0-or-later
"""The ways in which a guest's kernel dies, each with what its log must then say."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from tests.vm.guest import CUE, Scenario

CAPTURE = """
mkdir /host/left
cd /host/left
makedumpfile --dump-dmesg /proc/vmcore dmesg
makedumpfile --message-level 6 -c -d 31 /proc/vmcore core
"""


@dataclass(frozen=True, slots=True)
class Death:
    """A way to die."""

    kind: str  # the class that kdumpd shall find
    reason: str  # words of the log that no other cause explains
    scenario: Scenario

    @property
    def captured(self) -> bool:
        """Whether a crash kernel was ready; else the console's log is all that there is."""
        return self.scenario.armed and self.scenario.initramfs

    @property
    def by_crasher(self) -> bool:
        """Whether our module has to be there."""
        return CRASHER in self.scenario.panic


CRASHER = "/host/guest/crasher.ko"
DEAF = "crasher: nothing but an NMI is heard from here on"
# The driver of the keyboard looks for one at its leisure.
KEYBOARD = "until grep -q keyboard /proc/bus/input/devices; do sleep 0.1; done"
SYSRQ = "Kernel panic - not syncing: sysrq triggered crash"
NULL = "BUG: kernel NULL pointer dereference, address: 0000000000000000"


def told(*panic: str, monitor: tuple[str, ...] = (), cmdline: str = "") -> Scenario:
    """Return a death that some lines of shell bring about."""
    return Scenario(panic="\n".join(panic), capture=CAPTURE, monitor=monitor, cmdline=cmdline)


def crasher(
    how: str, *first: str, monitor: tuple[str, ...] = (), cue: str = CUE, cmdline: str = ""
) -> Scenario:
    """Return a death by our module; an oops is one too, as `oops=panic` is set."""
    return Scenario(
        panic="\n".join((*first, f"insmod {CRASHER} how={how}")),
        capture=CAPTURE,
        monitor=monitor,
        cue=cue,
        cmdline=f"oops=panic {cmdline}",
    )


def kernel(**values: int) -> str:
    """Return the shell's lines that set the kernel's variables."""
    return "\n".join(f"echo {value} > /proc/sys/kernel/{name}" for name, value in values.items())


# What is tried with every change: one of each family, and one bug in two boots.
IN_EVERY_RUN = (
    *("sysrq", "null", "null-again", "page-fault", "bug", "divide", "stack-overflow"),
    *("soft-lockup", "hard-lockup", "hung-task", "rcu-stall", "nmi", "machine-check"),
    *("out-of-memory", "panic"),
)

DEATHS: Mapping[str, Death] = MappingProxyType(
    {
        "sysrq": Death("sysrq", SYSRQ, told("echo c > /proc/sysrq-trigger")),
        "sysrq-keyboard": Death(
            "sysrq", SYSRQ, told(kernel(sysrq=1), KEYBOARD, monitor=("sendkey alt-sysrq-c",))
        ),
        "null": Death("null-dereference", NULL, crasher("null")),
        "null-again": Death("null-dereference", NULL, crasher("null")),  # another KASLR offset
        "null-member": Death(
            "null-dereference",
            "BUG: kernel NULL pointer dereference, address: 0000000000000098",
            crasher("null-member"),
        ),
        "null-call": Death("null-dereference", NULL, crasher("null-call")),
        "null-in-interrupt": Death("null-dereference", NULL, crasher("null-in-interrupt")),
        "null-in-work": Death("null-dereference", NULL, crasher("null-in-work")),
        # An armed kernel goes from the oops right into the crash kernel: the log has no line
        # "Kernel panic" then. With this parameter, or unarmed, it has.
        "null-notified": Death(
            "null-dereference", NULL, crasher("null", cmdline="crash_kexec_post_notifiers")
        ),
        "null-unarmed": Death("null-dereference", NULL, replace(crasher("null"), armed=False)),
        "page-fault": Death(
            "page-fault",
            "BUG: unable to handle page fault for address: ffff800000abc000",
            crasher("page-fault"),
        ),
        "write-read-only": Death(
            "page-fault",
            "#PF: error_code(0x0003) - permissions violation",
            crasher("write-read-only"),
        ),
        "execute-data": Death(
            "page-fault", "kernel tried to execute NX-protected page", crasher("execute-data")
        ),
        "general-protection": Death(
            "general-protection",
            "general protection fault, probably for non-canonical address 0xdead4ead00000000",
            crasher("general-protection"),
        ),
        "bug": Death("kernel-bug", "kernel BUG at ", crasher("bug")),
        "divide": Death("divide-error", "divide error: 0000 [#1]", crasher("divide")),
        "invalid-opcode": Death(
            "invalid-opcode", "invalid opcode: 0000 [#1]", crasher("invalid-opcode")
        ),
        "double-fault": Death("double-fault", "PANIC: double fault", crasher("double-fault")),
        "stack-overflow": Death(
            "stack-overflow", "BUG: TASK stack guard page was hit at ", crasher("stack-overflow")
        ),
        "stack-corruption": Death(
            "stack-corruption",
            "stack-protector: Kernel stack is corrupted in: crasher_stack_corruption",
            crasher("stack-corruption"),
        ),
        "soft-lockup": Death(
            "soft-lockup",
            "Kernel panic - not syncing: softlockup: hung tasks",
            crasher("soft-lockup", kernel(watchdog_thresh=1, softlockup_panic=1)),
        ),
        "hard-lockup": Death(
            "hard-lockup",
            "Kernel panic - not syncing: Hard LOCKUP",
            # The first finds that something was printed just now (touch_nmi_watchdog), the second
            # timer interrupts since the last look, the third no more (kernel/watchdog_hld.c). The
            # others are spare: one that comes before the last was heard is lost.
            crasher(
                *("hard-lockup", kernel(watchdog_thresh=1, hardlockup_panic=1)),
                monitor=("nmi",) * 5,
                cue=DEAF,
            ),
        ),
        "hung-task": Death(
            "hung-task",
            "Kernel panic - not syncing: hung_task: blocked tasks",
            crasher("hung-task &", kernel(hung_task_timeout_secs=3, hung_task_panic=1)),
        ),
        "rcu-stall": Death(
            "rcu-stall",
            "Kernel panic - not syncing: RCU Stall",
            crasher(
                *("rcu-stall", kernel(panic_on_rcu_stall=1)),
                cmdline="rcupdate.rcu_cpu_stall_timeout=3",
            ),
        ),
        # Alone, a CPU that spins starves the thread that looks for stalls. With another, it looks
        # on, and is told of by whichever of the two notices first.
        "rcu-stall-of-two": Death(
            "rcu-stall",
            "Kernel panic - not syncing: RCU Stall",
            replace(
                crasher(
                    *("rcu-stall", kernel(panic_on_rcu_stall=1)),
                    cmdline="rcupdate.rcu_cpu_stall_timeout=3",
                ),
                cpus=2,
            ),
        ),
        "soft-lockup-of-two": Death(
            "soft-lockup",
            "Kernel panic - not syncing: softlockup: hung tasks",
            replace(crasher("soft-lockup", kernel(watchdog_thresh=1, softlockup_panic=1)), cpus=2),
        ),
        "nmi": Death(
            "nmi",
            "Kernel panic - not syncing: NMI: Not continuing",
            told(kernel(unknown_nmi_panic=1), monitor=("nmi",)),
        ),
        "nmi-iock": Death(
            "nmi",
            "Kernel panic - not syncing: NMI IOCK error: Not continuing",
            crasher("nmi-iock", kernel(panic_on_io_nmi=1), monitor=("nmi",)),
        ),
        "nmi-serr": Death(
            "nmi",
            "NMI: PCI system error (SERR) for reason ",
            crasher("nmi-serr", kernel(panic_on_unrecovered_nmi=1), monitor=("nmi",)),
        ),
        "machine-check": Death(
            "machine-check",
            "Kernel panic - not syncing: Fatal local machine check",
            told(monitor=("mce 0 4 0xbd80000000000134 0x5 0x1000 0x8c",)),
        ),
        "out-of-memory": Death(
            "out-of-memory",
            "Kernel panic - not syncing: Out of memory: compulsory panic_on_oom is enabled",
            told("echo 2 > /proc/sys/vm/panic_on_oom", "tail /dev/zero"),
        ),
        "out-of-memory-system": Death(
            "out-of-memory",
            "Kernel panic - not syncing: Out of memory: system-wide panic_on_oom is enabled",
            told("echo 1 > /proc/sys/vm/panic_on_oom", "tail /dev/zero"),
        ),
        "out-of-victims": Death(
            "out-of-memory",
            "Kernel panic - not syncing: System is deadlocked on memory",
            told("exec tail /dev/zero"),
        ),
        "init-killed": Death(
            "init-killed", "Kernel panic - not syncing: Attempted to kill init!", told("exit 3")
        ),
        "panic-on-warn": Death(
            "panic-on-warn", "panic_on_warn set", crasher("warn", kernel(panic_on_warn=1))
        ),
        "list-del": Death("list-corruption", "list_del corruption", crasher("list-del")),
        "list-del-twice": Death(
            "list-corruption", "list_del corruption", crasher("list-del-twice")
        ),
        "list-add": Death("list-corruption", "list_add corruption", crasher("list-add")),
        "panic": Death(
            "unknown",
            "Kernel panic - not syncing: crasher: a panic was requested",
            crasher("panic"),
        ),
        "root-not-mounted": Death(
            "root-not-mounted",
            "Kernel panic - not syncing: VFS: Unable to mount root fs",
            Scenario(initramfs=False),
        ),
    }
)
