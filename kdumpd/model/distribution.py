# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose way of setting up kdump a machine follows, by its os-release(5)."""

import re
from enum import StrEnum, auto

LINE = rb"(ID|ID_LIKE)=([\"']?)([a-z0-9._ -]{0,200})\2[ \t]*"


class Distribution(StrEnum):
    """A family of distributions."""

    DEBIAN = auto()
    FEDORA = auto()
    SUSE = auto()
    OTHER = auto()


FAMILIES = {
    b"debian": Distribution.DEBIAN,
    b"ubuntu": Distribution.DEBIAN,
    b"fedora": Distribution.FEDORA,
    b"rhel": Distribution.FEDORA,
    b"centos": Distribution.FEDORA,
    b"suse": Distribution.SUSE,
    b"opensuse": Distribution.SUSE,
    b"sles": Distribution.SUSE,
}

# What to type so that the next boot has another crashkernel=, {value} being a size.
# Debian's kdump-tools ships that file; grubby(8), which runs zipl as well; kdump(7) of SUSE.
WAYS = {
    Distribution.DEBIAN: "put crashkernel={value} into /etc/default/grub.d/kdump-tools.cfg,"
    " then update-grub && reboot",
    Distribution.FEDORA: "grubby --update-kernel=ALL --args=crashkernel={value} && reboot",
    Distribution.SUSE: "yast2 kdump, with crashkernel={value} or what kdumptool calibrate says,"
    " then reboot",
    Distribution.OTHER: "set crashkernel={value} on the kernel's command line in the boot loader,"
    " and reboot",
}


def parse_os_release(content: bytes) -> Distribution:
    """Return the family that ID names, else the first one that ID_LIKE names."""
    values: dict[bytes, bytes] = {}
    for line in content.splitlines():
        if match := re.fullmatch(LINE, line):
            values[match[1]] = match[3]
    names = values.get(b"ID", b"").split() + values.get(b"ID_LIKE", b"").split()
    return next((FAMILIES[name] for name in names if name in FAMILIES), Distribution.OTHER)


def way_to_reserve(distribution: Distribution, value: str) -> str:
    """Return what to type for another crashkernel=."""
    return WAYS[distribution].format(value=value)
