# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kernel says of its crash memory while it boots, in the words of many versions."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum, auto

from kdumpd.model.text import GIB, MIB, shown


class Reason(StrEnum):
    """What a complaint comes down to."""

    SYNTAX = auto()
    TOO_LARGE = "too-large"
    NO_MATCH = "no-match"
    NO_ROOM = "no-room"
    IN_USE = "in-use"
    NO_LOW_ROOM = "no-low-room"
    UNSUPPORTED = auto()
    CHANGED = auto()  # something is reserved, but not as asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """Why something was not reserved as asked for."""

    reason: Reason
    words: str  # the kernel's
    explanation: str  # ours, one sentence


NO_RESERVATION = "no memory is reserved for a crash kernel"
CANNOT_READ = f"the kernel cannot read crashkernel=, so {NO_RESERVATION}"
NO_ROOM = f"there is no free area of that size, so {NO_RESERVATION}: ask for less"
# With KASLR the kernel itself may lie there, on one boot and not on another.
IN_USE = (
    f"the place behind '@' in crashkernel= is not free memory, so {NO_RESERVATION}: leave the"
    " place out"
)
NO_LOW_ROOM = f"there is not enough free memory below 4 GiB for the low area, so {NO_RESERVATION}"
FADUMP_FAILED = "no memory is reserved for a firmware-assisted dump"

# In the order of trying; a pattern stands at the beginning of what the kernel says.
COMPLAINTS: tuple[tuple[str, Reason, str], ...] = (
    # kernel/crash_core.c, from 6.9 kernel/crash_reserve.c
    (
        r"(?:crashkernel: )?Memory value expected after '@'",
        Reason.SYNTAX,
        f"{CANNOT_READ}: a number is missing behind '@'",
    ),
    (
        r"(?:crashkernel: )?[Mm]emory value expected",
        Reason.SYNTAX,
        f"{CANNOT_READ}: a number is missing",
    ),
    (
        r"crashkernel: '-' expected",
        Reason.SYNTAX,
        f"{CANNOT_READ}: a range is written START-END:SIZE",
    ),
    (
        r"crashkernel: ':' expected",
        Reason.SYNTAX,
        f"{CANNOT_READ}: a range has no ':' and size",
    ),
    (
        r"crashkernel: end <= start",
        Reason.SYNTAX,
        f"{CANNOT_READ}: a range ends before it begins",
    ),
    (
        r"crashkernel: unrecognized char",
        Reason.SYNTAX,
        f"{CANNOT_READ}: something follows the size that does not belong there",
    ),
    (
        r"crashkernel: invalid size",
        Reason.TOO_LARGE,
        (
            f"a size in crashkernel= is not smaller than this machine's RAM, so {NO_RESERVATION},"
            " even if another range has that RAM"
        ),
    ),
    (
        r"crashkernel size resulted in zero bytes",
        Reason.NO_MATCH,
        f"this machine's RAM lies in no range of crashkernel=, so {NO_RESERVATION}",
    ),
    # x86, arm64, arm, mips, loongarch, s390, sh, riscv, powerpc
    (r"crashkernel reservation failed - No suitable area found", Reason.NO_ROOM, NO_ROOM),
    (r"crashkernel reservation failed: no suitable area found", Reason.NO_ROOM, NO_ROOM),
    (r"cannot allocate crashkernel \(size:", Reason.NO_ROOM, NO_ROOM),
    (r"crashkernel: couldn't allocate ", Reason.NO_ROOM, NO_ROOM),
    (r"crashkernel allocation failed", Reason.NO_ROOM, NO_ROOM),
    (r"Failed to reserve memory for crashkernel!", Reason.NO_ROOM, NO_ROOM),
    (
        r"crashkernel reservation failed: first memory chunk must be at least crashkernel size",
        Reason.NO_ROOM,
        (
            f"the first piece of memory is smaller than what crashkernel= asks for, so"
            f" {NO_RESERVATION}"
        ),
    ),
    (r"crashkernel reservation failed - memory is in use", Reason.IN_USE, IN_USE),
    (r"crashkernel reservation failed: crash_base too low", Reason.IN_USE, IN_USE),
    (r"cannot reserve crashkernel(?: region \[|: region )", Reason.IN_USE, IN_USE),
    (r"Invalid memory region reserved for crash kernel", Reason.IN_USE, IN_USE),
    (r"cannot reserve crashkernel: base address is not ", Reason.IN_USE, IN_USE),
    (r"Crash kernel can not overlap current kernel", Reason.IN_USE, IN_USE),
    (r"Cannot reserve [0-9]{1,12}MB crashkernel low memory", Reason.NO_LOW_ROOM, NO_LOW_ROOM),
    (r"cannot allocate crashkernel low memory \(size:", Reason.NO_LOW_ROOM, NO_LOW_ROOM),
    (
        r"Ignoring crashkernel for a Xen PV domain",
        Reason.UNSUPPORTED,
        f"a paravirtual guest of Xen has no crash kernel of its own: {NO_RESERVATION}",
    ),
    (
        r"crashkernel: ignoring reservation request",
        Reason.UNSUPPORTED,
        f"this is a crash kernel itself: {NO_RESERVATION}",
    ),
    (
        r"crashkernel CMA reservation (?:failed|not supported)",
        Reason.CHANGED,
        "the memory that programs may use until a crash (,cma) is not all there",
    ),
    (
        r"Crash kernel (?:location|base) must be ",
        Reason.CHANGED,
        "the crash memory lies elsewhere than crashkernel= asks for",
    ),
    # arch/powerpc/kernel/fadump.c
    (
        r"Firmware-[Aa]ssisted [Dd]ump is not supported on this hardware",
        Reason.UNSUPPORTED,
        f"this machine's firmware takes no dumps: {FADUMP_FAILED}",
    ),
    (
        r"Failed to (?:find memory chunk for reservation|reserve memory)!?$",
        Reason.NO_ROOM,
        f"there is no free area of that size: {FADUMP_FAILED}",
    ),
    (
        r"Can't enable fadump with boot memory size ",
        Reason.SYNTAX,
        f"crashkernel= asks for less than this kernel needs to start: {FADUMP_FAILED}",
    ),
    (
        r"Too many holes in boot memory area to enable fadump",
        Reason.UNSUPPORTED,
        f"the first memory of this machine has too many holes: {FADUMP_FAILED}",
    ),
    (
        r"Adjusted boot memory size to ",
        Reason.CHANGED,
        (
            "crashkernel= asks for more of the RAM than a firmware-assisted dump may have, so less"
            " is reserved"
        ),
    ),
)


def parse_complaint(text: str) -> Complaint | None:
    """Return what a kernel's message, without its time, complains of; None for any other."""
    for pattern, reason, explanation in COMPLAINTS:
        if re.match(pattern, text):
            words = shown(text.encode("utf-8", "replace"))
            return Complaint(reason=reason, words=words, explanation=explanation)
    return None


MAX_LINE_CHARACTERS = 256  # of a line, from its beginning
MAX_AREAS_OR_COMPLAINTS = 16  # that are kept of each
# The time and, by CONFIG_PRINTK_CALLER, the task; then the part of the kernel that speaks (pr_fmt).
LINE_PREFIX_PATTERN = (
    r"(?:<[0-9]{1,3}>)?(?:\[[ 0-9.]{1,20}\])?(?:\[ {0,8}[TC][0-9]{1,8}\])? {0,4}"
    r"(?:(?!crashkernel)[a-z0-9_]{1,20}: )?"
)
MIB_DIGITS, HEX_DIGITS = r"([0-9]{1,12})", r"0x([0-9a-fA-F]{1,16})"
# arch/*/kernel/setup.c and arch/powerpc/kexec/core.c: size and place in MiB.
RESERVING_LINE = rf"Reserving {MIB_DIGITS}MB of memory at {MIB_DIGITS}MB for crashkernel"
# x86 before 6.7; what stands in the parentheses has changed.
RESERVING_LOW_LINE = rf"Reserving {MIB_DIGITS}MB of low memory at {MIB_DIGITS}MB for crashkernel"
# From and to: arm64, others from 6.7, and riscv before it, which has the colon first.
RESERVED_LINE = rf"crashkernel(?: reserved:|: reserved) {HEX_DIGITS} - {HEX_DIGITS}"
RESERVED_LOW_LINE = rf"crashkernel low memory reserved: {HEX_DIGITS} - {HEX_DIGITS}"
RESERVED_CMA_LINE = (
    rf"crashkernel CMA reserv(?:ed: |ation failed: [0-9]{{1,12}} MB requested, ){MIB_DIGITS} MB"
)
# arch/powerpc/kernel/fadump.c: the place in MiB until 5.3, in bytes since.
FADUMP_LINE = (
    rf"Reserv(?:ed|ing) {MIB_DIGITS}MB of memory at {MIB_DIGITS}MB for firmware-assisted dump"
)
FADUMP_HEX_LINE = rf"Reserved {MIB_DIGITS}MB of memory at {HEX_DIGITS} \(System RAM: "
SYSTEM_RAM_PATTERN = rf"\(System RAM: {MIB_DIGITS}MB\)"
# powerpc says first that it reserves, and then that it did not.
RESERVATION_TAKEN_BACK_LINE = "Failed to reserve memory for crashkernel!"


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
        text = re.sub(LINE_PREFIX_PATTERN, "", line[:MAX_LINE_CHARACTERS], count=1).rstrip()
        if area := _parse_area(text):
            areas.append(area)
            match = re.search(SYSTEM_RAM_PATTERN, text)
            system_ram = int(match[1]) * MIB if match else system_ram
        if (complaint := parse_complaint(text)) and len(complaints) < MAX_AREAS_OR_COMPLAINTS:
            complaints.append(complaint)
        if text == RESERVATION_TAKEN_BACK_LINE:
            areas = [area for area in areas if area.kind not in (AreaKind.MAIN, AreaKind.HIGH)]
    return ReservationLog(
        areas=tuple(areas[:MAX_AREAS_OR_COMPLAINTS]),
        system_ram=system_ram,
        complaints=tuple(complaints),
    )


def _parse_area(text: str) -> Area | None:
    if match := re.match(RESERVING_LINE, text) or re.match(RESERVED_LINE, text):
        start, size = _extent(match)
        kind = AreaKind.MAIN if start < 4 * GIB else AreaKind.HIGH
    elif match := re.match(RESERVING_LOW_LINE, text) or re.match(RESERVED_LOW_LINE, text):
        start, size = _extent(match)
        kind = AreaKind.LOW
    elif match := re.match(RESERVED_CMA_LINE, text):
        return Area(kind=AreaKind.CMA, start=None, size=int(match[1]) * MIB)
    elif match := re.match(FADUMP_LINE, text):
        start, size = _extent(match)
        kind = AreaKind.FADUMP
    elif match := re.match(FADUMP_HEX_LINE, text):
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
