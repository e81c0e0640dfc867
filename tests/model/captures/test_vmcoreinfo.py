# SPDX-License-Identifier: GPL-2.0-or-later
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.model.captures.core import VmcoreinfoError, parse_vmcoreinfo

# Of a real panic: the first and the last lines of 3,300 bytes.
NOTE = b"""OSRELEASE=6.1.0-56-amd64
BUILD-ID=eb4fbcd037e7253717950bf2b93bd5566f47c56f
PAGESIZE=4096
SYMBOL(init_uts_ns)=ffffffff921fb000
OFFSET(uts_namespace.name)=0
NUMBER(pgtable_l5_enabled)=1
KERNELOFFSET=f600000
NUMBER(sme_mask)=0
CRASHTIME=1795396414
"""


def test_note() -> None:
    info = parse_vmcoreinfo(NOTE)
    assert info.kernel_release == "6.1.0-56-amd64"
    assert info.build_id == "eb4fbcd037e7253717950bf2b93bd5566f47c56f"
    assert info.crashed_at == datetime(2026, 11, 23, 1, 13, 34, tzinfo=UTC)
    assert info.values["SYMBOL(init_uts_ns)"] == "ffffffff921fb000"
    assert len(info.values) == 9


def test_padded_note() -> None:
    assert parse_vmcoreinfo(NOTE + bytes(100)) == parse_vmcoreinfo(NOTE)


def test_an_old_kernel() -> None:
    info = parse_vmcoreinfo(b"OSRELEASE=3.10.0\n")
    assert info.build_id == ""
    assert info.crashed_at is None


@pytest.mark.parametrize(
    ("text", "year"),
    [
        (b"1", 1970),
        (b"1795396414", 2026),
        (b"4294967296", 2106),
        (b"00001795396414", 2026),
        (b"0", None),
        (b"", None),
        (b"-1", None),
        (b"+1", None),
        (b"1.5", None),
        (b"1_000", None),
        (b" 1", None),
        (b"0x10", None),
        (b"now", None),
        (b"\xd9\xa1", None),  # a digit, but no ASCII
        (b"9" * 12, None),
        (b"9" * 20, None),
        (b"9" * 4300, None),
        (b"9" * 5000, None),
    ],
)
def test_crash_time(text: bytes, year: int | None) -> None:
    crashed_at = parse_vmcoreinfo(b"OSRELEASE=6.1\nCRASHTIME=" + text + b"\n").crashed_at
    assert (crashed_at.year if crashed_at else None) == year


@pytest.mark.parametrize(
    "note",
    [b"", b"\0", b"OSRELEASE\n", b"OSRELEASE=\n", b"osrelease=6.1\n", b"X=1\n", b"\xff" * 99],
)
def test_no_kernel(note: bytes) -> None:
    with pytest.raises(VmcoreinfoError, match="OSRELEASE"):
        parse_vmcoreinfo(note)


def test_values_are_safe_to_show() -> None:
    info = parse_vmcoreinfo(b"OSRELEASE=6.1\x1b[2J\r\xff\nBUILD-ID=a=b\n")
    assert info.kernel_release == r"6.1\x1b[2J\x0d\xff"
    assert info.build_id == "a=b"


def test_values_are_short() -> None:
    """They go into journals and onto the bus."""
    info = parse_vmcoreinfo(b"OSRELEASE=" + b"6" * 5000 + b"\nBUILD-ID=" + b"a" * 5000 + b"\n")
    assert info.kernel_release == "6" * 128
    assert info.build_id == "a" * 128


@given(note=st.binary(max_size=200))
@settings(deadline=None)
def test_any_note(note: bytes) -> None:
    info = parse_vmcoreinfo(b"OSRELEASE=6.1\n" + note)
    assert info.kernel_release.isprintable()
    assert info.build_id.isprintable()
    assert info.crashed_at is None or info.crashed_at.tzinfo is UTC


@given(text=st.integers(0, 1 << 70).map(str))
@settings(deadline=None)
def test_any_crash_time(text: str) -> None:
    crashed_at = parse_vmcoreinfo(f"OSRELEASE=6.1\nCRASHTIME={text}\n".encode()).crashed_at
    assert crashed_at is None or crashed_at.timestamp() == int(text)
