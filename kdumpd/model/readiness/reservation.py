# SPDX-License-Identifier: GPL-2.0-or-later
"""The memory that the kernel reserved, what it should have reserved, and what is usual."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from kdumpd.model.crashkernel.expect import Expectation, Problem, expect
from kdumpd.model.crashkernel.explain import Clause
from kdumpd.model.crashkernel.parse import as_written, last_of_each_kind, short_size
from kdumpd.model.formats.boot_messages import AreaKind, ReservationLog
from kdumpd.model.formats.memory import Ram, RamSource, Region
from kdumpd.model.readiness.facts import FadumpFacts, MachineFacts
from kdumpd.model.text import GIB, MIB
from kdumpd.model.vocabulary import Mechanism

TIB = 1 << 40
RAM_ROUNDING_BYTES = 128 * MIB  # as the kernel rounds the RAM up for its ranges

Table = Sequence[tuple[int, int]]  # from this much RAM on, this much is reserved

# kdump-utils (Fedora, RHEL), kdump-lib.sh, kdump_get_arch_recommend_crashkernel(). It reserves
# nothing below 2 GiB; there the figure is Debian 13's, crashkernel=512M-:192M.
SMALL_RAM_SIZES: Table = ((512 * MIB, 192 * MIB),)
X86_SIZES: Table = (*SMALL_RAM_SIZES, (2 * GIB, 256 * MIB), (64 * GIB, 512 * MIB))
ARM64_SIZES: Table = (
    *SMALL_RAM_SIZES,
    (2 * GIB, 256 * MIB),
    (4 * GIB, 320 * MIB),
    (64 * GIB, 576 * MIB),
)
PPC64_SIZES: Table = (
    *SMALL_RAM_SIZES,
    (2 * GIB, 384 * MIB),
    (4 * GIB, 512 * MIB),
    (16 * GIB, GIB),
    (64 * GIB, 2 * GIB),
    (128 * GIB, 4 * GIB),
)
FADUMP_SIZES: Table = (
    (4 * GIB, 768 * MIB),
    (16 * GIB, GIB),
    (64 * GIB, 2 * GIB),
    (128 * GIB, 4 * GIB),
    (TIB, 6 * GIB),
    (2 * TIB, 12 * GIB),
    (4 * TIB, 20 * GIB),
    (8 * TIB, 36 * GIB),
    (16 * TIB, 64 * GIB),
    (32 * TIB, 128 * GIB),
    (64 * TIB, 180 * GIB),
)
# Debian 13 on amd64, crashkernel=512M-:192M: with any RAM, enough for its own crash kernel.
DEBIAN_X86_RESERVATION_BYTES = 192 * MIB
SIZES_OF_ARCHITECTURE = {"aarch64": ARM64_SIZES, "ppc64le": PPC64_SIZES, "ppc64": PPC64_SIZES}


def suggested_bytes(ram: int, architecture: str, *, fadump: bool = False) -> int:
    """Return how many bytes are usually reserved with this much RAM, 0 where nobody reserves any.

    kdump-utils' table for the architecture decides, x86_64's where it has none of its own; below
    its smallest machine, Debian 13's figure.
    """
    rounded = -(-ram // RAM_ROUNDING_BYTES) * RAM_ROUNDING_BYTES
    table = FADUMP_SIZES if fadump else SIZES_OF_ARCHITECTURE.get(architecture, X86_SIZES)
    return max((size for start, size in table if start <= rounded), default=0)


def least_bytes(ram: int, architecture: str, *, fadump: bool = False) -> int:
    """Return the least that a distribution reserves with this much RAM, 0 where none does."""
    suggested = suggested_bytes(ram, architecture, fadump=fadump)
    return min(suggested, DEBIAN_X86_RESERVATION_BYTES) if architecture == "x86_64" else suggested


USUAL_RESERVATION_BYTES = 512 * MIB  # where the RAM is not known
# Where nothing is usual for so little RAM: the example of Ubuntu's server guide, 384M-2G:64M.
SMALL_RAM_RESERVATION_BYTES = 64 * MIB
ANY_RAM_BYTES = 1 << 62  # more than any size that is asked for
# How much more, and how much less, the machine may have, as a part of the figure. On guests of 2
# and 6 GiB with Linux 6.1, MemTotal and the reservation lacked 1/25 of the RAM; on smaller ones it
# is more. Of memory blocks, a few may be full of holes.
RAM_ERROR_RATIOS = {RamSource.BLOCKS: (0, 1 / 16), RamSource.MEMINFO: (1 / 8, 0)}
# fadump takes at most this part of the RAM, whatever crashkernel= says
# (arch/powerpc/kernel/fadump.c, MAX_BOOT_MEM_RATIO).
FADUMP_RAM_DIVISOR = 4
KDUMP_AREAS = {AreaKind.MAIN, AreaKind.HIGH, AreaKind.LOW}


@dataclass(frozen=True, slots=True, kw_only=True)
class Areas:
    """Where the memory of kdump lies: the main area, and the low one beside it, if any."""

    main: Region
    low: Region | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What is known of it; sizes in bytes, None where they are not known."""

    mechanism: Mechanism
    ram: Ram | None
    # What the kernel should have reserved, the likeliest first: several where the RAM is not known
    # exactly, none where it would decide and is not known at all.
    expectations: tuple[Expectation, ...]
    expectation: Expectation | None  # None where the RAM would decide and is not known
    expected: int | None  # in all, but without CMA
    reserved: int | None  # in all, but without CMA
    areas: Areas | None
    cma: int | None
    suggested: int  # 0 where nothing is usual
    least: int  # what the most modest distribution reserves, 0 where none does
    armed: bool | None  # a crash kernel is loaded, or fadump registered
    next_refusal: str  # why crashkernel= of the next boot would reserve nothing; empty if it would

    @property
    def sure(self) -> bool:
        """Whether the RAM is known well enough to hold the kernel to it."""
        return len(self.expectations) == 1

    @property
    def usual(self) -> str:
        """Return the size to ask for on such a machine, as crashkernel= has it."""
        return short_size(
            self.suggested
            or (USUAL_RESERVATION_BYTES if self.ram is None else SMALL_RAM_RESERVATION_BYTES)
        )

    @property
    def ram_bytes(self) -> int:
        """Return the machine's memory in bytes, 0 where it is not known."""
        return self.ram.size if self.ram else 0

    @property
    def ram_source(self) -> str:
        """Return where it is known from, empty where it is not."""
        return str(self.ram.source) if self.ram else ""

    @property
    def main(self) -> int | None:
        """Return the bytes of the main area."""
        if self.reserved is None or self.areas is None:
            return self.reserved
        return min(self.reserved, self.areas.main.size)

    @property
    def reading(self) -> tuple[Clause, ...]:
        """Return how crashkernel= reads, a line for each amount of RAM that it tells apart."""
        return self.expectation.reading if self.expectation else ()


def reservation_of(machine: MachineFacts) -> Reservation:
    """Return what is known of the memory for the next capture."""
    facts, fadump = machine.reservation, _fadump(machine)
    ram = facts.ram
    expectations = _expectations(machine)
    expectation = _likely(expectations, ram)
    areas = None if fadump else areas_of(machine)
    usual = (ram.size if ram else 0, facts.architecture)
    return Reservation(
        mechanism=mechanism_of(machine),
        ram=ram,
        expectations=expectations,
        expectation=expectation,
        expected=_expected(expectation, areas, ram if fadump else None),
        reserved=fadump.reserved if fadump else _reserved(machine),
        areas=areas,
        cma=facts.cma,
        suggested=suggested_bytes(*usual, fadump=fadump is not None),
        least=least_bytes(*usual, fadump=fadump is not None),
        armed=machine.armed,
        next_refusal=_next_refusal(machine),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedMachine(MachineFacts):
    """What the rules judge by: the facts, and the reservation that follows from them."""

    reservation_judged: Reservation


def with_reservation(machine: MachineFacts) -> JudgedMachine:
    """Return the facts with what is known of the memory for the next capture."""
    facts = {one.name: getattr(machine, one.name) for one in fields(MachineFacts)}
    return JudgedMachine(**facts, reservation_judged=reservation_of(machine))


def mechanism_of(machine: MachineFacts) -> Mechanism:
    """Return what would capture: kdump also where it is only asked for."""
    if _fadump(machine):
        return Mechanism.FADUMP
    kernel = machine.kernel
    asked = kernel.supported and (kernel.crashkernel or kernel.reserved or kernel.crash_loaded)
    return Mechanism.KDUMP if asked else Mechanism.NONE


def cmdline_of(machine: MachineFacts) -> bytes:
    """Return the kernel's command line, or as much of it as is about the crash kernel."""
    values = machine.kernel.crashkernel.split(" ") if machine.kernel.crashkernel else []
    short = " ".join(f"crashkernel={value}" for value in values)
    return machine.reservation.cmdline or short.encode("ascii", "replace")


def _expectations(machine: MachineFacts) -> tuple[Expectation, ...]:
    facts, cmdline = machine.reservation, cmdline_of(machine)
    found: dict[tuple[object, ...], Expectation] = {}
    for ram in _possible(facts.ram, cmdline):
        one = expect(cmdline, ram, facts.architecture, machine.kernel.release)
        found.setdefault((one.main, one.low, one.problem), one)
    return tuple(found.values())


def _next_refusal(machine: MachineFacts) -> str:
    value = machine.next_boot.crashkernel
    if not isinstance(value, str) or not value:
        return ""
    cmdline = as_written(value).encode("ascii", "replace")
    release = machine.next_boot.release or machine.kernel.release
    found = [
        expect(cmdline, size, machine.reservation.architecture, release)
        for size in _possible(machine.reservation.ram, cmdline)
    ]
    if found and all(one.problem and one.problem is not Problem.AUTO for one in found):
        return found[0].explanation
    return ""


def areas_of(machine: MachineFacts) -> Areas | None:
    """Return where the areas lie, by the memory map, else by the log of this boot."""
    facts = machine.reservation
    if facts.regions is not None:
        regions = list(facts.regions)
    else:
        regions = list(_regions(facts.log.log)) if facts.log else []
    if not regions or not machine.kernel.reserved:
        return None
    regions.sort(key=lambda region: region.start)
    main = regions[-1]
    low = regions[0] if main.is_high and len(regions) > 1 else None
    return Areas(main=main, low=None if low is None or low.is_high else low)


def _regions(log: ReservationLog) -> Iterator[Region]:
    for area in log.areas:
        if area.kind in KDUMP_AREAS and area.start is not None:
            yield Region(start=area.start, size=area.size)


def _fadump(machine: MachineFacts) -> FadumpFacts | None:
    fadump = machine.reservation.fadump
    return fadump if fadump and fadump.enabled else None


def _possible(ram: Ram | None, cmdline: bytes) -> tuple[int, ...]:
    """Return the amounts of RAM that the machine may have; one where it makes no difference."""
    if ram is None:
        return () if b":" in last_of_each_kind(cmdline).get(b"", b"") else (ANY_RAM_BYTES,)
    more, less = RAM_ERROR_RATIOS.get(ram.source, (0, 0))
    return (ram.size, ram.size - int(ram.size * less), ram.size + int(ram.size * more))


def _likely(expectations: tuple[Expectation, ...], ram: Ram | None) -> Expectation | None:
    # MemTotal is below the next power of two where the machine is not: it decides nothing then.
    if not expectations or (
        len(expectations) > 1 and ram is not None and ram.source is RamSource.MEMINFO
    ):
        return None
    return expectations[0]


def _expected(
    expectation: Expectation | None, areas: Areas | None, fadump: Ram | None
) -> int | None:
    if expectation is None:
        return None
    if fadump:
        return min(expectation.main, fadump.size // FADUMP_RAM_DIVISOR)
    if areas is None:
        return expectation.main + expectation.low
    if not areas.main.is_high:
        return expectation.main
    return expectation.main + (
        expectation.low if expectation.high else expectation.low_beside_plain
    )


def _reserved(machine: MachineFacts) -> int | None:
    """Return all that kdump has: before about Linux 6.5, crash_size left out the low area."""
    regions = machine.reservation.regions
    size = machine.kernel.reserved
    return max(size, sum(region.size for region in regions)) if size and regions else size
