# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the boot loader that started this kernel, and what it starts next."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

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
from kdumpd.model.readiness.finding import Fact, Unknown
from kdumpd.observe.files import LONGEST, Files

# GRUB tells the kernel where it found it (grub-core/loader/i386/linux.c); zipl says BOOT_IMAGE=0.
BY_GRUB = rb"(?:^|[ ])BOOT_IMAGE=[/(]"
POWERNV = b"ibm,powernv"  # petitboot reads grub.cfg, and tells the kernel nothing
GRUB_FOLDERS = ("boot/grub", "boot/grub2")
EFI_FOLDER = "boot/efi/EFI"
ENTRIES = "loader/entries"
ESPS = ("efi", "boot/efi", "boot")
ZIPL = "etc/zipl.conf"
# Variables of the Boot Loader Interface, after four bytes of attributes (systemd-boot(7)).
VARIABLES = "sys/firmware/efi/efivars"
VENDOR = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
ATTRIBUTES = 4
MOST_BYTES = 1 << 20  # of grub.cfg, which has some KiB for each kernel
MOST_ENTRIES = 256


@dataclass(frozen=True, slots=True)
class NextEntry:
    """What starts next, and the file that says it."""

    source: str
    entry: Fact[BootEntry] = None
    from_template: bool = False  # whether grub-mkconfig wrote the command line


def read_next_entry(files: Files, cmdline: bytes) -> NextEntry | None:
    """Return what starts next; None where it is not known which boot loader there is."""
    if re.search(BY_GRUB, cmdline) or _is_powernv(files):
        return _read_grub(files)
    if _variable(files, "LoaderInfo").startswith("systemd-boot"):
        return _read_systemd_boot(files)
    if files.status(ZIPL) is not None:
        return _read_zipl(files)
    return None


def _is_powernv(files: Files) -> bool:
    compatible = files.content("proc/device-tree/compatible")
    return isinstance(compatible, bytes) and POWERNV in compatible.split(b"\0")


def _read_grub(files: Files) -> NextEntry | None:
    folders = [
        *GRUB_FOLDERS,
        *(f"{EFI_FOLDER}/{name}" for name in files.readable_names(EFI_FOLDER)),
    ]
    folder = next((one for one in folders if files.status(f"{one}/grub.cfg") is not None), None)
    if folder is None:
        return None
    config = f"{folder}/grub.cfg"
    text = _text(files, config, MOST_BYTES)
    if not isinstance(text, str):
        return NextEntry(files.shown(config), text)
    if not is_grub_script(text):
        return NextEntry(files.shown(config), files.unknown(config, "has no command of GRUB"))
    menu = parse_grub_menu(text)
    block = _text(files, f"{folder}/grubenv")
    if isinstance(block, Unknown):
        return NextEntry(files.shown(config), block)
    environment = parse_grubenv(block) if isinstance(block, str) else {}
    if menu.reads_entries:
        return _read_entries_of_grub(files, menu, environment)
    return NextEntry(files.shown(config), chosen_entry(menu, environment), from_template=True)


def _read_entries_of_grub(
    files: Files, menu: GrubMenu, environment: Mapping[str, str]
) -> NextEntry:
    folder = f"boot/{ENTRIES}"
    variables = {**menu.settings, **environment}
    entries = in_boot_order(_entries(files, folder, variables))
    entry = entry_by_name(entries, chosen_name(menu, environment))
    return NextEntry(files.shown(_file_of(folder, entry)), entry)


def _read_systemd_boot(files: Files) -> NextEntry | None:
    esp = next((one for one in ESPS if files.status(f"{one}/loader") is not None), None)
    if esp is None:
        return None
    folders = dict.fromkeys((f"{esp}/{ENTRIES}", f"boot/{ENTRIES}"))
    entries = [entry for folder in folders for entry in _entries(files, folder, {})]
    pattern = (
        _variable(files, "LoaderEntryOneShot")
        or _variable(files, "LoaderEntryDefault")
        or _default_of(_text(files, f"{esp}/loader/loader.conf"))
    )
    entry = chosen_by_pattern(entries, pattern)
    # A kernel with its command line inside may come before all of these.
    if any(name.endswith(".efi") for name in files.readable_names(f"{esp}/EFI/Linux")):
        entry = None
    found = next((one for one in folders if files.status(_file_of(one, entry)) is not None), "")
    return NextEntry(files.shown(_file_of(found, entry)), entry)


def _read_zipl(files: Files) -> NextEntry:
    text = _text(files, ZIPL)
    if isinstance(text, Unknown):
        return NextEntry(files.shown(ZIPL), text)
    entry = parse_zipl(text or "")
    if entry is not None:
        return NextEntry(files.shown(ZIPL), entry)
    folder = f"boot/{ENTRIES}"
    return NextEntry(files.shown(folder), _agreed(in_boot_order(_entries(files, folder, {}))))


def _agreed(entries: list[BootEntry]) -> BootEntry | None:
    """Return the first entry if it does not matter which one starts."""
    asked = {crashkernel_parameter(os.fsencode(entry.options or "")) for entry in entries}
    return entries[0] if len(asked) == 1 else None


def _entries(files: Files, folder: str, variables: Mapping[str, str]) -> Iterator[BootEntry]:
    names = [name for name in files.readable_names(folder) if name.endswith(".conf")]
    for name in names[:MOST_ENTRIES]:
        text = _text(files, f"{folder}/{name}")
        if isinstance(text, str):
            yield parse_boot_entry(name.removesuffix(".conf"), text, variables)


def _file_of(folder: str, entry: BootEntry | None) -> str:
    return f"{folder}/{entry.name}.conf" if entry else folder


def _default_of(text: Fact[str]) -> str:
    lines = text.splitlines() if isinstance(text, str) else []
    pairs = (line.strip().replace("\t", " ").partition(" ") for line in lines)
    return next((value.strip() for key, _, value in pairs if key == "default"), "")


def _variable(files: Files, name: str) -> str:
    content = files.content(f"{VARIABLES}/{name}-{VENDOR}")
    value = content[ATTRIBUTES:] if isinstance(content, bytes) else b""
    return value.decode("utf-16-le", "replace").rstrip("\0")


def _text(files: Files, name: str, most: int = LONGEST) -> Fact[str]:
    content = files.plain(name, most)
    return os.fsdecode(content) if isinstance(content, bytes) else content
