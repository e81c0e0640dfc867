# SPDX-License-Identifier: GPL-2.0-or-later
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.model.crashlog.crash import parse_kernel_log
from kdumpd.model.crashlog.lines import MAX_LOG_BYTES, MAX_LOG_LINES, LogLine, parse_lines
from tests.model.crashlog.kernel_logs import read_log


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"[    1.234567] text", LogLine(b"text", 1_234_567)),
        (b"[12345678.000001] text", LogLine(b"text", 12_345_678_000_001)),
        (b"[    1.234567]  func+0x1/0x2", LogLine(b" func+0x1/0x2", 1_234_567)),
        (b"[    1.234567][   T107] text", LogLine(b"text", 1_234_567)),
        (b"[    1.234567][    C0] text", LogLine(b"text", 1_234_567)),
        (b"[    1.234567] [    T1] text", LogLine(b"text", 1_234_567)),
        (b"<6>[    1.234567] text", LogLine(b"text", 1_234_567)),
        (b"<4>text", LogLine(b"text")),
        (b"Nov 23 01:13:34 host kernel: [    1.234567] text", LogLine(b"text", 1_234_567)),
        (b"text", LogLine(b"text")),
        (b"  text", LogLine(b"  text")),
        (b"[drm] text", LogLine(b"[drm] text")),
        (b"[    1.23] text", LogLine(b"[    1.23] text")),
        (b"[Hardware Error]: text", LogLine(b"[Hardware Error]: text")),
        (b"\xff\xfe", LogLine(b"\xff\xfe")),
        (b"text\r", LogLine(b"text")),
        (b"te\0xt\0", LogLine(b"text")),
    ],
)
def crash_test_line(raw: bytes, line: LogLine) -> None:
    assert parse_lines(raw) == [line]


@pytest.mark.parametrize(
    "raw",
    [b"", b"\n", b"\r\n\r\n", b"\0\0", b"[    1.234567] ", b"[    1.234567]", b"<6>", b"<12>x"],
)
def test_no_line(raw: bytes) -> None:
    assert parse_lines(raw) == []


def test_a_records_second_line() -> None:
    """It has no time of its own, and may be a name that somebody chose."""
    assert parse_lines(b"[    1.000000] a\n               b\nc\n") == [LogLine(b"a", 1_000_000)]
    assert [line.text for line in parse_lines(b"a\n  b\nc\n")] == [b"a", b"  b", b"c"]


def test_a_long_log() -> None:
    text = b"[    1.000000] a\n" * 10 + b"[    2.000000] b\n" * (MAX_LOG_BYTES // 17)
    assert len(parse_lines(text)) == MAX_LOG_LINES - 1  # and the empty one after the last
    assert {line.text for line in parse_lines(text)} == {b"b"}
    assert parse_lines(b"x" * 5000)[0].text == b"x" * 1024


def test_stored_parts_in_their_order() -> None:
    old, new = b"Oops#1 Part2\n<6>[    1.000000] a\n", b"Oops#1 Part1\n<6>[    2.000000] b\n"
    later = b"Panic#2 Part1\n<6>[    3.000000] c\n"
    for text in (old + new + later, later + new + old, new + later + old):
        assert [line.text for line in parse_lines(text)] == [b"a", b"b", b"c"]


LOGS = ["null", "sysrq", "hung-task", "machine-check", "out-of-memory", "arm64-null", "s390-null"]
TIME = re.compile(rb"^\[ *\d+\.\d{6}\] ", re.MULTILINE)


@pytest.mark.parametrize("name", LOGS)
def test_every_form_tells_the_same(name: str) -> None:
    log = read_log(name)
    crash = parse_kernel_log(log)
    forms = {
        "callers": TIME.sub(lambda match: match[0][:-1] + b"[   T107] ", log),
        "levels": TIME.sub(rb"<4>\g<0>", log),
        "stored": b"Panic#1 Part1\n" + TIME.sub(rb"<4>\g<0>", log),
        "syslog": TIME.sub(rb"Nov 23 01:13:34 host kernel: \g<0>", log),
        "journal": TIME.sub(b"", log),
        "carriage returns": log.replace(b"\n", b"\r\n"),
        "zeros": log.replace(b"\n", b"\n\0"),
        "empty lines": log.replace(b"\n", b"\n\n"),
    }
    told = {form: parse_kernel_log(text) for form, text in forms.items()}
    told["journal"] = replace(told["journal"], moment=crash.moment)  # which has no times
    assert told == dict.fromkeys(forms, crash)


@given(log=st.binary(max_size=500))
@settings(deadline=None)
def test_any_lines(log: bytes) -> None:
    assert all(line.text and b"\n" not in line.text for line in parse_lines(log))
