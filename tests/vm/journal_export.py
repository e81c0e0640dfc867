# SPDX-License-Identifier: GPL-2.0-or-later
"""The journal's export format, which systemd-journal-remote turns into a journal again.

https://systemd.io/JOURNAL_EXPORT_FORMATS
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

LENGTH = 8  # bytes, little endian, before a value that is no plain text


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a journal; of a field that is repeated, the last value."""

    raw: bytes  # all of it, with the empty line at its end
    fields: Mapping[str, str]


def parse_export(export: bytes) -> Iterator[Entry]:
    """Yield the entries of a whole export, in its order."""
    begin = at = 0
    fields: dict[str, str] = {}
    while at < len(export):
        end = export.index(b"\n", at)
        name, is_text, value = export[at:end].partition(b"=")
        at = end + 1
        if not name:
            yield Entry(raw=export[begin:at], fields=fields)
            begin, fields = at, {}
            continue
        if not is_text:
            length = int.from_bytes(export[at : at + LENGTH], "little")
            at += LENGTH
            value = export[at : at + length]
            at += length + len(b"\n")
        fields[name.decode()] = value.decode(errors="replace")
