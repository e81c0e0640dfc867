# SPDX-License-Identifier: GPL-2.0-or-later
"""VMCOREINFO: the note in which a dying kernel says what it was."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from kdumpd.model.text import printable
from kdumpd.model.time import EPOCH

LONGEST_TEXT = 128  # a field of struct new_utsname has 65 bytes
MOST_DIGITS = 20  # of 2^64
BEYOND_TIME = 1 << 37  # seconds; datetime ends with the year 9999


class VmcoreinfoError(ValueError):
    """The bytes are not the note that a kernel writes."""


@dataclass(frozen=True, slots=True)
class Vmcoreinfo:
    """The note's KEY=VALUE lines (Documentation/admin-guide/kdump/vmcoreinfo.rst)."""

    values: Mapping[str, str]

    @property
    def kernel_release(self) -> str:
        """What uname -r said."""
        return self.values.get("OSRELEASE", "")[:LONGEST_TEXT]

    @property
    def build_id(self) -> str:
        """The kernel's build id in hexadecimal; kernels before 5.9 do not say it."""
        return self.values.get("BUILD-ID", "")[:LONGEST_TEXT]

    @property
    def crashed_at(self) -> datetime | None:
        """When the kernel died, by its own clock; None where the note does not say it."""
        text = self.values.get("CRASHTIME", "")
        if not (text.isascii() and text.isdigit()) or len(text) > MOST_DIGITS:
            return None
        seconds = int(text)
        return EPOCH + timedelta(seconds=seconds) if 0 < seconds < BEYOND_TIME else None


def parse_vmcoreinfo(note: bytes) -> Vmcoreinfo:
    """Return what the note says; VmcoreinfoError when it names no kernel (kernel/vmcore_info.c)."""
    values = {}
    for line in note.rstrip(b"\0").split(b"\n"):
        key, equals, value = line.partition(b"=")
        if equals and key.isascii():
            values[key.decode("ascii")] = printable(value)
    if not values.get("OSRELEASE"):
        raise VmcoreinfoError("no OSRELEASE in VMCOREINFO")
    return Vmcoreinfo(MappingProxyType(values))
