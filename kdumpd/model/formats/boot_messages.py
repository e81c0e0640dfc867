# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kernel says of its crash memory while it boots, in the words of many versions."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum, auto

from kdumpd.model.boot_complaint import Complaint, Reason, parse_complaint
from kdumpd.model.text import GIB, MIB

__all__ = ["Area", "AreaKind", "Complaint", "Reason", "ReservationLog", "parse_reservation_log"]

LONGEST = 256  # characters of a line that are looked at
MOST = 16  # areas, and complaints, that are kept
# The time and, by CONFIG_PRINTK_CALLER, the task; then the part of the kernel that speaks (pr_fmt).
BEGINNING = (
    r"(?:<[0-9]{1,3}>)?(?:\[[ 0-9.]{1,20}\])?(?:\[ {0,8}[TC][0-9]{1,8}\])? {0,4}"
    r"(?:(?!crashkernel)[a-z0-9_]{1,20}: )?"
)
MB, HEX = r"([0-9]{1,12})", r"0x([0-9a-fA-F]{1,16})"
# arch/*/kernel/setup.c and arch/powerpc/kexec/core.c: size and place in MiB.
RESERVING = rf"Reserving {MB}MB of memory at {MB}MB for crashkernel"
# x86 before 6.7; what stands in the parentheses has changed.
RESERVING_LOW = rf"Reserving {MB}MB of low memory at {MB}MB for crashkernel"
# From and to: arm64, others from 6.7, and riscv before it, which has the colon first.
RESERVED = rf"crashkernel(?: reserved:|: reserved) {HEX} - {HEX}"
RESERVED_LOW = rf"crashkernel low memory reserved: {HEX} - {HEX}"
RESERVED_CMA = rf"crashkernel CMA reserv(?:ed: |ation failed: [0-9]{{1,12}} MB requested, ){MB} MB"
# arch/powerpc/kernel/fadump.c: the place in MiB until 5.3, in bytes since.
FADUMP = rf"Reserv(?:ed|ing) {MB}MB of memory at {MB}MB for firmware-assisted dump"
FADUMP_HEX = rf"Reserved {MB}MB of memory at {HEX} \(System RAM: "
SYSTEM_RAM = rf"\(System RAM: {MB}MB\)"
# powerpc says first that it reserves, and then that it did not.
TAKEN_BACK = "Failed to reserve memory for crashkernel!"


class AreaKind(StrEnum):
    """What an area is for."""

    MAIN = auto()  # below 4 GiB
    HIGH = auto()  # the main one, above 4 GiB
    LOW = auto()  # beside a high one
    CMA = auto()  # what programs may use until the crash
    FADUMP = auto()  # for POWER's firmware-assisted dump


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """Memory that is set aside; in bytes, which most kernels say in whole MiB."""

    kind: AreaKind
    start: int | None  # None where the kernel does not say
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationLog:
    """All that a boot said of its crash memory; empty where it said nothing, or nobody kept it."""

    areas: tuple[Area, ...] = ()
    system_ram: int | None = None  # bytes, whole MiB and rounded down; before any rounding up
    complaints: tuple[Complaint, ...] = ()


def parse_reservation_log(lines: Iterable[str]) -> ReservationLog:
    """Return what kernel messages of one boot say of crash memory; any lines will do.

    Each may have its "[    0.000000] ". Looked up in Linux 4.13 to 7.1.
    """
    areas: list[Area] = []
    complaints: list[Complaint] = []
    system_ram: int | None = None
    for line in lines:
        text = re.sub(BEGINNING, "", line[:LONGEST], count=1).rstrip()
        if area := _parse_area(text):
            areas.append(area)
            match = re.search(SYSTEM_RAM, text)
            system_ram = int(match[1]) * MIB if match else system_ram
        if (complaint := parse_complaint(text)) and len(complaints) < MOST:
            complaints.append(complaint)
        if text == TAKEN_BACK:
            areas = [area for area in areas if area.kind not in (AreaKind.MAIN, AreaKind.HIGH)]
    return ReservationLog(
        areas=tuple(areas[:MOST]), system_ram=system_ram, complaints=tuple(complaints)
    )


def _parse_area(text: str) -> Area | None:
    if match := re.match(RESERVING, text) or re.match(RESERVED, text):
        start, size = _extent(match)
        kind = AreaKind.MAIN if start < 4 * GIB else AreaKind.HIGH
    elif match := re.match(RESERVING_LOW, text) or re.match(RESERVED_LOW, text):
        start, size = _extent(match)
        kind = AreaKind.LOW
    elif match := re.match(RESERVED_CMA, text):
        return Area(kind=AreaKind.CMA, start=None, size=int(match[1]) * MIB)
    elif match := re.match(FADUMP, text):
        start, size = _extent(match)
        kind = AreaKind.FADUMP
    elif match := re.match(FADUMP_HEX, text):
        start, size, kind = int(match[2], 16), int(match[1]) * MIB, AreaKind.FADUMP
    else:
        return None
    return Area(kind=kind, start=start, size=size) if size > 0 else None


def _extent(match: re.Match[str]) -> tuple[int, int]:
    """Return start and size, from size and start in MiB, or from the limits in bytes."""
    if match[0].startswith("Reserv"):
        return int(match[2]) * MIB, int(match[1]) * MIB
    start, beyond = int(match[1], 16), int(match[2], 16)
    return start, beyond - start
