# SPDX-License-Identifier: GPL-2.0-or-later
"""What kdump of SUSE would load: load.sh and mkdumprd of its kdump package."""

from collections.abc import Iterator

from kdumpd.model.formats.kdump_settings import Tool, assignments
from kdumpd.model.readiness.facts import CrashKernelFacts
from kdumpd.observe.files import KDUMP_SYSCONFIG, Files
from kdumpd.observe.readiness.boot_files import (
    changed_since,
    first_there,
    is_there,
    read_initrd,
    read_kernel_image,
)
from kdumpd.observe.readiness.kernel import uses_fadump
from kdumpd.observe.readiness.units import KDUMP_UNIT, read_unit_state

CRASH_KERNEL_IMAGE, CAPTURE_INITRD = "var/lib/kdump/kernel", "var/lib/kdump/initrd"
KERNEL_IMAGE_NAMES = ("vmlinuz", "image", "Image", "vmlinux")  # as mkdumprd looks for them
# What mkdumprd compares only matters where the dump goes over the network.
NETWORK_CONFIGS = ("etc/hosts", "etc/nsswitch.conf")
RELOAD_COMMAND = "mkdumprd -f && systemctl restart kdump.service"


def read_suse_kdump(files: Files, running: str) -> CrashKernelFacts:
    """Return what load.sh would load."""
    state = read_unit_state(files, KDUMP_UNIT)
    if uses_fadump(files) or not running:
        return CrashKernelFacts(tool=Tool.SUSE, off="", unit=KDUMP_UNIT, unit_state=state)
    kernel, initrd = _names(files, running)
    return CrashKernelFacts(
        tool=Tool.SUSE,
        off="",
        unit=KDUMP_UNIT,
        unit_state=state,
        kernel=read_kernel_image(files, kernel),
        initrd=read_initrd(files, initrd),
        changed=changed_since(files, initrd, (kernel, *_made_of(files))),
        makes_initrd=True,
        reload=RELOAD_COMMAND,
    )


def _names(files: Files, running: str) -> tuple[str, str]:
    """Return where kernel and initrd are; before kdump 2.0 they were in /boot, by release."""
    old = f"boot/initrd-{running}-kdump"
    if is_there(files, old) and not is_there(files, CAPTURE_INITRD):
        images = [f"boot/{image}-{running}" for image in KERNEL_IMAGE_NAMES]
        return first_there(files, images) or images[0], old
    # mkdumprd makes the link anew, to the kernel that /boot's own link leads to.
    return first_there(
        files, (CRASH_KERNEL_IMAGE, *(f"boot/{image}" for image in KERNEL_IMAGE_NAMES))
    ) or CRASH_KERNEL_IMAGE, CAPTURE_INITRD


def _made_of(files: Files) -> Iterator[str]:
    yield KDUMP_SYSCONFIG
    script = files.plain(KDUMP_SYSCONFIG)
    values = assignments(script) if isinstance(script, bytes) else {}
    target = values.get(b"KDUMP_SAVEDIR") or b""
    if target and not target.startswith((b"/", b"file:")):
        yield from NETWORK_CONFIGS
