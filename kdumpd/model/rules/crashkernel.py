# SPDX-License-Identifier: GPL-2.0-or-later
"""The crashkernel= parameter: what of it does not do what it seems to."""

from collections.abc import Iterator

from kdumpd.model.crashkernel.words import misspellings, superseded, unread_rest
from kdumpd.model.readiness.facts import MachineFacts
from kdumpd.model.readiness.finding import Finding, info, warning
from kdumpd.model.readiness.remedies import to_reserve
from kdumpd.model.readiness.reservation import cmdline_of, expectations_of, reservation_of
from kdumpd.model.text import MIB, shown


def crashkernel_repeated(machine: MachineFacts) -> Iterator[Finding]:
    """Report that crashkernel= is given more than once with different sizes."""
    for value in superseded(cmdline_of(machine)):
        yield info(
            "crashkernel-repeated",
            f"crashkernel={shown(value)} does not count, because another one comes after it",
            _without(f"crashkernel={shown(value)}"),
        )


def crashkernel_ignored(machine: MachineFacts) -> Iterator[Finding]:
    """Report a ,high, ,low or ,cma that does not count beside what else is there."""
    if not machine.kernel.reserved:
        return
    for clause in (clause for one in expectations_of(machine)[:1] for clause in one.ignored):
        yield info("crashkernel-ignored", clause.text, _without(clause.text.partition(" ")[0]))


def crashkernel_misspelled(machine: MachineFacts) -> Iterator[Finding]:
    """Report what looks like crashkernel= and means nothing, beside one that counts."""
    if not machine.kernel.reserved:
        return
    for word in misspellings(cmdline_of(machine)):
        yield info(
            "crashkernel-misspelled",
            f"'{shown(word)}' on the command line means nothing to the kernel",
            _without(shown(word)),
        )


def crashkernel_without_unit(machine: MachineFacts) -> Iterator[Finding]:
    """Report a size in bytes, as memparse() reads a number without K, M or G (lib/cmdline.c)."""
    for found in expectations_of(machine)[:1]:
        if 0 < found.main < MIB:
            yield warning(
                "crashkernel-without-unit",
                f"crashkernel= asks for {found.main} bytes: a unit such as M is missing, and no"
                " crash kernel fits in there",
                to_reserve(machine, reservation_of(machine).usual),
            )


def crashkernel_fragile(machine: MachineFacts) -> Iterator[Finding]:
    """Report ranges that only work because the kernel stops reading before what is wrong."""
    if not any(one.main for one in expectations_of(machine)):
        return
    if complaint := unread_rest(cmdline_of(machine)):
        yield info(
            "crashkernel-fragile",
            "with other RAM the kernel would reserve nothing, because it cannot read all of"
            f" crashkernel=: {complaint}",
            "mend crashkernel= on the kernel's command line in the boot loader",
        )


def _without(word: str) -> str:
    return f"take {word} off the kernel's command line in the boot loader"
