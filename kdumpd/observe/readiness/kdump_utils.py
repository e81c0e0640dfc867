# SPDX-License-Identifier: GPL-2.0-or-later
"""What kdump-utils of Fedora and RHEL would load: kdumpctl, kdump-lib.sh and kdump.conf(5)."""

import os
from collections.abc import Iterator, Mapping

from kdumpd.model.formats.kdump_settings import Tool, assignments, kdump_conf_options
from kdumpd.model.formats.kernel import release_in
from kdumpd.model.readiness.facts import CrashKernelFacts
from kdumpd.model.readiness.finding import Fact
from kdumpd.observe.files import KDUMP_CONF, KDUMP_SYSCONFIG, Files
from kdumpd.observe.readiness.boot_files import (
    changed_since,
    first_there,
    is_there,
    read_initrd,
    read_kernel_image,
)
from kdumpd.observe.readiness.kernel import uses_fadump
from kdumpd.observe.readiness.units import KDUMP_UNIT, read_unit_state

KDUMP_UTILS_DIRECTORY = "var/lib/kdump"
BOOT_DIRECTORIES = ("boot", "boot/efi", "efi", "")
# Files that are copied into the initrd, by the options that name them.
COPIED_FILE_OPTIONS = ("kdump_pre", "kdump_post", "extra_bins")
MAX_COPIED_FILES = 64
RELOAD_COMMAND = "kdumpctl rebuild && kdumpctl restart"


def read_kdump_utils(files: Files, running: str) -> CrashKernelFacts:
    """Return what kdumpctl would load for the running release."""
    config = files.plain(KDUMP_CONF)
    options = _options(config) if isinstance(config, bytes) else {}
    script = files.plain(KDUMP_SYSCONFIG)
    settings = assignments(script) if isinstance(script, bytes) else {}
    off: Fact[str] = ""
    if not isinstance(config, bytes):
        off = config or f"'{files.shown(KDUMP_CONF)}' does not exist"
    state = read_unit_state(files, KDUMP_UNIT)
    release = _release(files, settings, running)
    if uses_fadump(files) or not release:
        return CrashKernelFacts(tool=Tool.KDUMP_UTILS, off=off, unit=KDUMP_UNIT, unit_state=state)
    kernel = _kernel_name(files, settings, release)
    initrd = _initrd_name(files, kernel, release) if kernel else ""
    made_of = () if options.get("force_no_rebuild") == "1" else _made_of(kernel, options)
    size = files.status(initrd) if initrd else None
    # With dracut's squash the initrd stays packed; `kdumpctl estimate` counts it once.
    memory = size.st_size if isinstance(size, os.stat_result) else None
    return CrashKernelFacts(
        tool=Tool.KDUMP_UTILS,
        off=off,
        unit=KDUMP_UNIT,
        unit_state=state,
        kernel=read_kernel_image(files, kernel) if kernel else None,
        initrd=read_initrd(files, initrd, memory) if initrd else None,
        changed=changed_since(files, initrd, made_of) if initrd else None,
        makes_initrd=options.get("force_no_rebuild") != "1",
        reload=RELOAD_COMMAND,
    )


def has_initrd(files: Files, release: str) -> Fact[bool]:
    """Return whether a release has its capture initrd, None where its kernel is not found."""
    kernel = first_there(files, _kernel_names(files, BOOT_DIRECTORIES, release))
    return is_there(files, _initrd_name(files, kernel, release)) if kernel else None


def _options(config: bytes) -> dict[str, str]:
    said = kdump_conf_options(config)
    return {os.fsdecode(option): os.fsdecode(value) for option, value in said.items()}


def _setting(settings: Mapping[bytes, bytes | None], name: bytes) -> str:
    value = settings.get(name) or b""
    return "" if b"\0" in value else os.fsdecode(value)


def _release(files: Files, settings: Mapping[bytes, bytes | None], running: str) -> str:
    if chosen := _setting(settings, b"KDUMP_KERNELVER"):
        return chosen
    plain = running.removesuffix("debug")[:-1] if running.endswith(("+debug", "-debug")) else ""
    if plain and is_there(files, f"usr/lib/modules/{plain}/modules.dep"):
        return plain
    return running


def _kernel_name(files: Files, settings: Mapping[bytes, bytes | None], release: str) -> str:
    """Return where the kernel is, or should be; empty where that cannot be told."""
    directory = _setting(settings, b"KDUMP_BOOTDIR").strip("/")
    directories = (directory,) if directory else BOOT_DIRECTORIES
    found = first_there(files, _kernel_names(files, directories, release))
    if found:
        return found
    # Where images of other systems are, this one has other ways, as ostree has.
    ordinary = any(release_in(name) for name in files.readable_names("boot"))
    return f"boot/vmlinuz-{release}" if ordinary and files.status("boot/ostree") is None else ""


def _kernel_names(files: Files, directories: tuple[str, ...], release: str) -> Iterator[str]:
    machine = files.text("etc/machine-id")
    for directory in directories:
        yield f"{directory}/vmlinuz-{release}"
        if isinstance(machine, str) and machine:
            yield f"{directory}/{machine}/{release}/vmlinuz"
            yield f"{directory}/{machine}/{release}/linux"
            yield f"{directory}/EFI/Linux/{machine}-{release}.efi"


def _initrd_name(files: Files, kernel: str, release: str) -> str:
    directory = kernel.rpartition("/")[0]
    names = (
        f"{directory}/initramfs-{release}kdump.img",
        f"{directory}/initrdkdump",
        f"{KDUMP_UTILS_DIRECTORY}/initramfs-{release}kdump.img",
    )
    return first_there(files, names) or names[0]


def _made_of(kernel: str, options: Mapping[str, str]) -> tuple[str, ...]:
    """Return the files for which kdumpctl rebuilds the initrd (check_files_modified).

    Without the program that writes the dump: its updates leave the old one in the initrd, which
    works as before.
    """
    copied = [name for key in COPIED_FILE_OPTIONS for name in options.get(key, "").split()]
    return (KDUMP_CONF, "etc/fstab", kernel, *copied[:MAX_COPIED_FILES])
