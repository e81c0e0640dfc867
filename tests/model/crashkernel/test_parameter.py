# SPDX-License-Identifier: GPL-2.0-or-later

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.model.crashkernel import crashkernel_parameter, requested_size

MIB, GIB = 1 << 20, 1 << 30


@pytest.mark.parametrize(
    ("cmdline", "parameter"),
    [
        (b"", ""),
        (b"ro quiet", ""),
        (b"crashkernel=256M", "256M"),
        (b"ro crashkernel=256M quiet\n", "256M"),
        (b"crashkernel=1M crashkernel=2M crashkernel=3M", "3M"),
        (b"crashkernel=1G,high crashkernel=72M,low", "1G,high 72M,low"),
        (b"crashkernel=1G,high crashkernel=2G,high", "2G,high"),
        (b"crashkernel=1G,cma crashkernel=256M", "1G,cma 256M"),
        (b"rd.crashkernel=5M", "5M"),  # the kernel looks for the text anywhere
        (b"crashkernel=256M\0crashkernel=1M", "1M"),
        (b"crashkernel=\xff\xfe", r"\xff\xfe"),
        (b"crashkernel=2G-64G:256M,64G-:512M", "2G-64G:256M,64G-:512M"),
    ],
)
def test_parameter(cmdline: bytes, parameter: str) -> None:
    assert crashkernel_parameter(cmdline) == parameter


@pytest.mark.parametrize(
    ("parameter", "size"),
    [
        ("0", 0),
        ("1", 1),
        ("256M", 256 * MIB),
        ("256m", 256 * MIB),
        ("1G", GIB),
        ("1t", GIB << 10),
        ("1P", GIB << 20),
        ("1E", GIB << 30),
        ("512K", 512 << 10),
        ("0x10000000", 256 * MIB),
        ("0X10M", 16 * MIB),
        ("010M", 8 * MIB),
        ("256M@16M", 256 * MIB),
        ("256M@0x1000000", 256 * MIB),
        ("1G,high", GIB),
        ("1G,high 72M,low", GIB),
        ("72M,low 1G,high", GIB),
        ("512M,high 256M", 256 * MIB),  # a plain one makes the others ignored
        ("256M 512M,high", 256 * MIB),
        ("256M 72M,low", 256 * MIB),
        ("1G,cma 256M", 256 * MIB),
        ("garbage 512M,high", None),
        ("512M,high auto", None),
        ("72M,low", None),
        ("1G,cma", None),
        ("256M,", None),
        ("256MB", None),
        ("M", None),
        ("", None),
        ("0x", None),
        ("08M", None),
        ("+256M", None),
        ("2G-64G:256M", None),
        ("9" * 5000, None),  # Python itself refuses to read that
        ("0" + "7" * 5000, None),
        ("٣M", None),  # digits, but no ASCII
    ],
)
def test_size(parameter: str, size: int | None) -> None:
    assert requested_size(parameter) == size


@given(cmdline=st.binary(max_size=200))
@settings(deadline=None)
def test_any_command_line(cmdline: bytes) -> None:
    parameter = crashkernel_parameter(cmdline)
    assert parameter.isascii()
    requested_size(parameter)


@given(parameter=st.text(max_size=30))
@settings(deadline=None)
def test_any_parameter(parameter: str) -> None:
    size = requested_size(parameter)
    assert size is None or size >= 0


@given(size=st.integers(0, 1 << 50), form=st.sampled_from(["{}", "{:#x}", "0{:o}", "{}@1G"]))
@settings(deadline=None)
def test_any_size(size: int, form: str) -> None:
    assert requested_size(form.format(size)) == size


def test_what_no_terminal_should_get() -> None:
    """A boot loader hands on whatever was typed, and the parameter is shown to everybody."""
    shown = crashkernel_parameter(b"crashkernel=256M\x1b[31m\x7f\xff")
    assert shown == r"256M\x1b[31m\x7f\xff"
