# SPDX-License-Identifier: GPL-2.0-or-later
"""Values as text that is safe to show: names and kernel text may hold anything a stranger chose."""

BACKSLASH = ord("\\")
PRINTABLE = tuple(
    chr(byte) if 0x20 <= byte < 0x7F and byte != BACKSLASH else f"\\x{byte:02x}"  # noqa: PLR2004
    for byte in range(256)
)
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
STEP = 1024
MIB, GIB = 1 << 20, 1 << 30


def printable(text: bytes) -> str:
    r"""Return the text with every byte that is not printable ASCII written as \xNN."""
    if text.isascii() and BACKSLASH not in text:
        plain = text.decode("ascii")
        if plain.isprintable():
            return plain
    return "".join(PRINTABLE[byte] for byte in text)


def shown(name: bytes) -> str:
    """Return a name or path for a person: UTF-8 stays, what cannot be printed is escaped."""
    text = name.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def human_size(size: int) -> str:
    """Return a size in bytes as a person reads it, such as 38.9 MiB or 384 MiB."""
    amount, unit = float(size), UNITS[0]
    for larger in UNITS[1:]:
        if amount < STEP:
            break
        amount, unit = amount / STEP, larger
    return f"{amount:.1f}".removesuffix(".0") + f" {unit}"
