# SPDX-License-Identifier: GPL-2.0-or-later
"""The crashkernel= kernel parameter."""

import re

PARAMETER = re.compile(rb"crashkernel=([^ \n\0]*)")
SIZE = re.compile(
    rb"(0[xX][0-9a-fA-F]{1,16}|0[0-7]{0,22}|[1-9][0-9]{0,19})([kmgtpeKMGTPE]?)(@.*|,high)?"
)
SUFFIXES = b"kmgtpe"
KINDS = (b"high", b"low", b"cma")


def crashkernel_parameter(cmdline: bytes) -> str:
    """Return the crashkernel= parameter as written, empty where there is none.

    The last of each kind counts (kernel/crash_reserve.c, get_last_crashkernel), and the text counts
    wherever it stands, not by word. Several kinds are separated by a space.
    """
    last = {_kind(value): value for value in PARAMETER.findall(cmdline)}
    return " ".join(value.decode("ascii", "backslashreplace") for value in last.values())


def requested_size(parameter: str) -> int | None:
    """Return the bytes asked for by a plain SIZE[@OFFSET] or SIZE,high; None for anything else.

    Numbers are memparse()'s (lib/cmdline.c): decimal, 0x hexadecimal, 0 octal, and a suffix.
    """
    values = {_kind(value): value for value in parameter.encode("ascii", "replace").split(b" ")}
    # A plain one, even an invalid one, makes ,high and ,low ignored.
    match = SIZE.fullmatch(values.get(b"", values.get(b"high", b"")))
    if match is None:
        return None
    number, suffix, _ = match.groups()
    base = 16 if number[:2].lower() == b"0x" else 8 if number.startswith(b"0") else 10
    power = SUFFIXES.index(suffix.lower()) + 1 if suffix else 0
    return int(number, base) << 10 * power


def _kind(value: bytes) -> bytes:
    ending = value.rpartition(b",")[2]
    return ending if ending in KINDS else b""
