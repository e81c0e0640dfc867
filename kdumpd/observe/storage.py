# SPDX-License-Identifier: GPL-2.0-or-later
"""Read where a dump would be written."""

from kdumpd.model.facts.storage import StorageFacts
from kdumpd.observe.files import Files


def read_storage(_: Files) -> StorageFacts:
    """Return where a dump would be written; nothing is raised for what is wrong."""
    return StorageFacts()
