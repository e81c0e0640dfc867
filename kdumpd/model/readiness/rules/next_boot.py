# SPDX-License-Identifier: GPL-2.0-or-later
"""The next boot: its memory for the crash kernel, and its kernel."""

from collections.abc import Iterator

from kdumpd.model.crashkernel.parse import as_written
from kdumpd.model.readiness.facts import MachineFacts
from kdumpd.model.readiness.finding import Finding, Unknown, fine, info, unknown, warning
from kdumpd.model.readiness.remedies import to_reserve, to_write_menu
from kdumpd.model.readiness.reservation import JudgedMachine


def next_boot_unreserved(machine: JudgedMachine) -> Iterator[Finding]:
    """Report that the reservation of now is lost at the next boot."""
    code, facts = "next-boot-unreserved", machine.next_boot
    if isinstance(facts.crashkernel, Unknown):
        yield unknown(code, facts.crashkernel, _to_write_again(machine, facts.crashkernel))
    elif facts.crashkernel and (refusal := machine.reservation_judged.next_refusal):
        # What the running kernel refused as well is told of it.
        if machine.kernel.reserved or not _same(facts.crashkernel, machine.kernel.crashkernel):
            yield warning(
                code,
                "the next boot reserves no memory for the crash kernel:"
                f" {as_written(facts.crashkernel)} has no effect ({refusal})",
                to_reserve(machine, machine.reservation_judged.usual),
            )
    elif facts.crashkernel:
        yield fine(code, f"the next boot uses {as_written(facts.crashkernel)}")
    elif facts.crashkernel is not None and machine.kernel.crashkernel:
        yield warning(
            code,
            f"the next boot reserves no memory for the crash kernel: '{facts.source}' has no"
            " crashkernel=, unlike the running kernel",
            to_write_menu(machine)
            if facts.wanted
            else f"add {as_written(machine.kernel.crashkernel)} to the settings of the boot loader",
        )


def next_boot_differs(machine: MachineFacts) -> Iterator[Finding]:
    """Report that the next boot asks for another reservation than this one had."""
    code, following, running = "next-boot-differs", machine.next_boot, machine.kernel.crashkernel
    if not isinstance(following.crashkernel, str) or not following.crashkernel:
        return
    if _same(following.crashkernel, running):
        yield fine(code, "the next boot uses the same crashkernel= as this one")
    else:
        now = f"with {as_written(running)}" if running else "without crashkernel="
        yield info(
            code,
            f"'{following.source}' has {as_written(following.crashkernel)}, but the running kernel"
            f" was started {now}",
            "reboot if you want this change",
        )


def boot_loader_outdated(machine: MachineFacts) -> Iterator[Finding]:
    """Report settings that the boot loader's file does not follow: update-grub was forgotten."""
    code, facts = "boot-loader-outdated", machine.next_boot
    if isinstance(facts.wanted, Unknown):
        yield unknown(code, facts.wanted)
        return
    if facts.wanted is None or not isinstance(facts.crashkernel, str):
        return
    if not facts.wanted and not facts.crashkernel:
        return  # nobody asks for anything
    if _same(facts.wanted, facts.crashkernel):
        yield fine(code, f"crashkernel= in '{facts.source}' matches '{facts.template}'")
    elif not facts.wanted:
        yield warning(
            code,
            f"'{facts.source}' has a crashkernel= that is missing from '{facts.template}': the next"
            f" {to_write_menu(machine)} removes it",
            f"add {as_written(facts.crashkernel)} to '{facts.template}'",
        )
    elif facts.crashkernel or not machine.kernel.crashkernel:
        yield info(
            code,
            f"'{facts.template}' asks for {as_written(facts.wanted)}, but '{facts.source}' was not"
            " updated",
            to_write_menu(machine),
        )


def next_kernel_without_initrd(machine: MachineFacts) -> Iterator[Finding]:
    """Report that the kernel of the next boot has no initrd that captures."""
    code, facts = "next-kernel-without-initrd", machine.next_boot
    if isinstance(facts.initrd, Unknown):
        yield unknown(code, facts.initrd)
        return
    if facts.initrd is None or not facts.release or facts.release == machine.kernel.release:
        return
    if facts.initrd:
        yield fine(code, f"the next kernel, {facts.release}, has a capture initrd")
        return
    missing = f"the next kernel, {facts.release}, has no capture initrd"
    if facts.makes_initrd:
        yield info(
            code,
            f"{missing} yet: its first boot makes one, and a panic before then leaves no dump",
            "no action needed; to make it now, reboot",
        )
    else:
        yield warning(
            code,
            f"{missing}, and its first boot makes none: a panic of that kernel leaves no dump",
            "reinstall the capture tool (kdump-tools, kdump-utils or kdump)",
        )


def running_kernel_removed(machine: MachineFacts) -> Iterator[Finding]:
    """Report that the running kernel cannot be loaded again, as its files are gone."""
    code, release = "running-kernel-removed", machine.kernel.release
    if not release:
        return
    if machine.next_boot.running_installed:
        yield fine(code, f"the running kernel, {release}, is installed")
    elif machine.next_boot.running_installed is False:
        gone = f"the files of the running kernel, {release}, are missing"
        remedy = "reboot into an installed kernel"
        if machine.armed:
            yield info(code, f"{gone}: the crash kernel cannot be reloaded", remedy)
        else:
            yield warning(code, f"{gone}: no crash kernel can be loaded", remedy)


def _to_write_again(machine: MachineFacts, fact: Unknown) -> str:
    """Return the command where it is GRUB's menu that says nothing; nobody fixes that by hand."""
    broken = "grub.cfg'" in fact.problem and "cannot be" not in fact.problem
    return to_write_menu(machine) if broken else ""


def _same(one: str, other: str) -> bool:
    """Return whether two parameters ask for the same, in whatever order of their kinds."""
    return sorted(one.split()) == sorted(other.split())
