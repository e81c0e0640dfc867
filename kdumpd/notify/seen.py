# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user has been told already: a line each in a file of his own."""

import logging
import os
import re
import tempfile
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

MAX_SEEN_LINES = 2000  # the oldest are forgotten
MAX_SEEN_FILE_BYTES = 1 << 20
SEEN_LINE_PATTERN = rb"capture [0-9a-f]{16}|boot [0-9a-f-]{1,36} (?:lost|unready)"


def state_file(environment: Mapping[str, str]) -> Path:
    """Return its path, by the XDG Base Directory Specification, which takes whole paths only."""
    directory = Path(environment.get("XDG_STATE_HOME", ""))
    if not directory.is_absolute():
        directory = Path(environment.get("HOME", "/")) / ".local/state"
    return directory / "kdumpd/notified"


def parse_told(text: bytes) -> tuple[str, ...]:
    """Return the keys in a file, the newest last; lines that are no keys do not count."""
    lines = [
        line.decode("ascii") for line in text.split(b"\n") if re.fullmatch(SEEN_LINE_PATTERN, line)
    ]
    return tuple(dict.fromkeys(lines))[-MAX_SEEN_LINES:]


class SeenStore:
    """What was told, in the file and since; where the file fails, at least until the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told: dict[str, None] = {}
        self._complaints: set[str] = set()

    def read(self) -> frozenset[str]:
        """Return all keys; another session of the user may have added some."""
        return frozenset((*self._read(), *self._told))

    def add(self, keys: Collection[str]) -> None:
        """Remember keys on disk."""
        if not keys:
            return
        told = [*(key for key in (*self._read(), *self._told) if key not in keys), *keys]
        self._told = dict.fromkeys(told[-MAX_SEEN_LINES:])
        try:
            self._write("".join(f"{key}\n" for key in self._told).encode("ascii"))
        except OSError as error:
            self._complain(f"cannot be written: {error.strerror}, so all is told again next time")

    def _read(self) -> tuple[str, ...]:
        try:
            with self._path.open("rb") as file:
                return parse_told(file.read(MAX_SEEN_FILE_BYTES))
        except FileNotFoundError:
            return ()
        except OSError as error:
            self._complain(f"cannot be read: {error.strerror}")
            return ()

    def _complain(self, complaint: str) -> None:
        """Say once what is wrong with the file."""
        if complaint not in self._complaints:
            self._complaints.add(complaint)
            log.warning("%s %s", self._path, complaint)

    def _write(self, text: bytes) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd, name = tempfile.mkstemp(prefix=".notified-", dir=self._path.parent)  # mode 0600
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path)
        except OSError:
            with suppress(OSError):
                Path(name).unlink()
            raise
