# SPDX-License-Identifier: GPL-2.0-or-later
import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.observe.captures.capture import (
    MAX_UNPACKED_AT_ONCE_BYTES,
    MAX_UNPACKED_LOG_BYTES,
    ReportError,
    is_kernel_crash,
    parse_report,
)
from tests.support.machine import apport_report as report_on

DMESG = b"".join(b"[%9d] line of the kernel\n" % number for number in range(3000))


def test_the_log_is_found() -> None:
    assert parse_report(report_on(DMESG)) == DMESG


def test_values_before_and_behind_it() -> None:
    report = report_on(DMESG) + b"ProcFB: 0 simple\n 1 other\nVmCore: base64\n AAAA\n"
    assert parse_report(report) == DMESG


def test_an_empty_log() -> None:
    assert parse_report(report_on(b"")) == b""


def test_a_log_in_plain_text() -> None:
    assert parse_report(b"VmCoreDmesg:\n one\n two\nUname: x\n") == b"one\ntwo"
    assert parse_report(b"VmCoreDmesg: one\n") == b"one"


@pytest.mark.parametrize("kind", ["KernelOops", "Crash", "KernelCrash2", ""])
def test_other_kinds(kind: str) -> None:
    assert not is_kernel_crash(report_on(DMESG, kind))
    assert is_kernel_crash(report_on(DMESG))


@pytest.mark.parametrize(
    "report",
    [
        b"",
        b"ProblemType: KernelCrash\n",
        b"VmCoreDmesg: base64\n",
        b"VmCoreDmesg: base64\n AAAA\n",
        b"VmCoreDmesg: base64\n \xff\n",
        report_on(DMESG)[:-30],
    ],
)
def test_no_whole_log(report: bytes) -> None:
    with pytest.raises(ReportError):
        parse_report(report)


def test_a_log_that_unpacks_to_more_than_there_is_room_for() -> None:
    bomb = report_on(bytes(MAX_UNPACKED_LOG_BYTES + MAX_UNPACKED_AT_ONCE_BYTES))
    assert len(bomb) < 1 << 17
    with pytest.raises(ReportError):
        parse_report(bomb)


@given(at=st.integers(0, 1500), byte=st.integers(0, 255))
@settings(deadline=None)
def test_a_changed_byte(at: int, byte: int) -> None:
    report = bytearray(report_on(DMESG[:3000]))
    report[at % len(report)] = byte
    with contextlib.suppress(ReportError):
        parse_report(bytes(report))


@given(report=st.binary() | st.binary().map(lambda tail: b"VmCoreDmesg: base64\n " + tail))
def test_any_bytes(report: bytes) -> None:
    with contextlib.suppress(ReportError):
        parse_report(report)
