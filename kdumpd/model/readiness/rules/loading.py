# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel and initrd that are to capture, and the unit that loads them."""

from collections.abc import Iterator

from kdumpd.model.crashkernel.parse import short_size
from kdumpd.model.formats.kdump_settings import Tool
from kdumpd.model.readiness.facts import BootFile, MachineFacts
from kdumpd.model.readiness.finding import Finding, Unknown, fatal, fine, info, unknown, warning
from kdumpd.model.readiness.remedies import (
    memory_need,
    to_install,
    to_reserve,
    to_restart,
    to_switch_on,
    unit_of,
)
from kdumpd.model.readiness.reservation import JudgedMachine
from kdumpd.model.text import MIB, human_size

MIN_IMAGE_BYTES = 1 << 16  # no kernel and no initrd with a shell is smaller
RESERVATION_STEP_BYTES = 64 * MIB  # sizes of crashkernel= are told in multiples of it
CRASH_KERNEL_IMAGE, CAPTURE_INITRD = "the crash kernel image", "the capture initrd"


def capture_tool_missing(machine: MachineFacts) -> Iterator[Finding]:
    """Report that nothing known is installed which would load a crash kernel at boot."""
    code, tool = "capture-tool-missing", machine.crash_kernel.tool
    if isinstance(tool, Unknown):
        yield unknown(code, tool)
    if not isinstance(tool, str):
        return
    if tool:
        yield fine(code, f"the capture tool {tool} is installed")
    elif machine.armed:
        yield info(
            code,
            "the crash kernel was loaded by hand or by an unknown tool: the next boot may not load"
            " one",
            to_install(machine),
        )
    else:
        yield warning(
            code,
            "no capture tool is installed, so the next boot loads no crash kernel",
            to_install(machine),
        )


def kdump_disabled(machine: MachineFacts) -> Iterator[Finding]:
    """Report a setting by which the tool loads nothing."""
    code, facts = "kdump-disabled", machine.crash_kernel
    if isinstance(facts.off, Unknown):
        yield unknown(code, facts.off)
    elif facts.off:
        # kdump-tools asks the same file again before they save the dump, after a panic.
        asks_again = facts.tool == Tool.KDUMP_TOOLS
        report, also = (fatal, " and saves no dump") if asks_again else (warning, "")
        message = f"{facts.tool} is off, so it loads no crash kernel at boot{also}: {facts.off}"
        yield report(code, message, to_switch_on(machine))
    elif facts.off is not None:
        yield fine(code, f"{facts.tool} is not turned off in its settings")


def crash_kernel_missing(machine: MachineFacts) -> Iterator[Finding]:
    """Report that the kernel that is to capture is not on disk."""
    code, image = "crash-kernel-missing", machine.crash_kernel.kernel
    if isinstance(image, Unknown):
        yield unknown(code, image)
    elif image is not None and _is_whole(image):
        yield fine(code, f"the crash kernel image exists: '{image.path}'")
    elif image is not None and not _was_removed(machine, image):
        follows = (
            "the next boot or reload may fail to load a crash kernel"
            if machine.armed
            else "no crash kernel can be loaded"
        )
        yield warning(
            code,
            f"{_gone(CRASH_KERNEL_IMAGE, image)}: {follows}",
            "reinstall the package of that kernel, or set another in the capture tool's settings",
        )


def capture_initrd_missing(machine: MachineFacts) -> Iterator[Finding]:
    """Report that the initrd of the kernel that is to capture is not on disk."""
    code, facts = "capture-initrd-missing", machine.crash_kernel
    initrd = facts.initrd
    if isinstance(initrd, Unknown):
        yield unknown(code, initrd, "" if "cannot be" in initrd.problem else facts.reload)
    elif initrd is not None and _is_whole(initrd):
        yield fine(code, f"the capture initrd exists: '{initrd.path}'")
    elif initrd is not None and initrd.size is None and facts.makes_initrd:
        yield info(
            code,
            f"{_gone(CAPTURE_INITRD, initrd)}: {facts.tool} makes one at the next load",
            facts.reload,
        )
    elif initrd is not None:
        yield warning(
            code,
            f"{_gone(CAPTURE_INITRD, initrd)}: without it, the crash kernel finds no disk",
            facts.reload,
        )


def capture_initrd_stale(machine: MachineFacts) -> Iterator[Finding]:
    """Report an initrd that is older than what it was made from."""
    code, facts = "capture-initrd-stale", machine.crash_kernel
    if isinstance(facts.changed, Unknown):
        yield unknown(code, facts.changed)
    elif facts.changed:
        names = " and ".join(f"'{name}'" for name in facts.changed[:3])
        yield warning(
            code,
            f"the capture initrd is older than {names}, so it lacks the latest changes",
            facts.reload,
        )
    elif facts.changed is not None:
        yield fine(code, "the capture initrd is up to date")


def crash_kernel_differs(machine: MachineFacts) -> Iterator[Finding]:
    """Report a crash kernel of another release, which works as a rule, but may be a leftover."""
    code, image = "crash-kernel-differs", machine.crash_kernel.kernel
    running = machine.kernel.release
    if not isinstance(image, BootFile) or not image.size or not image.release or not running:
        return
    if image.release == running:
        yield fine(code, f"the crash kernel image has the version of the running kernel, {running}")
    else:
        yield info(
            code,
            f"the crash kernel is {image.release}, but the running kernel is {running}",
            "if you did not choose this, set the running kernel in the capture tool's settings",
        )


def capture_initrd_differs(machine: MachineFacts) -> Iterator[Finding]:
    """Report an initrd with the modules of another kernel: it finds no disk to write to."""
    code, facts = "capture-initrd-differs", machine.crash_kernel
    image, initrd = facts.kernel, facts.initrd
    if not isinstance(image, BootFile) or not isinstance(initrd, BootFile):
        return
    if not image.release or not initrd.release or not initrd.size:
        return
    if image.release == initrd.release:
        yield fine(code, f"the capture initrd was made for {image.release}")
    else:
        yield warning(
            code,
            f"the capture initrd was made for {initrd.release}, but the crash kernel is"
            f" {image.release}: it cannot use these modules, and may find no disk",
            facts.reload,
        )


def capture_cmdline_rootless(machine: MachineFacts) -> Iterator[Finding]:
    """Report a command line of one's own for the crash kernel that names no root file system.

    KDUMP_CMDLINE takes the place of all that kdump-config would take over from /proc/cmdline.
    """
    cmdline = machine.crash_kernel.cmdline
    running = machine.reservation.cmdline
    if cmdline and b"root=" in running and "root=" not in cmdline:
        yield warning(
            "capture-cmdline-rootless",
            "KDUMP_CMDLINE has no root=, unlike the running kernel: the crash kernel may find no"
            " disk",
            "add root= to KDUMP_CMDLINE in /etc/default/kdump-tools, or use KDUMP_CMDLINE_APPEND;"
            " then run kdump-config reload",
        )


def reservation_below_estimate(machine: JudgedMachine) -> Iterator[Finding]:
    """Report that less is reserved than kernel and initrd take by their own measure."""
    code, reserved = "reservation-below-estimate", machine.kernel.reserved
    estimate = memory_need(machine.crash_kernel)
    if not reserved or estimate is None:
        return
    usual = machine.reservation_judged.suggested
    if reserved >= estimate:
        yield fine(code, "the reserved memory is enough for the crash kernel and its initrd")
    else:
        yield warning(
            code,
            f"only {human_size(reserved)} is reserved, but the crash kernel and its initrd need"
            f" about {human_size(estimate)}: loading may fail, or the memory run out",
            to_reserve(
                machine,
                short_size(
                    max(usual, -(-estimate // RESERVATION_STEP_BYTES) * RESERVATION_STEP_BYTES)
                ),
            ),
        )


def _was_removed(machine: MachineFacts, image: BootFile) -> bool:
    """Return whether it is the running kernel, which another took the place of: that is said."""
    removed = machine.next_boot.running_installed is False
    return removed and image.size is None and image.release == machine.kernel.release


def _is_whole(file: BootFile) -> bool:
    return file.size is not None and file.size >= MIN_IMAGE_BYTES


def _gone(what: str, file: BootFile) -> str:
    if file.size is None:
        problem = "does not exist"
    else:
        problem = f"has only {file.size} bytes" if file.size else "is empty"
    return f"{what} '{file.path}' {problem}"


MASKED_UNIT_STATES = {"masked", "masked-runtime"}
DISABLED_UNIT_STATES = {"disabled"}
STARTED_AT_BOOT_UNIT_STATES = {
    "enabled",
    "enabled-runtime",
    "generated",
    "static",
    "indirect",
    "alias",
}


def service_disabled(machine: MachineFacts) -> Iterator[Finding]:
    """Report that the next boot does not start the unit, by systemd's word or by its links."""
    code, unit = "service-disabled", unit_of(machine)
    asked = machine.service.unit_file_state
    # A unit of no file has an empty state.
    state = asked if isinstance(asked, str) and asked else machine.crash_kernel.unit_state
    if isinstance(state, Unknown):
        yield unknown(code, state)
    elif state in MASKED_UNIT_STATES:
        yield warning(
            code,
            f"the next boot loads no crash kernel: {unit} is masked",
            f"systemctl unmask {unit} && systemctl enable {unit}",
        )
    elif state in DISABLED_UNIT_STATES:
        yield warning(
            code,
            f"the next boot loads no crash kernel: {unit} is disabled",
            f"systemctl enable {unit}",
        )
    elif state in STARTED_AT_BOOT_UNIT_STATES:
        yield fine(code, f"{unit} starts at boot")


def saving_service_masked(machine: MachineFacts) -> Iterator[Finding]:
    """Report that the unit by which the crash kernel saves the dump would not start."""
    code, facts = "saving-service-masked", machine.crash_kernel
    if isinstance(facts.saving_unit_state, Unknown):
        yield unknown(code, facts.saving_unit_state)
    elif facts.saving_unit_state in MASKED_UNIT_STATES:
        yield fatal(
            code,
            f"{facts.saving_unit}, which saves dumps after a panic, is masked: it saves none",
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
    elif service.active_state == "active" and machine.armed is not False:
        yield fine(code, f"{unit_of(machine)} did not fail")


def service_proves_nothing(machine: MachineFacts) -> Iterator[Finding]:
    """Report a unit that counts as started although it loaded nothing.

    kdump-tools.service is "active (exited)" even when kexec failed: its programs exit with 0.
    """
    if machine.service.active_state == "active" and machine.armed is False:
        yield info(
            "service-proves-nothing",
            f"{unit_of(machine)} is active, but no crash kernel is loaded: the unit does not show"
            " whether loading worked",
            to_restart(machine),
        )
