# SPDX-License-Identifier: GPL-2.0-or-later
"""How much one look at a crash folder may look at: a stranger can fill what he may write to."""

from collections.abc import Iterable

from kdumpd.model.captures.core import FileStamp
from kdumpd.observe.captures.safe_open import Folder, FolderError, VanishedError

MOST_ENTRIES = 2_000_000  # looked at for folders among them
MOST_PLACES = 100_000  # of the machine's owner: the last by name, as most are named by the time
MOST_STRANGE = 1_000  # of others


class Budget:
    """What is left for the rest of the look, at all depths together."""

    def __init__(self) -> None:
        self.all_seen = True  # whether nothing had to be left out
        self.entries = MOST_ENTRIES
        self._left = {True: MOST_PLACES, False: MOST_STRANGE}

    def list_entries(self, number: int) -> None:
        """Take note of so many entries that were looked at."""
        if number >= self.entries:
            self.all_seen = False
        self.entries -= min(number, self.entries)

    def allowed(
        self, folder: Folder, names: Iterable[bytes], problems: dict[bytes, str]
    ) -> list[FileStamp]:
        """Return what may be looked at of the names in a folder, and what is wrong with others.

        What belongs to strangers crowds out nothing of the owner's.
        """
        groups: dict[bool, list[FileStamp]] = {True: [], False: []}
        for name in names:
            try:
                stamp = folder.stamp(name)
                groups[stamp.owner == folder.owner].append(stamp)
            except VanishedError:
                continue
            except FolderError as error:
                problems[folder.path_of(name)] = str(error)
        return [stamp for own, group in groups.items() for stamp in self._taken(group, own=own)]

    def _taken(self, stamps: list[FileStamp], *, own: bool) -> list[FileStamp]:
        left = self._left[own]
        if len(stamps) > left:
            self.all_seen = False
        taken = sorted(stamps, key=lambda one: one.name)[-left:] if left else []
        self._left[own] -= len(taken)
        return taken
