# SPDX-License-Identifier: GPL-2.0-or-later
"""What to type on a machine, by its distribution and its capture tool."""

from kdumpd.model.formats.kdump_settings import Tool
from kdumpd.model.formats.kernel import Distribution, way_to_reserve
from kdumpd.model.readiness.facts import BootFile, CrashKernelFacts, MachineFacts
from kdumpd.model.text import MIB

# "the bare minimum to get Linux to function", found by trial on x86 (kdump-config of kdump-tools
# 1.10.7, crashkernel_estimate); kdumpctl estimate of kdump-utils takes 64 MiB for the same.
MIN_LINUX_BYTES = 32 * MIB
# Debian 12's initrd of gzip takes 3.6 times its size unpacked; twice is less than most take.
UNPACKED_INITRD_RATIO = 2


def estimated_bytes(*, kernel: int, initrd: int, unpacked: int) -> int:
    """Return the bytes that must be there at once: kernel, initrd as it is and unpacked, and base.

    This is the least that Debian's kdump-config recommends (crashkernel_estimate of kdump-tools
    1.10.7), with the kernel's own word on its size in place of a guess. The initrd is freed only
    after it was unpacked (init/initramfs.c).
    """
    return kernel + initrd + unpacked + MIN_LINUX_BYTES


def memory_need(facts: CrashKernelFacts) -> int | None:
    """Return the bytes that the kernel and initrd on disk need, None where one is not known."""
    image, initrd = facts.kernel, facts.initrd
    if not isinstance(image, BootFile) or not isinstance(initrd, BootFile):
        return None
    if not image.size or not initrd.size:
        return None
    return estimated_bytes(
        kernel=image.memory or image.size,
        initrd=initrd.size,
        unpacked=initrd.memory or UNPACKED_INITRD_RATIO * initrd.size,
    )


# kdump-config(8); kdumpctl(8); kdump(7) of SUSE.
LOAD_COMMANDS: dict[str, str] = {
    Tool.KDUMP_TOOLS: "kdump-config load",
    Tool.KDUMP_UTILS: "kdumpctl start",
    Tool.SUSE: "systemctl restart kdump.service",
}
LOAD_COMMANDS_OF_ANY_TOOL = (
    "kdump-config load (Debian, Ubuntu), kdumpctl start (Fedora, RHEL) or systemctl restart"
    " kdump.service (SUSE)"
)
SWITCH_ON_REMEDIES: dict[str, str] = {
    Tool.KDUMP_TOOLS: "set USE_KDUMP=1 in /etc/default/kdump-tools, then run kdump-config load",
    Tool.KDUMP_UTILS: "restore /etc/kdump.conf (see kdump.conf(5)), then run kdumpctl start",
}
INSTALL_COMMANDS = {
    Distribution.DEBIAN: "apt install kdump-tools",
    Distribution.FEDORA: "dnf install kdump-utils (kexec-tools before Fedora 40 and RHEL 10)",
    Distribution.SUSE: "zypper install kdump",
    Distribution.OTHER: "install your distribution's capture tool, or run kexec -p at each boot"
    " (see kexec(8))",
}
# Debian's package puts crashkernel= into the boot loader's file itself, and enables its unit.
SETUP_COMMANDS = {
    Distribution.DEBIAN: "apt install kdump-tools, then reboot",
    Distribution.FEDORA: f"{INSTALL_COMMANDS[Distribution.FEDORA]}, then run"
    " systemctl enable kdump.service && kdumpctl reset-crashkernel --kernel=ALL && reboot",
    Distribution.SUSE: "zypper install yast2-kdump, then yast2 kdump, then reboot",
}
BOOT_MENU_COMMANDS = {
    Distribution.DEBIAN: "update-grub",
    Distribution.FEDORA: "grub2-mkconfig -o /boot/grub2/grub.cfg",
    Distribution.SUSE: "grub2-mkconfig -o /boot/grub2/grub.cfg",
    Distribution.OTHER: "grub-mkconfig -o /boot/grub/grub.cfg",
}


def to_load(machine: MachineFacts) -> str:
    """Return the command that loads the crash kernel now; first what it cannot do without."""
    if _begins(machine):
        return "fix reservation-missing first; the next boot then loads one"
    facts = machine.crash_kernel
    if facts.tool == "":
        return _first(machine) + INSTALL_COMMANDS[machine.reservation.distribution]
    if facts.off and isinstance(facts.off, str):
        return _first(machine) + to_switch_on(machine)
    known = LOAD_COMMANDS.get(facts.tool) if isinstance(facts.tool, str) else None
    return _first(machine) + (
        known or (f"systemctl restart {facts.unit}" if facts.unit else LOAD_COMMANDS_OF_ANY_TOOL)
    )


def to_restart(machine: MachineFacts) -> str:
    """Return what to look at, and what to type then, where the unit loaded nothing."""
    needed = _first(machine)
    restart = f"systemctl restart {unit_of(machine)}"
    return (
        needed + restart
        if needed
        else f"find the cause with {to_see_journal(machine)}, then run {restart}"
    )


def to_see_journal(machine: MachineFacts) -> str:
    """Return the command that shows what the unit said in this boot."""
    return f"journalctl -b -u {unit_of(machine)}"


def unit_of(machine: MachineFacts) -> str:
    """Return the name of the unit that loads the crash kernel, the usual one if none is known."""
    return machine.service.unit or machine.crash_kernel.unit or "kdump.service"


def to_switch_on(machine: MachineFacts) -> str:
    """Return what makes the tool load again, where its settings keep it from that."""
    tool = machine.crash_kernel.tool
    known = SWITCH_ON_REMEDIES.get(tool) if isinstance(tool, str) else None
    return known or "restore the tool's configuration"


def to_install(machine: MachineFacts) -> str:
    """Return what installs a tool that loads a crash kernel."""
    if _begins(machine):
        return "fix reservation-missing; its remedy installs one"
    return _first(machine) + INSTALL_COMMANDS[machine.reservation.distribution]


def to_reserve(machine: MachineFacts, value: str) -> str:
    """Return what gives the next boot a crashkernel= of that size."""
    distribution = machine.reservation.distribution
    if machine.system.live:
        return "install the system first: a live system loses its boot loader settings"
    if machine.crash_kernel.tool == "" and distribution in SETUP_COMMANDS:
        return SETUP_COMMANDS[distribution]
    if not machine.kernel.crashkernel and _resets(machine):
        return "kdumpctl reset-crashkernel --kernel=ALL && reboot"
    return way_to_reserve(distribution, value)


def _begins(machine: MachineFacts) -> bool:
    """Return whether to_reserve() names all that a machine without kdump needs."""
    return (
        machine.kernel.reserved == 0
        and not machine.kernel.crashkernel
        and not machine.next_boot.crashkernel
        and not machine.system.live
        and machine.crash_kernel.tool == ""
        and machine.reservation.distribution in SETUP_COMMANDS
    )


def _first(machine: MachineFacts) -> str:
    """Return what must be done before a crash kernel can be loaded, empty for nothing."""
    if machine.kernel.reserved == 0:
        return "fix reservation-missing first, then: "
    if (machine.kernel.reserved or 0) < (memory_need(machine.crash_kernel) or 0):
        return "fix reservation-below-estimate first, then: "
    return ""


def _resets(machine: MachineFacts) -> bool:
    """Return whether kdumpctl knows how much is usual: from RHEL 9 and Fedora 35 on."""
    return machine.crash_kernel.tool == Tool.KDUMP_UTILS and ".el8" not in machine.kernel.release


def to_write_menu(machine: MachineFacts) -> str:
    """Return the command that makes the boot loader's file anew from its settings."""
    return BOOT_MENU_COMMANDS[machine.reservation.distribution]
