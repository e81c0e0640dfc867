# SPDX-License-Identifier: GPL-2.0-or-later
"""The unit that loads the crash kernel at boot."""

from collections.abc import Iterator

from kdumpd.model.readiness.facts import MachineFacts
from kdumpd.model.readiness.finding import Finding, Unknown, fatal, fine, info, unknown, warning
from kdumpd.model.readiness.remedies import to_restart, unit_of

NEVER = {"masked", "masked-runtime"}
BY_HAND = {"disabled"}
AT_BOOT = {"enabled", "enabled-runtime", "generated", "static", "indirect", "alias"}


def service_disabled(machine: MachineFacts) -> Iterator[Finding]:
    """Report that the next boot does not start the unit, by systemd's word or by its links."""
    code, unit = "service-disabled", unit_of(machine)
    asked = machine.service.unit_file_state
    # A unit of no file has an empty state.
    state = asked if isinstance(asked, str) and asked else machine.capture_kernel.unit_state
    if isinstance(state, Unknown):
        yield unknown(code, state)
    elif state in NEVER:
        yield warning(
            code,
            f"the next boot loads no crash kernel: {unit} is masked",
            f"systemctl unmask {unit} && systemctl enable {unit}",
        )
    elif state in BY_HAND:
        yield warning(
            code,
            f"the next boot loads no crash kernel: {unit} is disabled",
            f"systemctl enable {unit}",
        )
    elif state in AT_BOOT:
        yield fine(code, f"{unit} starts at boot")


def saving_service_masked(machine: MachineFacts) -> Iterator[Finding]:
    """Report that the unit by which the crash kernel saves the dump would not start."""
    code, facts = "saving-service-masked", machine.capture_kernel
    if isinstance(facts.saving_unit_state, Unknown):
        yield unknown(code, facts.saving_unit_state)
    elif facts.saving_unit_state in NEVER:
        yield fatal(
            code,
            f"{facts.saving_unit}, which saves the dump after a panic, is masked, so none is saved",
            f"systemctl unmask {facts.saving_unit}",
        )


def service_failed(machine: MachineFacts) -> Iterator[Finding]:
    """Report that the unit failed."""
    code, service = "service-failed", machine.service
    if isinstance(service.active_state, Unknown):
        yield unknown(code, service.active_state, "systemctl status " + unit_of(machine))
    elif service.active_state == "failed":
        status = service.exec_main_status
        ending = f", exit status {status}" if isinstance(status, int) and status else ""
        result = service.result if isinstance(service.result, str) else "unknown"
        yield warning(
            code,
            f"{unit_of(machine)}, which loads the crash kernel, failed: {result}{ending}",
            to_restart(machine),
        )
    elif service.active_state == "active":
        yield fine(code, f"{unit_of(machine)} did not fail")


def service_proves_nothing(machine: MachineFacts) -> Iterator[Finding]:
    """Report a unit that counts as started although it loaded nothing.

    kdump-tools.service is "active (exited)" even when kexec failed: its programs exit with 0.
    """
    if machine.service.active_state == "active" and machine.armed is False:
        yield info(
            "service-proves-nothing",
            f"{unit_of(machine)} is active, yet no crash kernel is loaded: its state proves"
            " nothing, only the kernel's own word counts",
            to_restart(machine),
        )
