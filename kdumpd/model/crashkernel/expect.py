# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kernel should reserve, by its command line and its RAM."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from kdumpd.model.crashkernel.explain import NOTHING_RESERVED, Clause, clauses_of
from kdumpd.model.crashkernel.parse import (
    CMA_KIND,
    HIGH_KIND,
    LOW_KIND,
    PLAIN_KIND,
    SUFFIX_KINDS,
    Ranges,
    excerpt,
    last_of_each_kind,
    memparse,
    parse_ranges,
    short_size,
    walk,
)
from kdumpd.model.text import MIB

RELEASE_PATTERN = r"([0-9]{1,4})\.([0-9]{1,4})"
NEWEST_LINUX, NO_LINUX = (1 << 16, 0), (1 << 17, 0)
# The first Linux that reads ,high and ,low there; the others skip them.
HIGH_SINCE_LINUX = {
    "x86_64": (3, 9),  # "x86, kdump: Set crashkernel_low automatically" and before it
    "i386": (3, 9),
    "i686": (3, 9),
    "aarch64": (5, 19),  # "arm64: kdump: Reimplement crashkernel=X"
    "riscv64": (6, 6),  # "riscv: kdump: Implement crashkernel=X,[high,low]"
    "loongarch64": (6, 7),
}
# Linux commit "arm64: kdump: Provide default size when crashkernel=Y,low is ..."
ARM64_LOW_DEFAULT_SINCE_LINUX = (6, 2)
# Linux commit "kdump: round up the total memory size to 128M for crashkernel reservation"
RAM_ROUNDED_SINCE_LINUX = (6, 0)
# kernel/crash_core.c reads ,high and ,low for all architectures
GENERIC_RESERVATION_SINCE_LINUX = (6, 7)
# Linux commit "Add a new optional ",cma" suffix to the crashkernel= command line option"
CMA_READ_SINCE_LINUX = (6, 17)
# "x86: implement crashkernel cma reservation"; the same for powerpc was posted in October 2025.
CMA_SINCE_LINUX = {"x86_64": CMA_READ_SINCE_LINUX, "ppc64": (6, 19), "ppc64le": (6, 19)}
SWIOTLB_PATTERN = rb"(?:^| )swiotlb=([0-9][0-9a-zA-Z]*)"
RHEL_BEFORE_9_PATTERN = r"\.el[678](?:$|[._])"  # as in 4.18.0-553.el8_10.x86_64
SWIOTLB_SLAB_BYTES = 2048  # IO_TLB_SIZE; the argument of swiotlb= counts these, in multiples of 128
DEFAULT_SWIOTLB_BYTES = 64 * MIB
X86_ARCHITECTURES = ("x86_64", "i386", "i686")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a kernel reads crashkernel=."""

    rounding: int = 128 * MIB  # RAM is taken as the next multiple, for ranges alone
    high: bool = True  # whether ,high and ,low mean anything
    # Before 6.7, x86 turned to ,high not only where there is no plain one, but also where that one
    # is invalid or zero, and took the default for an invalid ,low.
    lenient: bool = False
    kinds: tuple[bytes, ...] = SUFFIX_KINDS
    cma: bool = True  # whether the architecture keeps ,cma, where it is a kind
    low: int = 128 * MIB  # without ,low
    unit: int = 1  # bytes that a size is rounded up to
    auto: bool = False  # whether the kernel itself chooses a size for crashkernel=auto


def dialect_of(architecture: str, release: str = "", cmdline: bytes = b"") -> Dialect:
    """Return the dialect of a kernel release such as 6.1.0-18-amd64; without one, the newest.

    A distribution may have taken a change into an older kernel: Red Hat's 5.14 has many. The
    default of the low area depends on swiotlb= on the command line (x86, crash_low_size_default).
    """
    match = re.match(RELEASE_PATTERN, release)
    version = (int(match[1]), int(match[2])) if match else NEWEST_LINUX
    x86 = architecture in X86_ARCHITECTURES
    return Dialect(
        rounding=128 * MIB if version >= RAM_ROUNDED_SINCE_LINUX else 1,
        high=version >= HIGH_SINCE_LINUX.get(architecture, NO_LINUX),
        lenient=x86 and version < GENERIC_RESERVATION_SINCE_LINUX,
        kinds=SUFFIX_KINDS if version >= CMA_READ_SINCE_LINUX else (HIGH_KIND, LOW_KIND),
        cma=version >= CMA_SINCE_LINUX.get(architecture, NO_LINUX),
        low=_low(architecture, version, cmdline),
        # KEXEC_CRASH_MEM_ALIGN of s390; elsewhere at most a page, which may have 4 or 64 KiB.
        unit=MIB if architecture == "s390x" else 1,
        auto=re.search(RHEL_BEFORE_9_PATTERN, release) is not None,
    )


def _low(architecture: str, version: tuple[int, int], cmdline: bytes) -> int:
    if architecture == "x86_64":
        return max(_swiotlb(cmdline) + 8 * MIB, 256 * MIB)
    if architecture in X86_ARCHITECTURES or (
        architecture == "aarch64" and version < ARM64_LOW_DEFAULT_SINCE_LINUX
    ):
        return 0
    return 128 * MIB


def _swiotlb(cmdline: bytes) -> int:
    given = re.findall(SWIOTLB_PATTERN, cmdline)
    slabs = memparse(given[-1])[0] if given else 0
    return -(-slabs // 128) * 128 * SWIOTLB_SLAB_BYTES if slabs else DEFAULT_SWIOTLB_BYTES


class Problem(StrEnum):
    """Why nothing is to be reserved."""

    NONE = ""
    ABSENT = "absent"  # no crashkernel= at all
    SYNTAX = "syntax"  # the kernel cannot read it
    TOO_LARGE = "too-large"  # a size that is not smaller than the RAM
    NO_MATCH = "no-match"  # the RAM lies in no range
    ZERO = "zero"  # nothing is asked for
    AUTO = "auto"  # only the kernels of RHEL 8 and before choose a size themselves
    IGNORED = "ignored"  # ,low or ,cma without what it goes with, or ,high where there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What should be reserved; sizes in bytes, and the words for it.

    /sys/kernel/kexec_crash_size has `main`, from about Linux 6.5 `main` and the low area together;
    never `cma`. x86 takes the size as it stands, s390 rounds it up to 1 MiB and others to a page;
    what is aligned (16 MiB on x86, 2 MiB elsewhere) is the place.
    """

    main: int = 0  # the plain or the high area; 0 for none
    low: int = 0  # beside ,high, if that comes to lie above 4 GiB; else the kernel leaves it out
    low_beside_plain: int = 0  # beside a plain one that finds its room above 4 GiB only
    cma: int = 0  # on top: memory that programs may use until the crash
    offset: int | None = None  # where it must lie; None where the kernel chooses
    high: bool = False
    explanation: str = ""  # one sentence
    reading: tuple[Clause, ...] = ()
    ignored: tuple[Clause, ...] = ()  # the last of the reading: the kinds that do not count
    problem: Problem = Problem.NONE

    @property
    def total(self) -> int:
        """Return all that is set aside where the machine has memory above 4 GiB."""
        return self.main + self.low + self.cma


def expect(
    cmdline: bytes, ram: int, architecture: str = "x86_64", release: str = ""
) -> Expectation:
    """Return what a kernel with that command line and that many bytes of RAM should reserve.

    `ram` is the memory map's total: System RAM in /proc/iomem, not MemTotal. `architecture` is the
    machine as uname says it, `release` as well; without one, the kernel is the newest. As
    kernel/crash_reserve.c (Linux 6.7 and later), before that kernel/crash_core.c with
    arch/x86/kernel/setup.c and arch/arm64/mm/init.c.
    """
    dialect = dialect_of(architecture, release, cmdline)
    values = last_of_each_kind(cmdline, dialect.kinds)
    if not values:
        return Expectation(
            problem=Problem.ABSENT,
            explanation="there is no crashkernel= on the kernel's command line:"
            f" {NOTHING_RESERVED}",
            reading=(Clause(text=NOTHING_RESERVED, applies=True),),
        )
    plain = _plain(values[PLAIN_KIND], ram, dialect) if PLAIN_KIND in values else None
    high = _high(values, ram, dialect) if HIGH_KIND in values and dialect.high else None
    chosen = _choose(plain, high, dialect)
    chosen = _with_cma(chosen, values, dialect)
    ignored = _left_out(values, chosen, dialect)
    return replace(
        chosen,
        main=-(-chosen.main // dialect.unit) * dialect.unit,
        reading=(*chosen.reading, *ignored),
        ignored=ignored,
    )


def _choose(plain: Expectation | None, high: Expectation | None, dialect: Dialect) -> Expectation:
    if plain and high and dialect.lenient and not plain.main:
        return high if high.main else plain
    if found := plain or high:
        return found
    explanation = f"no valid crashkernel= here gives the main size: {NOTHING_RESERVED}"
    return _alone(Expectation(problem=Problem.IGNORED, explanation=explanation))


def _plain(value: bytes, ram: int, dialect: Dialect) -> Expectation:
    if b":" in value:
        expected = _of_ranges(parse_ranges(value), ram, dialect)
    else:
        expected = _of_size(value, ram, dialect)
    fallback = dialect.low if expected.main and expected.offset is None and dialect.high else 0
    return replace(expected, low_beside_plain=fallback)


def _of_ranges(ranges: Ranges, ram: int, dialect: Dialect) -> Expectation:
    rounded = -(-ram // dialect.rounding) * dialect.rounding
    walked = walk(ranges, rounded)
    this = f"{short_size(rounded)} of RAM"
    if walked.stop:
        expected = Expectation(
            problem=Problem.TOO_LARGE,
            explanation=f"with {this}, {NOTHING_RESERVED}, because the kernel stops reading at"
            f" {walked.stop.text}, where the size is not smaller than the RAM",
        )
    elif walked.unreadable:
        expected = _unreadable(ranges.complaint)
    elif walked.match is None:
        expected = Expectation(
            problem=Problem.NO_MATCH, explanation=f"{this} is in no range: {NOTHING_RESERVED}"
        )
    elif not walked.match.size:
        expected = Expectation(
            problem=Problem.ZERO,
            explanation=f"{this} is in {walked.match.text}: {NOTHING_RESERVED}",
        )
    elif ranges.offset_complaint:
        expected = _unreadable(ranges.offset_complaint)
    else:
        expected = _of_match(walked.match.size, walked.match.text, ranges.offset, this)
        expected = _bounded(expected, ram)
    reading = clauses_of(ranges, rounded)
    return replace(expected, reading=reading) if reading else _alone(expected)


def _of_match(size: int, text: str, offset: int, this: str) -> Expectation:
    where = f" at {short_size(offset)}" if offset else ""
    return Expectation(
        main=size,
        offset=offset or None,
        explanation=f"{this} is in {text}: {short_size(size)} is reserved{where}",
    )


def _of_size(value: bytes, ram: int, dialect: Dialect) -> Expectation:
    """Return what a SIZE[@OFFSET] asks for (parse_crashkernel_simple)."""
    size, rest = memparse(value)
    if value.startswith(b"auto"):
        expected = Expectation(
            problem=Problem.AUTO,
            explanation="this kernel itself chooses the size by the RAM; with little"
            f" RAM {NOTHING_RESERVED}"
            if dialect.auto
            else "only the kernels of RHEL 8 and before know crashkernel=auto; with"
            f" others, {NOTHING_RESERVED}",
        )
    elif rest == value:
        expected = _unreadable(
            f"a size is missing before '{excerpt(value)}'" if value else "no size"
        )
    elif rest and not rest.startswith(b"@"):
        expected = _unreadable(f"'{excerpt(rest)}' follows the size {excerpt(value[: -len(rest)])}")
    elif not size:
        expected = Expectation(
            problem=Problem.ZERO, explanation=f"the size is 0: {NOTHING_RESERVED}"
        )
    else:
        offset = memparse(rest[1:])[0]
        where = f" at {short_size(offset)}" if offset else ""
        text = f"{short_size(size)} is reserved{where}, whatever the RAM"
        expected = Expectation(main=size, offset=offset or None, explanation=text)
        expected = _bounded(expected, ram)
    return _alone(expected)


def _high(values: dict[bytes, bytes], ram: int, dialect: Dialect) -> Expectation:
    """Return what SIZE,high asks for, and SIZE,low beside it."""
    size, complaint = _suffixed(values[HIGH_KIND], HIGH_KIND)
    low, low_complaint = (
        _suffixed(values[LOW_KIND], LOW_KIND) if LOW_KIND in values else (dialect.low, "")
    )
    if complaint:
        return _alone(_unreadable(complaint))
    if not size:
        return _alone(
            Expectation(problem=Problem.ZERO, explanation=f"the size is 0: {NOTHING_RESERVED}")
        )
    if low_complaint and not dialect.lenient:
        return _alone(_unreadable(low_complaint))
    low = dialect.low if low_complaint else low
    expected = Expectation(
        main=size,
        low=low,
        high=True,
        explanation=f"{short_size(size)} is reserved, above 4G if there is room",
    )
    beside = Clause(text=f"if so, another {short_size(low)} is reserved below 4G", applies=True)
    bounded = _alone(_bounded(expected, ram))
    return replace(bounded, reading=(*bounded.reading, beside)) if bounded.low else bounded


def _with_cma(expected: Expectation, values: dict[bytes, bytes], dialect: Dialect) -> Expectation:
    if CMA_KIND not in values or not dialect.cma or not expected.main:
        return expected
    size = memparse(values[CMA_KIND])[0]  # counts even where what follows it is wrong
    text = f"another {short_size(size)} is set aside, which programs can use until a crash"
    clause = Clause(text=text, applies=True)
    return replace(expected, cma=size, reading=(*expected.reading, clause))


def _left_out(
    values: dict[bytes, bytes], chosen: Expectation, dialect: Dialect
) -> tuple[Clause, ...]:
    """Say which kinds do not count, and why."""
    why = {
        HIGH_KIND: "there is a plain crashkernel=",
        LOW_KIND: "there is no valid crashkernel=SIZE,high",
    }
    if PLAIN_KIND in values and chosen.high:
        why = {PLAIN_KIND: "it reserves nothing"}
    elif HIGH_KIND in values and PLAIN_KIND not in values:
        why = (
            {}
            if dialect.high
            else dict.fromkeys((HIGH_KIND, LOW_KIND), "this architecture does not support it")
        )
    if not chosen.cma:
        why[CMA_KIND] = (
            "this architecture does not support it"
            if chosen.main
            else "it only adds to another crashkernel="
        )
    return tuple(
        Clause(
            text=f"crashkernel={excerpt(values[kind])} is ignored, because {why[kind]}",
            applies=False,
        )
        for kind in values
        if kind in why and (kind != PLAIN_KIND or chosen.high)
    )


def _suffixed(value: bytes, kind: bytes) -> tuple[int, str]:
    """Return the size of a SIZE,KIND and what is wrong with it (parse_crashkernel_suffix)."""
    size, rest = memparse(value)
    if rest == value:
        return 0, f"a size is missing before '{excerpt(value)}'"
    if rest != b"," + kind:
        return 0, f"'{excerpt(rest)}' follows the size {excerpt(value[: -len(rest)])}"
    return size, ""


def _bounded(expected: Expectation, ram: int) -> Expectation:
    # Checked from 6.12 ("crash: fix crash memory reserve exceed system memory bug"); before that,
    # there was no room for it.
    if expected.main < ram:
        return expected
    return Expectation(
        problem=Problem.TOO_LARGE,
        explanation=f"{short_size(expected.main)} is not smaller than the RAM of"
        f" {short_size(ram)}: {NOTHING_RESERVED}",
    )


def _unreadable(complaint: str) -> Expectation:
    return Expectation(
        problem=Problem.SYNTAX,
        explanation=f"the kernel cannot read crashkernel=, so {NOTHING_RESERVED}: {complaint}",
    )


def _alone(expected: Expectation) -> Expectation:
    """Return it with its explanation as the only line of its reading."""
    return replace(expected, reading=(Clause(text=expected.explanation, applies=True),))
