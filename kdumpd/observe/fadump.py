# SPDX-License-Identifier: GPL-2.0-or-later
"""Read what the kernel says of POWER's firmware-assisted dump."""

from kdumpd.model.readiness.facts import FadumpFacts
from kdumpd.model.readiness.finding import Fact, Unknown
from kdumpd.observe.files import Files

# The old ones are deprecated (Documentation/arch/powerpc/firmware-assisted-dump.rst).
ENABLED = ("sys/kernel/fadump/enabled", "sys/kernel/fadump_enabled")
REGISTERED = ("sys/kernel/fadump/registered", "sys/kernel/fadump_registered")
RESERVED = ("sys/kernel/fadump/mem_reserved",)


def read_fadump(files: Files) -> Fact[FadumpFacts]:
    """Return what the kernel says of fadump; None where it has none, as on any other machine."""
    enabled, registered, reserved = (
        _first(files, names) for names in (ENABLED, REGISTERED, RESERVED)
    )
    for number in (enabled, registered, reserved):
        if isinstance(number, Unknown):
            return number
    if not isinstance(enabled, int):
        return None
    return FadumpFacts(
        enabled=enabled == 1,
        registered=registered == 1 if isinstance(registered, int) else None,
        reserved=reserved if isinstance(reserved, int) else None,
    )


def uses_fadump(files: Files) -> bool:
    """Return whether firmware keeps the memory: no crash kernel is loaded by kexec then."""
    return any(files.number(name) == 1 for name in ENABLED)


def _first(files: Files, names: tuple[str, ...]) -> Fact[int]:
    found = (files.number(name) for name in names)
    return next((number for number in found if number is not None), None)
