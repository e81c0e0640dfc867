# SPDX-License-Identifier: GPL-2.0-or-later
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.model.text import human_size, printable, shown, wrapped, wrapped_at_clauses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", ""),
        (b"6.1.0-56-amd64", "6.1.0-56-amd64"),
        (b"a b~", "a b~"),
        (b"a\nb", r"a\x0ab"),
        (b"\x1b[31m", r"\x1b[31m"),
        (b"\x7f\x80\xff\0", r"\x7f\x80\xff\x00"),
        (rb"\x41", r"\x5cx41"),
        ("ä".encode(), r"\xc3\xa4"),
    ],
)
def test_printable(text: bytes, expected: str) -> None:
    assert printable(text) == expected


@given(one=st.binary(), other=st.binary())
@settings(deadline=None)
def test_printable_hides_no_difference(one: bytes, other: bytes) -> None:
    assert printable(one).isprintable()
    assert printable(one).isascii()
    assert (printable(one) == printable(other)) == (one == other)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"/var/crash/202611230113", "/var/crash/202611230113"),
        ("/var/crash/Größe 1".encode(), "/var/crash/Größe 1"),
        (b"a\nb\tc", r"a\nb\tc"),
        (b"\x1b[2J", r"\x1b[2J"),
        (b"\xff\xfe", r"\xff\xfe"),
        ("\u202edpm.eroc".encode(), r"\u202edpm.eroc"),  # shown from right to left
        ("\u2028".encode(), r"\u2028"),  # a line of its own
        ("\u200b".encode(), r"\u200b"),  # nothing at all
        ("\U0001f4a5".encode(), "\U0001f4a5"),
    ],
)
def test_shown(name: bytes, expected: str) -> None:
    assert shown(name) == expected


@given(name=st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
@settings(deadline=None)
def test_shown_is_safe(name: bytes) -> None:
    text = shown(name)
    assert text.isprintable()
    assert all(unicodedata.category(char)[0] != "C" for char in text)
    text.encode("utf-8")


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (384 << 20, "384 MiB"),
        (40_789_606, "38.9 MiB"),
        (1 << 30, "1 GiB"),
        (1 << 40, "1 TiB"),
        (1 << 54, "16384 TiB"),
    ],
)
def test_human_size(size: int, expected: str) -> None:
    assert human_size(size) == expected


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("", 10, [""]),
        ("one two three", 20, ["one two three"]),
        ("one two three", 8, ["one two", "three"]),
        ("one two", 2, ["one", "two"]),
        ("see '/a b/c d' there", 6, ["see", "'/a b/c d'", "there"]),
        ("the disk's own (see '/a b')", 10, ["the disk's", "own (see", "'/a b')"]),
        ("a disk' and b 'c", 7, ["a disk'", "and b", "'c"]),
    ],
)
def test_lines_that_fit(text: str, width: int, lines: list[str]) -> None:
    assert wrapped(text, width) == lines


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("", 10, [""]),
        ("a b && c d", 4, ["a b && c d"]),
        ("set a=1, then a b && c d", 10, ["set a=1,", "then a b && c d"]),
        ("first: a b; c (d, e) f", 12, ["first: a b;", "c (d, e) f"]),
        ("mkdir '/a, b', or c", 8, ["mkdir '/a, b',", "or c"]),
    ],
)
def test_lines_that_end_with_a_clause(text: str, width: int, lines: list[str]) -> None:
    assert wrapped_at_clauses(text, width) == lines
