# SPDX-License-Identifier: GPL-2.0-or-later
"""Folders that hold nothing of ours are left alone, and said once: somebody may miss them."""

import logging

from kdumpd.model.text import shown

log = logging.getLogger(__name__)

MOST_SAID = 10_000


class ForeignFolders:
    """Says at debug level which folders were not recognised: each once in a run, up to a bound."""

    def __init__(self) -> None:
        self._said: set[bytes] = set()

    def say(self, path: bytes) -> None:
        """Tell of a folder that holds no capture of any known layout."""
        if path in self._said or len(self._said) >= MOST_SAID:
            return
        self._said.add(path)
        log.debug("'%s' holds no capture of a known layout", shown(path))
