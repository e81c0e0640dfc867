# SPDX-License-Identifier: GPL-2.0-or-later
"""What kdump-tools of Debian and Ubuntu would load: kdump-config and its configuration.

As of kdump-tools 1.8.1 (Debian 12) and 1.10.7 (Debian 13).
"""

import os
import re
from collections.abc import Mapping
from dataclasses import replace

from kdumpd.model.formats.kdump_settings import ShellSettings, Tool
from kdumpd.model.readiness.facts import BootFile, CrashKernelFacts
from kdumpd.model.readiness.finding import Fact, Unknown
from kdumpd.model.text import MIB, printable
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.boot_files import (
    changed_since,
    first_there,
    is_there,
    read_initrd,
    read_kernel_image,
)
from kdumpd.observe.readiness.kernel import uses_fadump
from kdumpd.observe.readiness.shared_files import KDUMP_TOOLS_CONFIG, SharedFiles
from kdumpd.observe.readiness.units import KDUMP_TOOLS_UNIT, read_unit_state

# kdump-config starts the crash kernel with systemd.unit=kdump-tools-dump.service.
KDUMP_TOOLS_DUMP_UNIT = "kdump-tools-dump.service"
KDUMP_TOOLS_DIRECTORY = "var/lib/kdump"
# Makes the initrd of one release; `kdump-config load` runs it where the initrd is missing.
INITRD_HOOK = "etc/kernel/postinst.d/kdump-tools"
CRASH_KERNEL_SYSCTLS = "etc/kdump/sysctl.conf"
MAX_SIZE_MIB = 1 << 20


def read_kdump_tools(shared: SharedFiles, running: str) -> CrashKernelFacts:
    """Return what kdump-config would load for the running release."""
    files, settings = shared.files, shared.kdump_tools
    facts = CrashKernelFacts(
        tool=Tool.KDUMP_TOOLS,
        off=_off(files, settings),
        unit=KDUMP_TOOLS_UNIT,
        unit_state=read_unit_state(files, KDUMP_TOOLS_UNIT),
        saving_unit=KDUMP_TOOLS_DUMP_UNIT,
        saving_unit_state=read_unit_state(files, KDUMP_TOOLS_DUMP_UNIT),
    )
    if uses_fadump(files) or not running:
        return facts
    values = settings.values if isinstance(settings, ShellSettings) else {}
    kernel, initrd = _kernel_name(files, values, running), _initrd_name(files, values, running)
    image = read_kernel_image(files, kernel) if kernel else None
    release = image.release if isinstance(image, BootFile) and image.release else running
    return replace(
        facts,
        kernel=image,
        initrd=read_initrd(files, initrd, _unpacked(files, release)) if initrd else None,
        cmdline=printable(values.get(b"KDUMP_CMDLINE") or b""),
        changed=_changed(files, kernel, initrd, release) if kernel and initrd else None,
        # One of the administrator's own is not made.
        makes_initrd=makes_initrd(files)
        and initrd.lstrip("/").startswith(f"{KDUMP_TOOLS_DIRECTORY}/"),
        reload=f"/{INITRD_HOOK} {release} && kdump-config reload",
    )


def has_initrd(files: Files, release: str) -> bool:
    """Return whether a release has its capture initrd."""
    return is_there(files, f"{KDUMP_TOOLS_DIRECTORY}/initrd.img-{release}")


def makes_initrd(files: Files) -> bool:
    """Return whether a missing initrd is made at boot."""
    return is_there(files, INITRD_HOOK)


def _off(files: Files, settings: Fact[ShellSettings]) -> Fact[str]:
    """Return what keeps /etc/init.d/kdump-tools from loading: `[ "$USE_KDUMP" -ne 0 ]`."""
    if settings is None:
        return f"'{files.shown(KDUMP_TOOLS_CONFIG)}' does not exist"
    if isinstance(settings, Unknown):
        return settings
    if settings.odd_line is not None:
        return None  # what it says cannot be told, and is said of the dump's settings
    use = settings.values.get(b"USE_KDUMP", b"")
    if use is None or (re.fullmatch(rb"-?[0-9]{1,9}", use) and int(use) != 0):
        return ""
    return f"'{files.shown(KDUMP_TOOLS_CONFIG)}' says USE_KDUMP={printable(use[:20])}"


def _kernel_name(files: Files, values: Mapping[bytes, bytes | None], running: str) -> str:
    # kdump-config lets its links in /var/lib/kdump lead to the running release before it loads.
    own = (f"boot/vmlinuz-{running}", f"boot/vmlinux-{running}")
    name = _path(values.get(b"KDUMP_KERNEL", b""))
    if name is None:
        return ""
    if name and not name.startswith(f"/{KDUMP_TOOLS_DIRECTORY}/"):
        return name
    return first_there(files, (*filter(None, [name]), *own)) or own[0]


def _initrd_name(files: Files, values: Mapping[bytes, bytes | None], running: str) -> str:
    kernel = _path(values.get(b"KDUMP_KERNEL", b""))
    name = _path(values.get(b"KDUMP_INITRD", b""))
    if kernel == "":
        return first_there(files, (f"boot/initrd.img-{running}",))
    if not name or not name.startswith(f"/{KDUMP_TOOLS_DIRECTORY}/"):
        return name or ""
    own = f"{KDUMP_TOOLS_DIRECTORY}/initrd.img-{running}"
    return first_there(files, (name, own)) or own


def _path(value: bytes | None) -> str | None:
    """Return a path as it is configured, None for what cannot be one."""
    return None if value is None or b"\0" in value else os.fsdecode(value)


def _unpacked(files: Files, release: str) -> int | None:
    """Return the bytes of the unpacked initrd, as the hook of 1.10 and later noted in MiB."""
    size = files.number(f"{KDUMP_TOOLS_DIRECTORY}/size_initrd.img-{release}")
    return size * MIB if isinstance(size, int) and 0 < size < MAX_SIZE_MIB else None


def _changed(files: Files, kernel: str, initrd: str, release: str) -> Fact[tuple[str, ...]]:
    """Return what was changed since: the kernel, and what kdump-config itself compares."""
    changed = changed_since(files, initrd, (kernel,))
    now, then = (
        files.content(CRASH_KERNEL_SYSCTLS),
        files.content(f"{KDUMP_TOOLS_DIRECTORY}/latest_sysctls-{release}"),
    )
    for fact in (now, then):
        if isinstance(fact, Unknown):
            return fact
    told = isinstance(now, bytes) and isinstance(then, bytes) and now != then
    sysctls = (files.shown(CRASH_KERNEL_SYSCTLS),) if told else ()
    return None if changed is None else (*changed, *sysctls)
