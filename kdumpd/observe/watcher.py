# SPDX-License-Identifier: GPL-2.0-or-later
"""Whoever watches the folders that a look comes across, so that there is a next look."""

from typing import Protocol

Identity = tuple[int, int]  # of a folder: its device and inode


class Watcher(Protocol):
    """Somebody who watches the folders that a look comes across."""

    def folder(self, fd: int) -> None:
        """Watch an open folder."""

    def keep(self, identity: Identity) -> bool:
        """Go on to watch a folder that is not opened; return False where it has to be opened."""

    def forget_others(self) -> None:
        """Watch no folder any more that the look which ends now has not come across."""


class Unwatched:
    """Nobody watches: there will be one look."""

    def folder(self, fd: int) -> None:
        """Do nothing."""

    def keep(self, _: Identity) -> bool:
        """Return that nobody needs it opened."""
        return True

    def forget_others(self) -> None:
        """Do nothing."""
