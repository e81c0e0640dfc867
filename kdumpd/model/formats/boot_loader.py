# SPDX-License-Identifier: GPL-2.0-or-later
"""Boot loaders: the entries of grub.cfg, of BLS files and of zipl.conf."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from kdumpd.model.formats.kernel import is_ordinary, release_in, release_key

VARIABLE_PATTERN = r"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?"
# Longer than the longest command line that a kernel takes (COMMAND_LINE_SIZE: 4096 on s390).
MAX_COMMAND_LINE_CHARACTERS = 8192


class BootEntry(NamedTuple):
    """A kernel that the boot loader may start."""

    name: str
    kernel: str = ""  # the image's path, as the entry has it
    options: str | None = None  # the command line; None where the entry does not say it
    version: str = ""

    @property
    def release(self) -> str:
        """Return the kernel's release, empty where the entry does not name it."""
        return release_in(self.kernel.rpartition("/")[2]) or (
            self.version if is_ordinary(self.version) else ""
        )


def parse_boot_entry(name: str, text: str, variables: Mapping[str, str]) -> BootEntry:
    """Return what a file of boot loader entries says, with GRUB's `variables` in their places.

    https://uapi-group.org/specifications/specs/boot_loader_specification/, type 1; the variables
    are Fedora's addition (grub-core/commands/blscfg.c), empty where not set.
    """
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, _, value = line.strip().partition(" ")
        found.setdefault(key, []).append(value.strip())
    options = found.get("options")
    kernel = (found.get("linux") or found.get("efi") or [""])[0]
    return BootEntry(
        name=name,
        kernel=kernel,
        options=None if options is None else filled(" ".join(options), variables),
        version=(found.get("version") or [""])[0],
    )


def in_boot_order(entries: Iterable[BootEntry]) -> list[BootEntry]:
    """Return the entries with the newest first, as boot loaders show them."""
    return sorted(entries, key=lambda entry: release_key(entry.version or entry.name), reverse=True)


def chosen_by_pattern(entries: Iterable[BootEntry], pattern: str) -> BootEntry | None:
    """Return the entry that systemd-boot starts by `default` in loader.conf(5), or without one."""
    ordered = in_boot_order(entries)
    if pattern and pattern != "@saved":
        for entry in ordered:
            if _fits(entry.name, pattern) or _fits(f"{entry.name}.conf", pattern):
                return entry
    return ordered[0] if ordered else None


def filled(text: str, variables: Mapping[str, str]) -> str:
    """Return the text with GRUB's variables replaced; no more than a command line can hold."""
    whole = re.sub(
        VARIABLE_PATTERN,
        lambda match: variables.get(match[1], "")[:MAX_COMMAND_LINE_CHARACTERS],
        text[:MAX_COMMAND_LINE_CHARACTERS],
    )
    return whole[:MAX_COMMAND_LINE_CHARACTERS]


def _fits(name: str, pattern: str) -> bool:
    """Return whether a name fits a pattern of `*`; the rarer `?` and `[` stand for themselves."""
    first, *others = pattern.lower().split("*")
    name = name.lower()
    if not others:
        return name == first
    if not name.startswith(first):
        return False
    at = len(first)
    for piece in others[:-1]:
        found = name.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return len(name) - at >= len(others[-1]) and name.endswith(others[-1])


MENU_ENTRY_LINE = r"(menuentry|submenu)[ \t]+(?:'([^']*)'|\"([^\"]*)\"|([^ \t{]+))"
MENU_ENTRY_ID_PATTERN = (
    r"(?:\$menuentry_id_option|--id)[ \t=]+(?:'([^']*)'|\"([^\"]*)\"|([^ \t{]+))"
)
LINUX_LINE = r"linux(?:efi|16)?[ \t]+([^ \t]+)[ \t]*(.*)"
SET_LINE = r"set[ \t]+(default|kernelopts)=(?:\"([^\"]*)\"|'([^']*)'|([^ \t;]*))"
QUOTING_PATTERN = r"[\\\"']"
# What any grub.cfg begins its lines with, also one that only leads to another file.
GRUB_COMMAND_LINE = (
    r"[ \t]*(?:menuentry|submenu|set|if|function|insmod|load_video|search|source|configfile|normal"
    r"|linux|linuxefi|linux16|blscfg|chainloader|export|load_env|terminal_output|root)\b"
)
NEXT_ENTRY_VARIABLE = "next_entry"
MAX_GRUB_NESTING = 64  # blocks within blocks
MAX_ENTRY_NUMBER_DIGITS = 4


@dataclass(slots=True)
class Item:
    """An entry of the menu; a submenu has items of its own."""

    title: str
    identity: str
    items: list["Item"] = field(default_factory=list)
    kernel: str = ""
    options: str | None = None  # None for what starts no kernel


@dataclass(frozen=True, slots=True)
class GrubMenu:
    """What grub.cfg says."""

    items: tuple[Item, ...] = ()
    default: str = "0"  # as written, with variables
    settings: Mapping[str, str] = field(default_factory=dict)
    reads_entries: bool = False  # whether blscfg shows the files of boot loader entries


def parse_grubenv(text: str) -> dict[str, str]:
    """Return the variables of an environment block (grub-core/lib/envblk.c)."""
    pairs = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
    return {name: re.sub(r"\\(.)", r"\1", value) for name, equals, value in pairs if equals}


def is_grub_script(text: str) -> bool:
    """Return whether a text can be a grub.cfg at all: some line of it begins with a command."""
    return any(re.match(GRUB_COMMAND_LINE, line) for line in text.splitlines())


def parse_grub_menu(text: str) -> GrubMenu:
    """Return the menu of a grub.cfg; what other commands and conditions do is not looked at."""
    reader = _MenuReader()
    for line in text.splitlines():
        reader.read(line.strip())
    return reader.menu


class _MenuReader:
    """Reads a grub.cfg line by line."""

    def __init__(self) -> None:
        self._top = Item("", "")
        self._blocks = [self._top]
        self._settings: dict[str, str] = {}
        self._default = "0"
        self._reads_entries = False

    @property
    def menu(self) -> GrubMenu:
        """Return what was read so far."""
        return GrubMenu(tuple(self._top.items), self._default, self._settings, self._reads_entries)

    def read(self, line: str) -> None:
        """Take the next line; what lies too deep is not looked at."""
        if len(self._blocks) > MAX_GRUB_NESTING or line.startswith("#"):
            return
        if entry := re.match(MENU_ENTRY_LINE, line):
            self._open(Item(_one_of(entry.groups()[1:]), _identity(line)), line)
        elif line.endswith("{"):
            # Such as a function: what is in it is no part of the menu.
            self._blocks.append(Item("", ""))
        elif line == "}":
            self._close()
        elif linux := re.match(LINUX_LINE, line):
            self._item.kernel, self._item.options = linux.groups()
        elif setting := re.match(SET_LINE, line):
            self._set(setting[1], _one_of(setting.groups()[1:]))
        elif line.split(" ", 1)[0] == "blscfg":
            self._reads_entries = True

    @property
    def _item(self) -> Item:
        return self._blocks[-1]

    def _open(self, item: Item, line: str) -> None:
        self._item.items.append(item)
        if line.endswith("{"):
            self._blocks.append(item)

    def _close(self) -> None:
        if len(self._blocks) > 1:
            self._blocks.pop()

    def _set(self, name: str, value: str) -> None:
        if name != "default":
            self._settings[name] = value
        # GRUB runs an entry once it is chosen, a submenu with variables of its own.
        elif self._item is self._top and value and NEXT_ENTRY_VARIABLE not in value:
            self._default = value


def chosen_name(menu: GrubMenu, environment: Mapping[str, str]) -> str:
    """Return the name, number or path of the entry that starts next without anybody's choice."""
    once = environment.get(NEXT_ENTRY_VARIABLE, "")
    return once or filled(menu.default, environment) or "0"


def chosen_entry(menu: GrubMenu, environment: Mapping[str, str]) -> BootEntry | None:
    """Return the entry of the menu that starts next, None where that cannot be told."""
    items, item = list(menu.items), None
    for step in chosen_name(menu, environment).split(">"):
        item = _find(items, step) or item
        items = item.items if item else []
    while item is not None and item.options is None and item.items:
        item = item.items[0]
    if item is None or item.options is None:
        return None
    variables = {**menu.settings, **environment}
    options = re.sub(QUOTING_PATTERN, "", filled(item.options, variables))
    return BootEntry(
        name=item.title, kernel=re.sub(QUOTING_PATTERN, "", item.kernel), options=options
    )


def entry_by_name(entries: list[BootEntry], name: str) -> BootEntry | None:
    """Return which of the files of boot loader entries, newest first, GRUB starts by that name."""
    if name.isdecimal() and len(name) <= MAX_ENTRY_NUMBER_DIGITS and int(name) < len(entries):
        return entries[int(name)]
    for entry in entries:
        if entry.name == name.removesuffix(".conf"):
            return entry
    return entries[0] if entries else None


def _find(items: list[Item], step: str) -> Item | None:
    """Return the item of that number, title or id; without it GRUB starts the first one."""
    if step.isdecimal() and len(step) <= MAX_ENTRY_NUMBER_DIGITS and int(step) < len(items):
        return items[int(step)]
    for item in items:
        if step in {item.title, item.identity}:
            return item
    return items[0] if items else None


def _identity(line: str) -> str:
    match = re.search(MENU_ENTRY_ID_PATTERN, line)
    return _one_of(match.groups()) if match else ""


def _one_of(groups: tuple[str | None, ...]) -> str:
    return next((group for group in groups if group), "")


ZIPL_DEFAULT_SECTION = "defaultboot"


def parse_zipl(text: str) -> BootEntry | None:
    """Return the entry that starts next, None where the file does not tell."""
    sections = _sections(text)
    default = sections.get(ZIPL_DEFAULT_SECTION, {})
    menu = sections.get(":" + default.get("defaultmenu", ""), {})
    name = default.get("default") or menu.get(menu.get("default", ""), "")
    section = sections.get(name)
    if section is None or "parmfile" in section:
        return None
    return BootEntry(
        name=name, kernel=section.get("image", ""), options=section.get("parameters", "")
    )


def _sections(text: str) -> dict[str, dict[str, str]]:
    sections: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            current = sections.setdefault(line[1:-1].strip(), {})
        elif line.startswith(":"):
            current = sections.setdefault(line, {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            current[key.strip()] = value.strip().strip("\"'")
    return sections
