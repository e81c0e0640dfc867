# SPDX-License-Identifier: GPL-2.0-or-later
"""Whoever watches the folders that a look comes across, so that there is a next look."""

from typing import Protocol


class Watcher(Protocol):
    """Somebody who watches the folders that a look comes across."""

    def folder(self, fd: int) -> None:
        """Watch an open folder."""

    def forget_others(self) -> None:
        """Watch no folder any more that the look which ends now has not come across."""


class Unwatched:
    """Nobody watches: there will be one look."""

    def folder(self, fd: int) -> None:
        """Do nothing."""

    def forget_others(self) -> None:
        """Do nothing."""
