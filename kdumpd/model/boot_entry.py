# SPDX-License-Identifier: GPL-2.0-or-later
"""Boot loader entries: one kernel that a boot loader may start, and with what command line."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kdumpd.model.formats.kernel import is_ordinary, release_in, release_key

VARIABLE = r"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?"
# Longer than the longest command line that a kernel takes (COMMAND_LINE_SIZE: 4096 on s390).
LONGEST = 8192


@dataclass(frozen=True, slots=True)
class BootEntry:
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
    whole = re.sub(VARIABLE, lambda match: variables.get(match[1], "")[:LONGEST], text[:LONGEST])
    return whole[:LONGEST]


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
