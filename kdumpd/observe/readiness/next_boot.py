# SPDX-License-Identifier: GPL-2.0-or-later
"""Read what the next boot would be: the boot loader, the kernel and its command line."""

import os
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from kdumpd.model.crashkernel.parse import crashkernel_parameter
from kdumpd.model.formats.boot_loader import (
    BootEntry,
    GrubMenu,
    chosen_by_pattern,
    chosen_entry,
    chosen_name,
    entry_by_name,
    in_boot_order,
    is_grub_script,
    parse_boot_entry,
    parse_grub_menu,
    parse_grubenv,
    parse_zipl,
)
from kdumpd.model.formats.kdump_settings import Tool, assignments
from kdumpd.model.readiness.facts import NextBootFacts
from kdumpd.model.readiness.finding import Fact, Unknown
from kdumpd.observe.files import CMDLINE, EFI_VARIABLES, MAX_FILE_BYTES, OSRELEASE, Files
from kdumpd.observe.readiness import kdump_tools, kdump_utils
from kdumpd.observe.readiness.boot_files import is_installed, newest_release
from kdumpd.observe.readiness.crash_kernel import read_tool

# GRUB tells the kernel where it found it (grub-core/loader/i386/linux.c); zipl says BOOT_IMAGE=0.
BOOT_IMAGE_OF_GRUB_PATTERN = rb"(?:^|[ ])BOOT_IMAGE=[/(]"
POWERNV = b"ibm,powernv"  # petitboot reads grub.cfg, and tells the kernel nothing
GRUB_DIRECTORIES = ("boot/grub", "boot/grub2")
EFI_DIRECTORY = "boot/efi/EFI"
LOADER_ENTRIES = "loader/entries"
ESP_DIRECTORIES = ("efi", "boot/efi", "boot")
ZIPL_CONF = "etc/zipl.conf"
# Variables of the Boot Loader Interface, after four bytes of attributes (systemd-boot(7)).
SYSTEMD_EFI_VENDOR = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
EFI_ATTRIBUTE_BYTES = 4
MAX_GRUB_CONFIG_BYTES = 1 << 20  # of grub.cfg, which has some KiB for each kernel
MAX_LOADER_ENTRIES = 256


class NextEntry(NamedTuple):
    """What starts next, and the file that says it."""

    source: str
    entry: Fact[BootEntry] = None
    from_template: bool = False  # whether grub-mkconfig wrote the command line


def read_next_entry(files: Files, cmdline: bytes) -> NextEntry | None:
    """Return what starts next; None where it is not known which boot loader there is."""
    if re.search(BOOT_IMAGE_OF_GRUB_PATTERN, cmdline) or _is_powernv(files):
        return _read_grub(files)
    if _variable(files, "LoaderInfo").startswith("systemd-boot"):
        return _read_systemd_boot(files)
    if files.status(ZIPL_CONF) is not None:
        return _read_zipl(files)
    return None


def _is_powernv(files: Files) -> bool:
    compatible = files.content("proc/device-tree/compatible")
    return isinstance(compatible, bytes) and POWERNV in compatible.split(b"\0")


def _read_grub(files: Files) -> NextEntry | None:
    directories = [
        *GRUB_DIRECTORIES,
        *(f"{EFI_DIRECTORY}/{name}" for name in files.readable_names(EFI_DIRECTORY)),
    ]
    directory = next(
        (one for one in directories if files.status(f"{one}/grub.cfg") is not None), None
    )
    if directory is None:
        return None
    config = f"{directory}/grub.cfg"
    text = _text(files, config, MAX_GRUB_CONFIG_BYTES)
    if not isinstance(text, str):
        return NextEntry(files.shown(config), text)
    if not is_grub_script(text):
        return NextEntry(files.shown(config), files.unknown(config, "has no command of GRUB"))
    menu = parse_grub_menu(text)
    block = _text(files, f"{directory}/grubenv")
    if isinstance(block, Unknown):
        return NextEntry(files.shown(config), block)
    environment = parse_grubenv(block) if isinstance(block, str) else {}
    if menu.reads_entries:
        return _read_entries_of_grub(files, menu, environment)
    return NextEntry(files.shown(config), chosen_entry(menu, environment), from_template=True)


def _read_entries_of_grub(
    files: Files, menu: GrubMenu, environment: Mapping[str, str]
) -> NextEntry:
    directory = f"boot/{LOADER_ENTRIES}"
    variables = {**menu.settings, **environment}
    entries = in_boot_order(_entries(files, directory, variables))
    entry = entry_by_name(entries, chosen_name(menu, environment))
    return NextEntry(files.shown(_file_of(directory, entry)), entry)


def _read_systemd_boot(files: Files) -> NextEntry | None:
    esp = next((one for one in ESP_DIRECTORIES if files.status(f"{one}/loader") is not None), None)
    if esp is None:
        return None
    directories = dict.fromkeys((f"{esp}/{LOADER_ENTRIES}", f"boot/{LOADER_ENTRIES}"))
    entries = [entry for directory in directories for entry in _entries(files, directory, {})]
    pattern = (
        _variable(files, "LoaderEntryOneShot")
        or _variable(files, "LoaderEntryDefault")
        or _default_of(_text(files, f"{esp}/loader/loader.conf"))
    )
    entry = chosen_by_pattern(entries, pattern)
    # A kernel with its command line inside may come before all of these.
    if any(name.endswith(".efi") for name in files.readable_names(f"{esp}/EFI/Linux")):
        entry = None
    found = next((one for one in directories if files.status(_file_of(one, entry)) is not None), "")
    return NextEntry(files.shown(_file_of(found, entry)), entry)


def _read_zipl(files: Files) -> NextEntry:
    text = _text(files, ZIPL_CONF)
    if isinstance(text, Unknown):
        return NextEntry(files.shown(ZIPL_CONF), text)
    entry = parse_zipl(text or "")
    if entry is not None:
        return NextEntry(files.shown(ZIPL_CONF), entry)
    directory = f"boot/{LOADER_ENTRIES}"
    return NextEntry(files.shown(directory), _agreed(in_boot_order(_entries(files, directory, {}))))


def _agreed(entries: list[BootEntry]) -> BootEntry | None:
    """Return the first entry if it does not matter which one starts."""
    asked = {crashkernel_parameter(os.fsencode(entry.options or "")) for entry in entries}
    return entries[0] if len(asked) == 1 else None


def _entries(files: Files, directory: str, variables: Mapping[str, str]) -> Iterator[BootEntry]:
    names = [name for name in files.readable_names(directory) if name.endswith(".conf")]
    for name in names[:MAX_LOADER_ENTRIES]:
        text = _text(files, f"{directory}/{name}")
        if isinstance(text, str):
            yield parse_boot_entry(name.removesuffix(".conf"), text, variables)


def _file_of(directory: str, entry: BootEntry | None) -> str:
    return f"{directory}/{entry.name}.conf" if entry else directory


def _default_of(text: Fact[str]) -> str:
    lines = text.splitlines() if isinstance(text, str) else []
    pairs = (line.strip().replace("\t", " ").partition(" ") for line in lines)
    return next((value.strip() for key, _, value in pairs if key == "default"), "")


def _variable(files: Files, name: str) -> str:
    content = files.content(f"{EFI_VARIABLES}/{name}-{SYSTEMD_EFI_VENDOR}")
    value = content[EFI_ATTRIBUTE_BYTES:] if isinstance(content, bytes) else b""
    return value.decode("utf-16-le", "replace").rstrip("\0")


def _text(files: Files, name: str, most: int = MAX_FILE_BYTES) -> Fact[str]:
    content = files.plain(name, most)
    return os.fsdecode(content) if isinstance(content, bytes) else content


GRUB_DEFAULTS, GRUB_DEFAULTS_DIRECTORY = "etc/default/grub", "etc/default/grub.d"
# What grub-mkconfig puts on the command line of an ordinary entry (/etc/grub.d/10_linux).
GRUB_CMDLINE_VARIABLES = (b"GRUB_CMDLINE_LINUX", b"GRUB_CMDLINE_LINUX_DEFAULT")


def read_next_boot(files: Files) -> NextBootFacts:
    """Return what the next boot would be; nothing is raised for what is wrong."""
    cmdline, running = files.content(CMDLINE), files.text(OSRELEASE)
    following = read_next_entry(files, cmdline) if isinstance(cmdline, bytes) else None
    release = _release(files, following)
    tool = read_tool(files)
    written = following is not None and following.from_template
    return NextBootFacts(
        source=following.source if following else "",
        crashkernel=_crashkernel(following),
        template=files.shown(GRUB_DEFAULTS),
        wanted=read_template(files) if written else None,
        release=release,
        initrd=_has_initrd(files, tool, release),
        makes_initrd=tool == Tool.KDUMP_UTILS or kdump_tools.makes_initrd(files),
        running_installed=is_installed(files, running) if isinstance(running, str) else None,
    )


def read_template(files: Files) -> Fact[str]:
    """Return crashkernel= of the settings that grub-mkconfig reads, None where it cannot be told.

    /etc/default/grub, and after it the files of a directory, which Debian added.
    """
    more = [name for name in files.readable_names(GRUB_DEFAULTS_DIRECTORY) if name.endswith(".cfg")]
    values: dict[bytes, bytes | None] = {}
    for name in (GRUB_DEFAULTS, *(f"{GRUB_DEFAULTS_DIRECTORY}/{one}" for one in more)):
        script = files.plain(name)
        if not isinstance(script, bytes):
            return script
        values = assignments(script, values)
    parts = [values.get(part, b"") for part in GRUB_CMDLINE_VARIABLES]
    said = [part for part in parts if part is not None]
    return crashkernel_parameter(b" ".join(said)) if len(said) == len(parts) else None


def _crashkernel(following: NextEntry | None) -> Fact[str]:
    entry = following.entry if following else None
    if entry is None or isinstance(entry, Unknown):
        return entry
    return None if entry.options is None else crashkernel_parameter(os.fsencode(entry.options))


def _release(files: Files, following: NextEntry | None) -> str:
    entry = following.entry if following else None
    named = "" if entry is None or isinstance(entry, Unknown) else entry.release
    return named or newest_release(files)


def _has_initrd(files: Files, tool: Fact[str], release: str) -> Fact[bool]:
    if not release:
        return None
    if tool == Tool.KDUMP_TOOLS:
        return kdump_tools.has_initrd(files, release)
    return kdump_utils.has_initrd(files, release) if tool == Tool.KDUMP_UTILS else None
