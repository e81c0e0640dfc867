# SPDX-License-Identifier: GPL-2.0-or-later
"""Recognise a capture by the names of the files in its folder.

The folder's own name is not asked: people rename folders, and a server that collects from hosts
adds their names. Names are matched whole, never by prefix: `vmcore-dmesg-incomplete.txt` is no core
(open-power/op-test#780).
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from kdumpd.model.capture import Layout

STAMP = rb"\d{12}"  # kdump-tools 1.8: date +%Y%m%d%H%M
WRAPPER = rb"(\.(gz|bz2|xz|lz4))?"  # its KDUMP_COMPRESSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """The files of a capture: cores in the order of preference, and the kernel log beside them."""

    layout: Layout
    cores: tuple[bytes, ...]
    dmesg: bytes | None


Recogniser = Callable[[Collection[bytes]], Members | None]


def kdump_tools(names: Collection[bytes]) -> Members | None:
    """Recognise Debian's and Ubuntu's kdump-tools 1.8 (/usr/sbin/kdump-config).

    dump-incomplete becomes dump.STAMP; the fallback, cp, writes vmcore-incomplete, later
    vmcore.STAMP.
    The kernel log, dmesg.STAMP, comes first and straight under its final name.
    """
    cores = _matching(names, rb"dump\." + STAMP + WRAPPER, rb"vmcore\." + STAMP)
    growing = _matching(names, rb"dump-incomplete" + WRAPPER)
    logs = _matching(names, rb"dmesg\." + STAMP)
    if not cores and not growing and not logs:
        return None
    # The cp fallback shares its temporary name with kdump-utils; beside these files it is Debian's.
    growing += _matching(names, rb"vmcore-incomplete")
    return Members(
        layout=Layout.KDUMP_TOOLS, cores=cores + growing, dmesg=logs[-1] if logs else None
    )


def kdump_utils(names: Collection[bytes]) -> Members | None:
    """Recognise Fedora's and RHEL's kdump-utils 1.0 (dracut module 99kdumpbase, kdump.sh)."""
    cores = _matching(names, rb"vmcore", rb"vmcore-incomplete")
    logs = _matching(names, rb"vmcore-dmesg-incomplete\.txt", rb"vmcore-dmesg\.txt")
    if not cores and not logs:
        return None
    return Members(layout=Layout.KDUMP_UTILS, cores=cores, dmesg=logs[-1] if logs else None)


RECOGNISERS: tuple[Recogniser, ...] = (kdump_tools, kdump_utils)


def recognise(names: Collection[bytes]) -> Members | None:
    """Return the capture that a folder with files of these names holds, None for none of ours."""
    return next((found for rule in RECOGNISERS if (found := rule(names))), None)


def _matching(names: Collection[bytes], *patterns: bytes) -> tuple[bytes, ...]:
    return tuple(
        name for pattern in patterns for name in sorted(names) if re.fullmatch(pattern, name)
    )
