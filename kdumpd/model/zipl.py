# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration of zipl, the boot loader of s390: zipl.conf(5)."""

from kdumpd.model.boot_entry import BootEntry

DEFAULT_SECTION = "defaultboot"


def parse_zipl(text: str) -> BootEntry | None:
    """Return the entry that starts next, None where the file does not tell."""
    sections = _sections(text)
    default = sections.get(DEFAULT_SECTION, {})
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
