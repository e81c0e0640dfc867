# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel's complaints about crashkernel= and fadump=, in its words and in ours."""

import re
from dataclasses import dataclass
from enum import StrEnum, auto

from kdumpd.model.text import shown


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


NOTHING = "no memory is reserved for a crash kernel"
CANNOT_READ = f"the kernel cannot read crashkernel=, so {NOTHING}"
NO_ROOM = f"there is no free area of that size, so {NOTHING}: ask for less"
# With KASLR the kernel itself may lie there, on one boot and not on another.
IN_USE = (
    f"the place behind '@' in crashkernel= is not free memory, so {NOTHING}: leave the place out"
)
NO_LOW_ROOM = f"there is not enough free memory below 4 GiB for the low area, so {NOTHING}"
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
            f"a size in crashkernel= is not smaller than this machine's RAM, so {NOTHING}, even if"
            " another range has that RAM"
        ),
    ),
    (
        r"crashkernel size resulted in zero bytes",
        Reason.NO_MATCH,
        f"this machine's RAM lies in no range of crashkernel=, so {NOTHING}",
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
        f"the first piece of memory is smaller than what crashkernel= asks for, so {NOTHING}",
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
        f"a paravirtual guest of Xen has no crash kernel of its own: {NOTHING}",
    ),
    (
        r"crashkernel: ignoring reservation request",
        Reason.UNSUPPORTED,
        f"this is a crash kernel itself: {NOTHING}",
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
