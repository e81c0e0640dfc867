# SPDX-License-Identifier: GPL-2.0-or-later
"""POWER's firmware-assisted dump, which needs no crash kernel in memory."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FadumpFacts:
    """What the kernel says of fadump (Documentation/arch/powerpc/firmware-assisted-dump.rst)."""

    enabled: bool  # /sys/kernel/fadump/enabled
    registered: bool | None = None  # with the firmware; None where the kernel does not say
    reserved: int | None = None  # bytes; Linux says it since December 2019
