# SPDX-License-Identifier: GPL-2.0-or-later
"""The tool that loads the crash kernel, its unit, and the files that it loads."""

from kdumpd.model.readiness.facts import ServiceFacts
from kdumpd.model.readiness.finding import Severity
from tests.broken_machines.fault import FILES, OF_LOADED, UNLOADED, Fault, Tree, codes, each, unload

SETTINGS = "etc/default/kdump-tools"
UNIT = "kdump-tools.service"
HOOK = "etc/kernel/postinst.d/kdump-tools"
RUNNING, OLD = "6.1.0-56-amd64", "6.1.0-55-amd64"
IMAGE, INITRD = f"boot/vmlinuz-{RUNNING}", f"var/lib/kdump/initrd.img-{RUNNING}"
CAPTURES = "KDUMP_KERNEL=/var/lib/kdump/vmlinuz"
SUSE = "sles-15-sp6-ready"
FEDORA = "centos-stream-10-ready"
FEDORAS = "6.12.0-124.el10.x86_64"
WITHOUT_TOOL = FILES | codes("kdump-disabled service-disabled reservation-below-estimate")
WITHOUT_INITRD = codes("capture-initrd-differs reservation-below-estimate")
ACTIVE = ServiceFacts(
    unit=UNIT,
    load_state="loaded",
    active_state="active",
    result="success",
    unit_file_state="enabled",
    exec_main_status=0,
)
FAILED = ServiceFacts(
    unit=UNIT,
    load_state="loaded",
    active_state="failed",
    result="exit-code",
    unit_file_state="enabled",
    exec_main_status=1,
)


def remove_tool(tree: Tree) -> None:
    """Remove the package kdump-tools; its settings stay."""
    tree.remove("usr/sbin/kdump-config")
    tree.remove(f"usr/lib/systemd/system/{UNIT}")
    tree.remove(f"etc/systemd/system/basic.target.wants/{UNIT}")


def keep_old_kernel(tree: Tree) -> None:
    """Have the kernel before this one capture."""
    tree.sparse(f"boot/vmlinuz-{OLD}", 8_247_232)
    tree.sparse(f"var/lib/kdump/initrd.img-{OLD}", 7_216_553)
    tree.replace(SETTINGS, CAPTURES, f"KDUMP_KERNEL=/boot/vmlinuz-{OLD}")
    tree.replace(
        SETTINGS,
        "KDUMP_INITRD=/var/lib/kdump/initrd.img",
        f"KDUMP_INITRD=/var/lib/kdump/initrd.img-{OLD}",
    )


def keep_old_initrd(tree: Tree) -> None:
    """Have the running kernel capture with the initrd of the one before."""
    tree.sparse(f"var/lib/kdump/initrd.img-{OLD}", 7_216_553)
    tree.touch(f"var/lib/kdump/initrd.img-{OLD}")
    tree.link("var/lib/kdump/initrd.img", f"/var/lib/kdump/initrd.img-{OLD}")


FAULTS = [
    Fault(
        story="an administrator gave the crash kernel a command line, and forgot the disk",
        code="capture-cmdline-rootless",
        severity=Severity.WARNING,
        how=lambda tree: tree.replace(
            SETTINGS, "USE_KDUMP=1", 'USE_KDUMP=1\nKDUMP_CMDLINE="quiet irqpoll"'
        ),
    ),
    Fault(
        story="somebody masked the unit that saves dumps",
        code="saving-service-masked",
        severity=Severity.FATAL,
        how=lambda tree: tree.link(
            "etc/systemd/system/kdump-tools-dump.service", "../../../dev/null"
        ),
    ),
    Fault(
        story="kdump-tools were removed while their crash kernel was loaded",
        code="capture-tool-missing",
        severity=Severity.INFO,
        how=remove_tool,
        untold=WITHOUT_TOOL,
    ),
    Fault(
        story="kdump-tools were removed, and the machine rebooted",
        code="capture-tool-missing",
        severity=Severity.WARNING,
        how=each(remove_tool, unload),
        besides=UNLOADED,
        untold=WITHOUT_TOOL | OF_LOADED,
    ),
    Fault(
        story="an administrator set USE_KDUMP=0",
        code="kdump-disabled",
        severity=Severity.FATAL,
        how=lambda tree: tree.replace(SETTINGS, "USE_KDUMP=1", "USE_KDUMP=0"),
    ),
    Fault(
        story="/etc/kdump.conf was removed",
        code="kdump-disabled",
        severity=Severity.WARNING,
        how=lambda tree: tree.remove("etc/kdump.conf"),
        machine=FEDORA,
    ),
    Fault(
        story="an administrator ran `systemctl disable kdump-tools`",
        code="service-disabled",
        severity=Severity.WARNING,
        how=lambda tree: tree.remove(f"etc/systemd/system/basic.target.wants/{UNIT}"),
    ),
    Fault(
        story="an administrator ran `systemctl mask kdump-tools`",
        code="service-disabled",
        severity=Severity.WARNING,
        how=lambda tree: tree.link(f"etc/systemd/system/{UNIT}", "/dev/null"),
    ),
    Fault(
        story="kdump-tools.service failed when it was restarted",
        code="service-failed",
        severity=Severity.WARNING,
        service=FAILED,
    ),
    Fault(
        story="kexec failed, and kdump-tools.service is active all the same",
        code="service-proves-nothing",
        severity=Severity.INFO,
        how=unload,
        besides=UNLOADED,
        service=ACTIVE,
        untold=OF_LOADED,
    ),
    Fault(
        story="an administrator named a kernel that is not there",
        code="crash-kernel-missing",
        severity=Severity.WARNING,
        how=lambda tree: tree.replace(SETTINGS, CAPTURES, "KDUMP_KERNEL=/boot/vmlinuz-crash"),
        untold=codes("crash-kernel-differs capture-initrd-differs reservation-below-estimate"),
    ),
    Fault(
        story="the disk was full when the kernel's package was unpacked",
        code="crash-kernel-missing",
        severity=Severity.WARNING,
        how=lambda tree: tree.sparse(IMAGE, 0),
        untold=codes("crash-kernel-differs reservation-below-estimate"),
    ),
    Fault(
        story="somebody cleared /var/lib/kdump to make room",
        code="capture-initrd-missing",
        severity=Severity.INFO,
        how=lambda tree: tree.remove(INITRD),
        untold=WITHOUT_INITRD | codes("capture-initrd-stale"),
    ),
    Fault(
        story="somebody removed the initrd, and the hook that makes it",
        code="capture-initrd-missing",
        severity=Severity.WARNING,
        how=each(lambda tree: tree.remove(INITRD), lambda tree: tree.remove(HOOK)),
        untold=WITHOUT_INITRD | codes("capture-initrd-stale"),
    ),
    Fault(
        story="the disk was full when the initrd was made",
        code="capture-initrd-missing",
        severity=Severity.WARNING,
        how=lambda tree: tree.sparse(INITRD, 0),
        untold=WITHOUT_INITRD,
    ),
    Fault(
        story="the kernel's package was installed anew, and the hook failed",
        code="capture-initrd-stale",
        severity=Severity.WARNING,
        how=lambda tree: tree.touch(IMAGE),
    ),
    Fault(
        story="an administrator changed /etc/kdump/sysctl.conf",
        code="capture-initrd-stale",
        severity=Severity.WARNING,
        how=lambda tree: tree.replace(
            "etc/kdump/sysctl.conf", "vm.nr_hugepages=0", "vm.nr_hugepages=1"
        ),
    ),
    Fault(
        story="an administrator changed /etc/kdump.conf, and did not restart kdump",
        code="capture-initrd-stale",
        severity=Severity.WARNING,
        how=lambda tree: tree.touch("etc/kdump.conf"),
        machine=FEDORA,
    ),
    Fault(
        story="an administrator changed /etc/sysconfig/kdump, and did not restart kdump",
        code="capture-initrd-stale",
        severity=Severity.WARNING,
        how=lambda tree: tree.touch("etc/sysconfig/kdump"),
        machine=SUSE,
    ),
    Fault(
        story="somebody cleared SUSE's /var/lib/kdump to make room",
        code="capture-initrd-missing",
        severity=Severity.INFO,
        how=lambda tree: tree.remove("var/lib/kdump/initrd"),
        machine=SUSE,
        untold=codes("capture-initrd-stale reservation-below-estimate"),
    ),
    Fault(
        story="the disk was full when kdumpctl made the initrd",
        code="capture-initrd-missing",
        severity=Severity.WARNING,
        how=lambda tree: tree.sparse(f"boot/initramfs-{FEDORAS}kdump.img", 0),
        machine=FEDORA,
        untold=WITHOUT_INITRD,
    ),
    Fault(
        story="an administrator had the kernel before this one capture, and left it so",
        code="crash-kernel-differs",
        severity=Severity.INFO,
        how=keep_old_kernel,
    ),
    Fault(
        story="somebody had the link lead to the initrd of the kernel before",
        code="capture-initrd-differs",
        severity=Severity.WARNING,
        how=keep_old_initrd,
    ),
]
