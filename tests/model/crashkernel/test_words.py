# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpd.model.crashkernel.parse import misspellings, superseded, unread_rest


@pytest.mark.parametrize(
    "word",
    [
        b"crash_kernel=64M",
        b"crash-kernel=64M",
        b"crashkernel:64M",
        b"crashkernal=64M",
        b"CrashKernel=64M",
        b"CRASHKERNEL=64M",
    ],
)
def test_misspelt(word: bytes) -> None:
    assert misspellings(b"ro " + word + b" quiet\n") == (word,)


@pytest.mark.parametrize(
    "cmdline",
    [b"", b"ro crashkernel=64M", b"crashkernel=1G,high crashkernel=72M,low", b"crash_dump=1"],
)
def test_not_misspelt(cmdline: bytes) -> None:
    assert misspellings(cmdline) == ()
    assert superseded(cmdline) == ()


def test_superseded() -> None:
    assert superseded(b"crashkernel=1M crashkernel=2M crashkernel=3M,low crashkernel=2M") == (
        b"1M",
    )
    assert superseded(b"crashkernel=1M crashkernel=1M") == ()


@pytest.mark.parametrize(
    ("cmdline", "fragile"),
    [
        (b"crashkernel=1G-2G:64M,2G-:128M", False),
        (b"crashkernel=1G-2G:64M,", True),
        (b"crashkernel=1G-2G:64M,2G:128M", True),
        (b"crashkernel=64M", False),
        (b"quiet", False),
    ],
)
def test_unread_rest(cmdline: bytes, *, fragile: bool) -> None:
    assert bool(unread_rest(cmdline)) == fragile


@given(st.binary(max_size=200))
def test_any_bytes(cmdline: bytes) -> None:
    for text in (cmdline, b"crashkernel=" + cmdline):
        misspellings(text)
        superseded(text)
        assert unread_rest(text).isprintable()
