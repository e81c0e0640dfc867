# SPDX-License-Identifier: GPL-2.0-or-later
"""The memory that the kernel set aside at boot."""

from collections.abc import Iterator

from kdumpd.model.crashkernel import requested_size
from kdumpd.model.facts.machine import MachineFacts
from kdumpd.model.finding import Finding, fatal, warning
from kdumpd.model.text import MIB


def reservation_missing(machine: MachineFacts) -> Iterator[Finding]:
    """Report that no memory is set aside, whatever was asked for."""
    kernel = machine.kernel
    if not kernel.supported or kernel.reserved != 0:
        return
    asked = f"crashkernel={kernel.crashkernel} came to nothing"
    yield fatal(
        "reservation-missing",
        "no memory is reserved for the crash kernel: "
        + (asked if kernel.crashkernel else "no crashkernel= on the kernel's command line"),
        "set crashkernel=512M on the kernel's command line in the boot loader, and reboot",
    )


def reservation_short(machine: MachineFacts) -> Iterator[Finding]:
    """Report that the kernel reserved less than it was asked for."""
    kernel = machine.kernel
    requested = requested_size(kernel.crashkernel)
    if requested is None or kernel.reserved is None or not 0 < kernel.reserved < requested:
        return
    yield warning(
        "reservation-short",
        f"{kernel.reserved // MIB} MiB of the {requested // MIB} MiB requested by"
        f" crashkernel={kernel.crashkernel} are reserved",
        "look for 'crashkernel' in the kernel log: journalctl -k -g crashkernel",
    )
