# SPDX-License-Identifier: GPL-2.0-or-later
"""Read what the kernel said at this boot from the journal's files."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from systemd import journal

FOLDERS = ("var/log/journal", "run/log/journal")
MOST_ENTRIES = 3000  # what is of interest stands among the first few hundred of a boot


def read_journal(folder: Path, boot_id: str) -> Iterator[str]:
    """Yield the kernel's messages of one boot, oldest first, and the first few thousand only.

    `boot_id` has 32 hexadecimal digits. Nothing comes from a folder that is not there, that may
    not be read or whose files are no journals; OSError and ValueError may come from a damaged one.
    """
    with closing(journal.Reader(path=str(folder))) as reader:
        # journald sets both fields itself: no program can write them (systemd.journal-fields(7)).
        reader.add_match(_TRANSPORT="kernel", _BOOT_ID=boot_id)
        reader.seek_head()
        for _ in range(MOST_ENTRIES):
            entry = reader.get_next()
            if not entry:
                return
            message = entry.get("MESSAGE")
            if isinstance(message, str):  # bytes where it is no UTF-8
                yield message
