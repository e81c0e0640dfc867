# SPDX-License-Identifier: GPL-2.0-or-later
"""A terminal window in which kdumpdctl says more."""

import asyncio
import logging
import shutil
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress

log = logging.getLogger(__name__)

# What comes before a command and its arguments: xdg-terminal-exec's README; -e as xterm has it for
# x-terminal-emulator (Debian policy 11.8.3); the others by their manual pages.
TERMINAL_COMMANDS = (
    ("xdg-terminal-exec",),
    ("x-terminal-emulator", "-e"),
    ("gnome-terminal", "--"),
    ("ptyxis", "--"),
    ("kgx", "--"),
    ("konsole", "-e"),
    ("xfce4-terminal", "-x"),
    ("mate-terminal", "-x"),
    ("alacritty", "-e"),
    ("kitty",),
    ("foot",),
    ("xterm", "-e"),
)
# The window would close with the command.
WAITING_SCRIPT = '"$@"; printf "\\nPress Enter to close." && read -r answer'
START_FAILURE_S = 1.5
END_TIMEOUT_S = 2.0


class TerminalWindow:
    """Opens windows, which close with the program."""

    def __init__(self, environment: Mapping[str, str], options: Sequence[str]) -> None:
        self._path = environment.get("PATH", "")
        self._options = tuple(options)  # of kdumpdctl
        self._windows: set[Process] = set()

    async def open(self, command: Sequence[str]) -> bool:
        """Return whether a window opened in which kdumpdctl does the command."""
        for words in self._terminals():
            script = ("sh", "-c", WAITING_SCRIPT, "sh", *self._kdumpdctl(), *command)
            try:
                window = await asyncio.create_subprocess_exec(
                    *(*words, *script),
                    stdin=DEVNULL,
                    stdout=DEVNULL,
                    stderr=DEVNULL,
                    start_new_session=True,
                )
            except OSError as error:
                log.warning("%s cannot be started: %s", words[0], error.strerror)
                continue
            if await self._stays(window):
                return True
            log.warning("%s failed with status %s", words[0], window.returncode)
        return False

    async def close(self) -> None:
        """End the windows that are still open."""
        for window in self._windows:
            if window.returncode is None:
                with suppress(ProcessLookupError):
                    window.terminate()
            with suppress(TimeoutError):
                async with asyncio.timeout(END_TIMEOUT_S):
                    await window.wait()

    def _terminals(self) -> list[tuple[str, ...]]:
        found = ((shutil.which(name, path=self._path), words) for name, *words in TERMINAL_COMMANDS)
        return [(path, *words) for path, words in found if path]

    def _kdumpdctl(self) -> tuple[str, ...]:
        path = shutil.which("kdumpdctl", path=self._path)
        program = (path,) if path else (sys.executable, "-m", "kdumpd.ctl.main")
        return (*program, *self._options)

    async def _stays(self, window: Process) -> bool:
        """Wait a moment: without a display it fails, and some hand their window on and end."""
        self._windows = {one for one in self._windows if one.returncode is None} | {window}
        try:
            async with asyncio.timeout(START_FAILURE_S):
                return await window.wait() == 0
        except TimeoutError:
            return True
