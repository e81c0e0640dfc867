# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of a log's troubles is the one that the kernel died of."""

import pytest

from kdumpd.model.crashlog.crash import parse_kernel_log
from kdumpd.model.vocabulary import Crash, CrashClass
from tests.model.crashlog.kernel_logs import read_log

CPU = "CPU: 1 PID: 700 Comm: victim Kdump: loaded Not tainted 6.1.0-21-amd64 #1  Debian 6.1.90-1"
TRACE = ["Call Trace:", " <TASK>", " {}+0x1/0x20", " do_syscall_64+0x5d/0xb0", " </TASK>"]
OOPS = [
    "BUG: kernel NULL pointer dereference, address: 0000000000000008",
    "Oops: 0002 [#{}] PREEMPT SMP NOPTI",
    CPU,
    "RIP: 0010:{}+0x5/0x20",
    *TRACE[:2],
    *TRACE[3:],
    "---[ end trace 0000000000000000 ]---",
]


def log(*blocks: tuple[float, list[str]]) -> bytes:
    lines = [
        f"[{start + i / 1000:12.6f}] {line}"
        for start, texts in blocks
        for i, line in enumerate(texts)
    ]
    return "\n".join(lines).encode() + b"\n"


def oops(number: int, function: str) -> list[str]:
    return [line.format(number if "[#" in line else function) for line in OOPS]


def panic(reason: str, function: str = "dump_stack") -> list[str]:
    return [
        f"Kernel panic - not syncing: {reason}",
        CPU,
        *(line.format(function) for line in TRACE),
    ]


HUNG = [
    "INFO: task backup:4000 blocked for more than 120 seconds.",
    "      Not tainted 6.1.0-21-amd64 #1",
    "task:backup          state:D stack:0     pid:4000  ppid:1      flags:0x00004002",
    *(line.format("mutex_lock") for line in TRACE[:3]),
    " disk_wait+0x1/0x20",
    *TRACE[3:],
]
SOFT = [
    "watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [victim:700]",
    CPU,
    "RIP: 0010:spin+0x1/0x2",
]
KILLED = [
    "victim invoked oom-killer: gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=0",
    CPU,
    *(line.format("dump_header") for line in TRACE),
    "Out of memory: Killed process 700 (victim) total-vm:4kB, anon-rss:0kB, file-rss:0kB",
]
WARNING = ["------------[ cut here ]------------", "WARNING: CPU: 1 PID: 7 at a.c:1 f+0x1/0x2", CPU]
CORRECTED = ["mce: [Hardware Error]: Machine check events logged"]
OUTLIVED = [oops(1, "old_bug"), HUNG, SOFT, KILLED, WARNING, CORRECTED]


@pytest.mark.parametrize("before", OUTLIVED)
def test_what_was_outlived_is_no_cause(before: list[str]) -> None:
    """Whatever happened hours ago, the panic now is its own."""
    crash = parse_kernel_log(log((100, before), (9000, panic("disk is gone", "disk_fail"))))
    assert crash.class_ is CrashClass.UNKNOWN
    assert (crash.reason, crash.function) == ("disk is gone", "disk_fail")
    assert not crash.hardware_error
    alone = parse_kernel_log(log((9000, panic("disk is gone", "disk_fail"))))
    assert crash == alone


@pytest.mark.parametrize("before", OUTLIVED)
@pytest.mark.parametrize(
    ("now", "class_", "function"),
    [
        (oops(2, "new_bug") + panic("Fatal exception"), CrashClass.NULL_DEREFERENCE, "new_bug"),
        (oops(2, "new_bug"), CrashClass.NULL_DEREFERENCE, "new_bug"),
        (HUNG + panic("hung_task: blocked tasks"), CrashClass.HUNG_TASK, "disk_wait"),
        (SOFT + panic("softlockup: hung tasks"), CrashClass.SOFT_LOCKUP, "spin"),
        (KILLED + panic("Out of memory: compulsory"), CrashClass.OUT_OF_MEMORY, ""),
        (["sysrq: Trigger a crash", *panic("sysrq triggered crash")], CrashClass.SYSRQ, ""),
    ],
)
def test_only_the_last_incident_counts(
    before: list[str], now: list[str], class_: CrashClass, function: str
) -> None:
    crash = parse_kernel_log(log((100, before), (9000, now)))
    assert (crash.class_, crash.function) == (class_, function)
    assert crash == parse_kernel_log(log((9000, now)))


def test_two_oopses_in_a_row() -> None:
    """The panic followed the second: its number is the nearer one."""
    crash = parse_kernel_log(
        log((100, oops(1, "first_bug") + oops(2, "second_bug") + panic("Fatal exception")))
    )
    assert crash.function == "second_bug"


@pytest.mark.parametrize("name", ["null", "null-notified", "page-fault", "list-del", "bug"])
def test_an_outlived_warning_a_second_before(name: str) -> None:
    """A warning is not what an oops was, however near: nothing asked for a panic on warnings."""
    text = read_log(name)
    start = text.index(b"] crasher: loading") - 13
    warning = log((3, WARNING))
    assert parse_kernel_log(text[:start] + warning + text[start:]) == parse_kernel_log(text)


def test_an_outlived_oops_half_a_minute_before() -> None:
    """Only "Fatal exception" reaches back that far: a slow console may have been between."""
    before = (100, oops(1, "old_bug"))
    crash = parse_kernel_log(log(before, (130, panic("disk is gone", "disk_fail"))))
    assert (crash.class_, crash.function) == (CrashClass.UNKNOWN, "disk_fail")
    crash = parse_kernel_log(log(before, (130, panic("Fatal exception"))))
    assert (crash.class_, crash.function) == (CrashClass.NULL_DEREFERENCE, "old_bug")


def test_an_interrupt_does_not_mix_with_what_it_interrupted() -> None:
    """What ran below is chance: the same crash over two tasks is one."""
    crashes = {
        parse_kernel_log(
            log(
                (
                    100,
                    [
                        *oops(1, "bug")[:4],
                        "Call Trace:",
                        " <IRQ>",
                        " run_timer_softirq+0x19/0x30",
                        " </IRQ>",
                        " <TASK>",
                        f" {interrupted}+0x1/0x2",
                        " </TASK>",
                    ],
                )
            )
        )
        for interrupted in ("do_idle", "read_zero")
    }
    assert len(crashes) == 1


def test_init_dies_of_an_oops_of_its_own() -> None:
    ended = panic("Attempted to kill init! exitcode=0x00000009")
    own = [line.replace("PID: 700 Comm: victim", "PID: 1 Comm: systemd") for line in oops(1, "bug")]
    crash = parse_kernel_log(log((100, own + ended)))
    assert (crash.class_, crash.function, crash.command) == (
        CrashClass.NULL_DEREFERENCE,
        "bug",
        "systemd",
    )
    crash = parse_kernel_log(log((100, oops(1, "bug") + ended)))
    assert (crash.class_, crash.reason) == (
        CrashClass.INIT_KILLED,
        "Attempted to kill init! exitcode=0x9",
    )


def test_the_first_of_several_blocked_tasks() -> None:
    other = [line.replace("backup:4000", "sync:4001") for line in HUNG]
    crash = parse_kernel_log(log((100, HUNG + other + panic("hung_task: blocked tasks"))))
    assert (crash.command, crash.pid, crash.function) == ("backup", 4000, "disk_wait")


def test_the_processor_that_is_locked_up() -> None:
    lines = [
        "watchdog: Watchdog detected hard LOCKUP on cpu 5",
        CPU,
        CPU.replace("CPU: 1 PID: 700 Comm: victim", "CPU: 5 PID: 900 Comm: spinner"),
        "RIP: 0010:spin+0x1/0x2 [spinner]",
        *(line.format("spin_more") for line in TRACE),
        *panic("Hard LOCKUP"),
    ]
    crash = parse_kernel_log(log((100, lines)))
    assert (crash.command, crash.pid, crash.function) == ("spinner", 900, "spin")


@pytest.mark.parametrize(
    ("reason", "class_"),
    [
        ("Fatal Machine check", CrashClass.MACHINE_CHECK),
        ("Timeout: Not all CPUs entered broadcast exception handler", CrashClass.MACHINE_CHECK),
        ("NMI: Not continuing", CrashClass.NMI),
        ("Out of memory and no killable processes...", CrashClass.OUT_OF_MEMORY),
        ("System is deadlocked on memory", CrashClass.OUT_OF_MEMORY),
        ("kasan.fault=panic set ...", CrashClass.KASAN),
        ("Hard LOCKUP", CrashClass.HARD_LOCKUP),
        ("RCU Stall", CrashClass.RCU_STALL),
        ("scheduling while atomic: panic_on_warn set ...", CrashClass.PANIC_ON_WARN),
        ("Machine halted.", CrashClass.DOUBLE_FAULT),
        ("Fatal exception in interrupt", CrashClass.UNKNOWN),
        ("audit: backlog limit exceeded", CrashClass.UNKNOWN),
        ("", CrashClass.UNKNOWN),
    ],
)
def test_a_panic_by_its_own_words(reason: str, class_: CrashClass) -> None:
    crash = parse_kernel_log(log((100, panic(reason, "caller"))))
    assert (crash.class_, crash.reason) == (class_, reason)


def test_a_console_with_two_boots() -> None:
    """What a serial line or ramoops kept: the boot that ended last is the one."""
    boot = ["Linux version 6.1.0-21-amd64 (a@b) (gcc) #1 SMP"]
    first = boot + oops(1, "first_bug") + panic("Fatal exception")
    second = boot + oops(1, "second_bug") + panic("Fatal exception")
    assert parse_kernel_log(log((0, first), (0, second))).function == "second_bug"
    # The crash kernel's own boot after it changes nothing.
    assert parse_kernel_log(log((0, first), (0, boot))).function == "first_bug"


FAKES = [
    "Kernel panic - not syncing: sysrq triggered crash",
    "sysrq: Trigger a crash",
    "Kernel panic - not syncing: Fatal machine check",
    "BUG: KASAN: use-after-free in f+0x1/0x2",
    "Oops: 0002 [#9] SMP",
    "[    9.000000] Kernel panic - not syncing: sysrq triggered crash",
]
CARRIERS = [
    "usb 1-1: Product: {}",
    "systemd[1]: {}",
    "EXT4-fs (sda1): error count since last fsck: {}",
    "process '{}' started with executable stack",
    " {}",
    "\t{}",
]


@pytest.mark.parametrize("fake", FAKES)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_strangers_words_within_a_line(carrier: str, fake: str) -> None:
    line = [carrier.format(fake)]
    assert parse_kernel_log(log((9000, line))) == Crash()
    honest = log((9000, oops(1, "bug") + panic("Fatal exception")))
    assert parse_kernel_log(log((8999.9, line)) + honest) == parse_kernel_log(honest)
    assert parse_kernel_log(honest + log((9000.1, line))) == parse_kernel_log(honest)


@pytest.mark.parametrize("fake", FAKES)
def test_strangers_words_on_a_line_of_their_own(fake: str) -> None:
    """A name with a newline: tools print what follows it without a time, or with blanks before."""
    honest = log((9000, oops(1, "bug") + panic("Fatal exception")))
    for line in (fake, f"               {fake}"):
        if not line.startswith("["):
            assert parse_kernel_log(line.encode() + b"\n" + honest) == parse_kernel_log(honest)
            assert parse_kernel_log(honest + line.encode()) == parse_kernel_log(honest)


@pytest.mark.parametrize(
    "name",
    ["BUG: KASAN: a ", "UBSAN: a in b:1", "Oops: 0 [#1] A", "Linux version 6", "panic: [#1]"],
)
def test_a_task_named_like_a_headline(name: str) -> None:
    """Its 15 bytes stand at the beginning of some lines."""
    lines = [f"{name} invoked oom-killer: gfp_mask=0x1(A), order=0", CPU, *panic("Fatal exception")]
    crash = parse_kernel_log(log((9000, oops(1, "bug") + lines)))
    assert (crash.class_, crash.function) == (CrashClass.NULL_DEREFERENCE, "bug")


def test_user_space_writes_to_the_kernel_log() -> None:
    """Root's programs may, and their records say that they are not the kernel's."""
    fake = b"<14>[    9.000000] Kernel panic - not syncing: sysrq triggered crash\n"
    assert parse_kernel_log(fake) == Crash()
    assert parse_kernel_log(fake.replace(b"<14>", b"<0>")).class_ is CrashClass.SYSRQ


# Lines that a user chose: the name of a file whose program dies is printed raw

CHOSEN = (
    "Kernel panic - not syncing: sysrq triggered crash",
    "sysrq: Trigger a crash",
    "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009",
)


@pytest.mark.parametrize("chosen", CHOSEN)
@pytest.mark.parametrize("before", [1, 3600])
def test_what_a_user_had_printed_before_an_oops(chosen: str, before: int) -> None:
    fake = ["a.out[9]: segfault at 0 ip 0 sp 0 error 4 in a", chosen, "z[1000+1000]"]
    crash = parse_kernel_log(log((100, fake), (100 + before, oops(1, "bug"))))
    assert (crash.class_, crash.function) == (CrashClass.NULL_DEREFERENCE, "bug")


@pytest.mark.parametrize("chosen", CHOSEN)
def test_what_a_user_had_printed_before_a_panic(chosen: str) -> None:
    own = panic("VFS: Unable to mount root fs on unknown-block(0,0)")
    crash = parse_kernel_log(log((100, [chosen]), (101, own)))
    assert crash.class_ is CrashClass.ROOT_NOT_MOUNTED


def test_an_oops_out_of_a_panic_is_not_the_cause() -> None:
    nested = oops(1, "notifier")
    nested[-3:-3] = [" panic+0x10/0x20", " cause+0x10/0x20"]
    own = panic("VFS: Unable to mount root fs on unknown-block(0,0)")
    crash = parse_kernel_log(log((100, own + nested)))
    assert crash.class_ is CrashClass.ROOT_NOT_MOUNTED
