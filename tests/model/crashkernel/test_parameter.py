# SPDX-License-Identifier: GPL-2.0-or-later

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.model.crashkernel.parse import crashkernel_parameter


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


@given(cmdline=st.binary(max_size=200))
@settings(deadline=None)
def test_any_command_line(cmdline: bytes) -> None:
    parameter = crashkernel_parameter(cmdline)
    assert parameter.isascii()


def test_what_no_terminal_should_get() -> None:
    """A boot loader hands on whatever was typed, and the parameter is shown to everybody."""
    shown = crashkernel_parameter(b"crashkernel=256M\x1b[31m\x7f\xff")
    assert shown == r"256M\x1b[31m\x7f\xff"
