# SPDX-License-Identifier: GPL-2.0-or-later
import re
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.model.crashlog.crash import parse_kernel_log
from kdumpd.model.vocabulary import Crash, CrashClass
from tests.model.crashlog.kernel_logs import DIRECTORY, HARDWARE, REAL, REMADE, read_log

ALL = {**REAL, **REMADE}
ADDRESS = re.compile(r"(?i)[0-9a-f]{16}")
NUMBER = re.compile(r"\d+")
HEXADECIMAL = re.compile(r"(?i)(?<!exitcode=)0x[0-9a-f]|exitcode=0x[0-9a-f]{5}")
# What is one crash in several logs: another KASLR offset, another way to the crash kernel, the
# same trouble reported by another processor.
SAME = (
    {"null", "null-again", "null-notified", "null-unarmed"},
    {"sysrq", "sysrq-keyboard", "rhel7-sysrq", "ppc64-sysrq"},
    {"rcu-stall", "rcu-stall-of-two"},
    {"soft-lockup", "soft-lockup-of-two"},
    {"out-of-memory", "out-of-memory-system"},
)


@pytest.mark.parametrize("name", ALL)
def test_what_crashed(name: str) -> None:
    crash = parse_kernel_log(read_log(name))
    class_, reason, function, module, command, pid, tainted, armed = ALL[name]
    assert crash.class_ is class_
    assert NUMBER.sub("N", crash.reason) == NUMBER.sub("N", reason)
    assert (crash.function, crash.module) == (function, module)
    assert crash.command == command
    assert crash.pid == pid or (name in REAL and None not in (crash.pid, pid))
    assert (crash.tainted, crash.armed) == (tainted, armed)
    assert crash.hardware_error is (name in HARDWARE)
    assert_safe(crash)


def test_every_real_log_is_expected() -> None:
    assert {path.stem for path in DIRECTORY.glob("*.txt")} >= REAL.keys()
    assert {path.stem for path in (DIRECTORY / "old").glob("*.txt")} == REMADE.keys()


def test_every_class_has_a_log() -> None:
    assert {expected[0] for expected in ALL.values()} == set(CrashClass)


def test_the_same_crash_has_one_signature() -> None:
    signatures = {name: parse_kernel_log(read_log(name)).signature for name in ALL}
    assert all(re.fullmatch("[0-9a-f]{16}", signature) for signature in signatures.values())
    for one, other in combinations(ALL, 2):
        same = any({one, other} <= names for names in SAME)
        assert (signatures[one] == signatures[other]) == same, (one, other)


@pytest.mark.parametrize("name", ALL)
def test_a_moved_kernel(name: str) -> None:
    """Another boot: other addresses, times, task numbers, and a rebuilt kernel's offsets."""
    crash = parse_kernel_log(read_log(name))
    moved = re.sub(rb"\b(ff[0-9a-f]{6})[0-9a-f]{8}\b", rb"\g<1>12345678", read_log(name))
    moved = re.sub(rb"\+0x[0-9a-f]+/0x", rb"+0x7/0x", moved)
    moved = re.sub(rb"PID: (\d)", rb"PID: 9\1", moved)
    moved = re.sub(rb"\.(cold|constprop\.0|isra\.0)\+", rb".part.5.isra.1+", moved)
    moved = re.sub(rb"\[ *(\d+)\.(\d{6})\]", shifted, moved)
    assert parse_kernel_log(moved).signature == crash.signature
    assert parse_kernel_log(moved).class_ == crash.class_


def shifted(match: re.Match[bytes]) -> bytes:
    return b"[%5d.%b]" % (int(match[1]) + 4000, match[2])


@pytest.mark.parametrize("name", ["sysrq", "machine-check", "null-unarmed"])
def test_which_kernel_it_was(name: str) -> None:
    log = read_log(name)
    assert parse_kernel_log(log).kernel_release == "6.1.0-56-amd64"
    without_its_beginning = log[log.index(b"Command line") :]
    expected = "" if name == "machine-check" else "6.1.0-56-amd64"
    assert parse_kernel_log(without_its_beginning).kernel_release == expected


def test_a_log_that_ends_in_peace() -> None:
    log = read_log("sysrq")
    quiet = log[: log.rindex(b"\n", 0, log.index(b"sysrq: Trigger"))]
    assert parse_kernel_log(quiet) == Crash(kernel_release="6.1.0-56-amd64")
    assert parse_kernel_log(b"") == Crash()
    assert parse_kernel_log(b"\n\n\0\n") == Crash()


@pytest.mark.parametrize(
    ("name", "class_"),
    [
        ("null", CrashClass.NULL_DEREFERENCE),
        ("null-notified", CrashClass.NULL_DEREFERENCE),
        ("sysrq", CrashClass.SYSRQ),
        ("hung-task", CrashClass.HUNG_TASK),
        ("soft-lockup", CrashClass.SOFT_LOCKUP),
        ("rcu-stall", CrashClass.RCU_STALL),
        ("out-of-memory", CrashClass.OUT_OF_MEMORY),
        ("machine-check", CrashClass.MACHINE_CHECK),
        ("nmi", CrashClass.NMI),
        ("list-del", CrashClass.LIST_CORRUPTION),
        ("kasan", CrashClass.KASAN),
        ("arm64-null", CrashClass.NULL_DEREFERENCE),
        ("s390-null", CrashClass.NULL_DEREFERENCE),
        ("ppc64-null", CrashClass.NULL_DEREFERENCE),
    ],
)
def test_a_log_that_was_cut_short(name: str, class_: CrashClass) -> None:
    """Whatever number of its last lines are missing, it is never another crash."""
    lines = read_log(name).splitlines(keepends=True)
    seen = [parse_kernel_log(b"".join(lines[:count])).class_ for count in range(len(lines))]
    first = seen.index(class_)
    faults = {CrashClass.NULL_DEREFERENCE: CrashClass.PAGE_FAULT}
    assert set(seen[:first]) <= {CrashClass.UNKNOWN, faults.get(class_, CrashClass.UNKNOWN)}
    assert set(seen[first:]) == {class_}
    assert first < len(lines) - 2


def test_a_log_that_begins_in_the_middle() -> None:
    log = read_log("null")
    start = log.index(b"BUG: kernel NULL")
    assert parse_kernel_log(log[start - 20 :]) == parse_kernel_log(log)
    assert parse_kernel_log(log[start + 5 :]).class_ is CrashClass.PAGE_FAULT
    assert parse_kernel_log(log[start + 5 :]).function == "crasher_null"


def assert_safe(crash: Crash) -> None:
    texts = [crash.reason, crash.function, crash.module, crash.command, crash.tainted]
    assert all(text.isascii() and (text.isprintable() or not text) for text in texts)
    assert not any(ADDRESS.search(text) for text in texts)
    # A name that somebody gave to his program is no address, whatever it looks like.
    assert not any(HEXADECIMAL.search(text) for text in texts if text != crash.command)
    assert len(crash.reason) <= 200
    assert max(len(crash.function), len(crash.module), len(crash.command)) <= 64
    assert re.fullmatch("|[0-9a-f]{16}", crash.signature)
    assert crash.pid is None or crash.pid >= 0


@given(log=st.binary(max_size=2000))
@settings(deadline=None)
def test_any_bytes(log: bytes) -> None:
    assert_safe(parse_kernel_log(log))


PIECES = st.sampled_from(sorted(ALL)).map(lambda name: read_log(name)[-12000:])


@given(data=st.data())
@settings(deadline=None, max_examples=300)
def test_any_damaged_log(data: st.DataObject) -> None:
    """Bits flipped, pieces cut out, logs joined."""
    log = bytearray(data.draw(PIECES))
    for _ in range(data.draw(st.integers(0, 20))):
        log[data.draw(st.integers(0, len(log) - 1))] = data.draw(st.integers(0, 255))
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(log))] * 2)))
    del log[start : min(stop, start + 3000)]
    if data.draw(st.booleans()):
        log += data.draw(PIECES)
    assert_safe(parse_kernel_log(bytes(log)))


WORDS = st.sampled_from(
    b"Kernel panic - not syncing: |BUG: KASAN: x in |f+0x1/0x2|Oops: 0000 [#1]| SMP|INFO: task |"
    b"list_del corruption, |ffff888012345678|0xdeadbeef|\n|\n[    1.000000] |CPU: 0 PID: 1 Comm: |"
    b" Not tainted 6.1.0 #1|Call Trace:|\n f+0x1/0x2 [m]|RIP: 0010:| blocked for more than 1 |"
    b"seconds.|kernel BUG at |a.c:1!|exitcode=0x0000000b|WARNING: |at a.c:1 |Failing address: "
    b"".split(b"|")
)


@given(words=st.lists(WORDS | st.binary(max_size=4), max_size=30))
@settings(deadline=None, max_examples=500)
def test_any_sentence(words: list[bytes]) -> None:
    assert_safe(parse_kernel_log(b"".join(words)))


@pytest.mark.parametrize("size", [256 << 10, pytest.param(4 << 20, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "text",
    [
        b"a",
        b"[",
        b" ",
        b"\n",
        b"[#1",
        b"[#1] SMP\n",
        b"Call Trace:\n",
        b" f+0x1/0x2\n",
        b"BUG: KASAN: ",
        b"Kernel panic - not syncing: x\n",
        b"CPU: 0 PID: 1 Comm: a Not tainted\n",
        b"INFO: task a:1 blocked for more than 1 seconds.\n",
        b"[    1.000000] Oops: 0000 [#1] SMP\n",
        b"[    1.000000] BUG: unable to handle kernel paging request at 1\n",
        b"Oops#1 Part1\n",
        b"<4>",
        b"RIP: 0010:",
        b"[<ffffffff>] ",
        b"f.cold",
    ],
)
def test_megabytes_of_malice(text: bytes, size: int) -> None:
    """A regular expression that went over a line again and again would not come back from these."""
    assert_safe(parse_kernel_log(text * (size // len(text))))
