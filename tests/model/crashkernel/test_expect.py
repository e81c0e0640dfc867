# SPDX-License-Identifier: GPL-2.0-or-later
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.model.crashkernel.expect import Expectation, Problem, expect
from kdumpd.model.crashkernel.parse import short_size

MIB, GIB = 1 << 20, 1 << 30
STEP = 128 * MIB
UBUNTU = "2G-4G:320M,4G-32G:512M,32G-64G:1024M,64G-128G:2048M,128G-:4096M"


class Wanted(NamedTuple):
    """MiB, so that a table stays readable."""

    main: int = 0
    low: int = 0
    cma: int = 0
    problem: str = ""


def got(found: Expectation) -> Wanted:
    return Wanted(found.main // MIB, found.low // MIB, found.cma // MIB, found.problem)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ("256M", Wanted(256)),
        ("2G", Wanted(problem="too-large")),
        ("1G,high", Wanted(1024, 256)),
        ("1G,high 72M,low", Wanted(1024, 72)),
        ("72M,low 1G,high", Wanted(1024, 72)),
        ("1G,high 0,low", Wanted(1024)),
        ("1G,high auto,low", Wanted(problem="syntax")),
        ("0,high", Wanted(problem="zero")),
        ("4G,high", Wanted(problem="too-large")),
        ("high,high", Wanted(problem="syntax")),
        ("1G,high,high", Wanted(problem="syntax")),
        ("256M 1G,high", Wanted(256)),
        ("1G,high 256M 72M,low", Wanted(256)),
        ("0 1G,high", Wanted(problem="zero")),
        ("garbage 1G,high", Wanted(problem="syntax")),
        ("auto 1G,high", Wanted(problem="auto")),
        ("72M,low", Wanted(problem="ignored")),
        ("1G,cma", Wanted(problem="ignored")),
        ("256M 1G,cma", Wanted(256, 0, 1024)),
        ("1G,cma 256M 512M,cma", Wanted(256, 0, 512)),
        ("256M,high 1G,cma", Wanted(256, 256, 1024)),
        ("2G-4G:64M 1G,cma", Wanted(64, 0, 1024)),
        ("4G-:64M 1G,cma", Wanted(problem="no-match")),
        (UBUNTU, Wanted(320)),
        ("1G-2G:64M", Wanted(problem="no-match")),
        ("1G-4G:64M,high", Wanted(problem="syntax")),
        ("2G-:2G", Wanted(problem="too-large")),
        ("2G-:64M@", Wanted(problem="syntax")),
        ("4G-:64M@", Wanted(problem="no-match")),
    ],
)
def test_on_a_new_kernel(values: str, wanted: Wanted) -> None:
    cmdline = " ".join(f"crashkernel={value}" for value in values.split())
    found = expect(cmdline.encode(), 2 * GIB - 1)
    assert got(found) == wanted
    assert found.total == found.main + found.low + found.cma
    assert found.explanation
    assert any(clause.applies for clause in found.reading)


def test_without_the_parameter() -> None:
    found = expect(b"ro quiet crash_kernel=1G", GIB)
    assert (found.main, found.problem) == (0, Problem.ABSENT)


@pytest.mark.parametrize(
    ("cmdline", "architecture", "release", "wanted"),
    [
        # x86 before 6.7 turned to ,high where the plain one came to nothing.
        ("256M,high 0", "x86_64", "6.1.0-18-amd64", Wanted(256, 256)),
        ("256M,high 0", "x86_64", "6.7.0", Wanted(problem="zero")),
        ("256M,high auto", "x86_64", "5.15.0-91-generic", Wanted(256, 256)),
        ("0,high auto", "x86_64", "5.15.0-91-generic", Wanted(problem="auto")),
        ("256M,high x,low", "x86_64", "6.6.9", Wanted(256, 256)),
        ("256M,high 0", "aarch64", "6.1.0-18-arm64", Wanted(problem="zero")),
        ("256M,high", "aarch64", "5.18.1", Wanted(problem="ignored")),
        ("256M,high", "aarch64", "6.1.0", Wanted(256)),
        ("256M,high", "aarch64", "6.2.0", Wanted(256, 128)),
        ("256M,high", "riscv64", "", Wanted(256, 128)),
        ("256M,high", "i686", "", Wanted(256)),
        ("256M,high", "ppc64le", "6.1.0", Wanted(problem="ignored")),
        ("256M,high", "s390x", "", Wanted(problem="ignored")),
        ("256M,high", "unheard-of", "", Wanted(problem="ignored")),
        ("256M 128M,cma", "x86_64", "6.16.3", Wanted(problem="syntax")),
        ("128M,cma 256M", "x86_64", "6.16.3", Wanted(256)),
        ("256M 128M,cma", "x86_64", "6.17.0", Wanted(256, 0, 128)),
        ("256M 128M,cma", "s390x", "6.17.0", Wanted(256)),
        # RAM was not rounded up: a machine with 2 GiB had a little less.
        ("2G-:256M", "x86_64", "5.15.0-91-generic", Wanted(problem="no-match")),
        ("2G-:256M", "x86_64", "6.0.0", Wanted(256)),
        ("2G-:256M", "x86_64", "no number", Wanted(256)),
    ],
)
def test_on_another_kernel(cmdline: str, architecture: str, release: str, wanted: Wanted) -> None:
    given_line = " ".join(f"crashkernel={value}" for value in cmdline.split())
    assert got(expect(given_line.encode(), 2 * GIB - 1, architecture, release)) == wanted


def test_s390_rounds_the_size_up() -> None:
    assert expect(b"crashkernel=1000001", GIB, "s390x").main == MIB
    assert expect(b"crashkernel=1000001", GIB, "x86_64").main == 1000001


@pytest.mark.parametrize(
    ("swiotlb", "low"),
    [("", 256), ("swiotlb=65536", 256), ("swiotlb=262144", 520), ("swiotlb=force", 256)],
)
def test_the_low_area_grows_with_swiotlb(swiotlb: str, low: int) -> None:
    found = expect(f"crashkernel=1G,high {swiotlb}".encode(), 8 * GIB)
    assert found.low == low * MIB


@pytest.mark.parametrize(
    ("value", "offset"),
    [
        ("64M", None),
        ("64M@256M", 256 * MIB),
        ("64M@", None),
        ("64M@0", None),
        ("64M@256Mxyz", 256 * MIB),
        ("1G-:64M@256M", 256 * MIB),
        ("1G-:64M,4G-:128M@256M", 256 * MIB),
    ],
)
def test_the_place(value: str, offset: int | None) -> None:
    found = expect(f"crashkernel={value}".encode(), 2 * GIB)
    assert (found.main, found.offset) == (64 * MIB, offset)


def test_a_plain_one_needs_low_memory_where_it_lies_high() -> None:
    assert expect(b"crashkernel=3G", 8 * GIB).low_beside_plain == 256 * MIB
    assert expect(b"crashkernel=3G@4G", 8 * GIB).low_beside_plain == 0
    assert expect(b"crashkernel=3G", 8 * GIB, "aarch64", "6.1.0").low_beside_plain == 0


@pytest.mark.parametrize(
    ("value", "explanation"),
    [
        ("384M-2G:64M,2G-:128M", "1G of RAM is in 384M-2G:64M: 64M is reserved"),
        ("2G-:128M", "1G of RAM is in no range: nothing is reserved"),
        (
            UBUNTU,
            (
                "with 1G of RAM, nothing is reserved, because the kernel stops reading at"
                " 32G-64G:1024M, where the size is not smaller than the RAM"
            ),
        ),
        (
            "64MB",
            "the kernel cannot read crashkernel=, so nothing is reserved: 'B' follows the size 64M",
        ),
        ("1G", "1G is not smaller than the RAM of 1023M: nothing is reserved"),
    ],
)
def test_says_what_happened(value: str, explanation: str) -> None:
    assert expect(f"crashkernel={value}".encode(), 1023 * MIB).explanation == explanation


@given(
    cmdline=st.one_of(
        st.binary(max_size=200),
        st.lists(
            st.sampled_from(
                [b"crashkernel=", b"1G", b"-", b":", b",", b"@", b"64M", b",high", b",low", b" "]
            ),
            max_size=30,
        ).map(b"".join),
    ),
    ram=st.integers(0, 1 << 64),
    architecture=st.sampled_from(["x86_64", "aarch64", "s390x", ""]),
    release=st.sampled_from(["", "4.18.0", "6.1.0", "6.12.3", "x"]),
)
@settings(deadline=None)
def test_any_command_line(cmdline: bytes, ram: int, architecture: str, release: str) -> None:
    found = expect(cmdline, ram, architecture, release)
    assert found.total >= found.main >= 0
    assert (found.main == 0) == (found.problem != Problem.NONE)
    assert found.explanation.isprintable()
    assert found.explanation.isascii()
    assert any(clause.applies for clause in found.reading) or not found.main


def direct(rows: list[tuple[int, int, int]], ram: int) -> int:
    """Return what ranges of (first, beyond, size) give, by their definition."""
    holding = [number for number, (first, beyond, _) in enumerate(rows) if first <= ram < beyond]
    looked_at = rows[: holding[0] + 1] if holding else rows
    if any(size >= ram for *_, size in looked_at):
        return 0
    return rows[holding[0]][2] if holding else 0


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(1, 20), st.integers(1, 60 * 128)),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 60),
)
@settings(deadline=None)
def test_agrees_with_the_definition(drawn: list[tuple[int, int, int]], steps: int) -> None:
    rows = [(first * STEP, (first + length) * STEP, size * MIB) for first, length, size in drawn]
    value = ",".join(
        f"{short_size(first)}-{short_size(beyond)}:{short_size(size)}"
        for first, beyond, size in rows
    )
    ram = steps * STEP
    found = expect(f"crashkernel={value}".encode(), ram)
    assert found.main == direct(rows, ram)
    # The line that applies says the same, and there is just one.
    (applying,) = (clause.text for clause in found.reading if clause.applies)
    ending = f"{short_size(found.main)} is reserved" if found.main else "nothing is reserved"
    assert applying.endswith(f": {ending}")


def test_red_hat_s_older_kernels_choose_by_themselves() -> None:
    found = expect(b"crashkernel=auto", 32 << 30, "x86_64", "4.18.0-553.el8_10.x86_64")
    assert found.problem == "auto"
    assert found.explanation.startswith("this kernel itself chooses")
    newer = expect(b"crashkernel=auto", 32 << 30, "x86_64", "5.14.0-427.el9.x86_64")
    assert "kernels of RHEL 8 and before know" in newer.explanation
