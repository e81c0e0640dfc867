# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpd.model.crashkernel.parse import memparse, short_size

SUFFIXES = "kmgtpe"


@pytest.mark.parametrize(
    ("text", "value", "rest"),
    [
        (b"", 0, b""),
        (b"0", 0, b""),
        (b"64M", 64 << 20, b""),
        (b"64m@1G", 64 << 20, b"@1G"),
        (b"1k,", 1 << 10, b","),
        (b"0x40M", 64 << 20, b""),
        (b"0X4g", 4 << 30, b""),
        (b"0x", 0, b"x"),
        (b"0xg", 0, b"xg"),
        (b"0100M", 64 << 20, b""),
        (b"080M", 0, b"80M"),
        (b"64MB", 64 << 20, b"B"),
        (b"64KM", 64 << 10, b"M"),
        (b"M", 0, b""),
        (b"garbage", 0, b"arbage"),
        (b"auto", 0, b"auto"),
        (b"-1", 0, b"-1"),
        (b"+1", 0, b"+1"),
        (b" 1", 0, b" 1"),
        (b"1.5G", 1, b".5G"),
        (b"0xEE", 0xEE, b""),  # the last E is a digit
        (b"18446744073709551616", 0, b""),
        (b"18446744073709551617K", 1024, b""),
        (b"16E", 0, b""),
    ],
)
def test_as_the_kernel_reads_numbers(text: bytes, value: int, rest: bytes) -> None:
    assert memparse(text) == (value, rest)


def test_thousands_of_digits_are_read() -> None:
    value = (pow(10, 5000, 1 << 64) - 1) % (1 << 64)
    assert memparse(b"9" * 5000) == (value, b"")


@given(st.binary(max_size=40))
def test_any_bytes(text: bytes) -> None:
    value, rest = memparse(text)
    assert 0 <= value < 1 << 64
    assert text.endswith(rest)


@given(
    st.integers(0, 1 << 80), st.sampled_from(["d", "#x", "#X"]), st.sampled_from(["", *SUFFIXES])
)
def test_numbers_wrap_at_64_bits(number: int, form: str, suffix: str) -> None:
    power = SUFFIXES.index(suffix) + 1 if suffix else 0
    if form == "d" or suffix != "e":  # e is a hexadecimal digit
        assert memparse(f"{number:{form}}{suffix}".encode()) == (
            number * 1024**power % (1 << 64),
            b"",
        )


@given(st.integers(0, (1 << 64) - 1))
def test_a_size_reads_back(size: int) -> None:
    assert memparse(short_size(size).encode()) == (size, b"")


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0"), (64 << 20, "64M"), (1536 << 20, "1536M"), (1 << 60, "1E")]
)
def test_a_size_is_short(size: int, text: str) -> None:
    assert short_size(size) == text
