# SPDX-License-Identifier: GPL-2.0-or-later
"""A desktop: dunst, a real server of notifications, on a screen in memory."""

import asyncio
import os
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.support.busctl import Busctl
from tests.support.process import BOUND, Json, ServiceError, end, output, program

NAME = "org.freedesktop.Notifications"
PATH = "/org/freedesktop/Notifications"
DUNST = "org.dunstproject.cmd0"
ICONS = Path(__file__).parents[2] / "icons"
# Debian's Adwaita-like colours; dunst asks `dmenu` which of several actions is meant.
CONFIG = """
[global]
    width = 580
    height = 400
    origin = top-right
    offset = 12x12
    font = DejaVu Sans 10
    markup = full
    format = "<b>%s</b>\\n%b"
    icon_path = {icons}
    icon_position = left
    min_icon_size = 64
    max_icon_size = 64
    frame_width = 2
    corner_radius = 8
    padding = 14
    horizontal_padding = 16
    text_icon_padding = 16
    show_indicators = no
    dmenu = {menu}
[urgency_low]
    background = "#f6f5f4"
    foreground = "#3d3846"
    frame_color = "#c0bfbc"
[urgency_normal]
    background = "#f6f5f4"
    foreground = "#241f31"
    frame_color = "#9a9996"
[urgency_critical]
    background = "#fdf3f2"
    foreground = "#241f31"
    frame_color = "#d32f2f"
"""
# What a person picks from the menu: the line with the word in the file.
MENU = '#!/bin/sh\nexec grep -m 1 "$(cat "{wanted}")"\n'


class Desktop:
    """The screen, and what dunst shows on it."""

    def __init__(self, directory: Path, address: str, display: str) -> None:
        self.display = display
        self._directory = directory
        self._busctl = Busctl(address)

    async def displayed(self) -> int:
        """Return how many notifications are on the screen."""
        return int(await self._busctl.get(NAME, PATH, DUNST, "displayedLength"))

    async def wait_until_displayed(self, count: int, seconds: float = 30) -> None:
        """Return once so many are on the screen."""
        try:
            async with asyncio.timeout(seconds):
                while await self.displayed() != count:  # noqa: ASYNC110  # asked of dunst
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise ServiceError(f"{await self.displayed()} are on the screen, not {count}") from None

    async def wait_until_closed(self, count: int, seconds: float = 30) -> None:
        """Return once so many have been closed."""
        async with asyncio.timeout(seconds):
            while len(await self.history()) < count:  # noqa: ASYNC110  # asked of dunst
                await asyncio.sleep(0.1)

    async def history(self) -> list[dict[str, Json]]:
        """Return what was closed, as dunst keeps it, the newest first."""
        (entries,) = await self._busctl.call(NAME, PATH, DUNST, "NotificationListHistory")
        return [{key: value["data"] for key, value in entry.items()} for entry in entries]

    async def clear(self) -> None:
        """Close all that is on the screen, as a person does who has seen it."""
        await self._busctl.call(NAME, PATH, DUNST, "NotificationCloseAll")

    async def press(self, label: str) -> None:
        """Choose the action with this label of the topmost notification."""
        (self._directory / "wanted").write_text(label)
        await self._busctl.call(NAME, PATH, DUNST, "NotificationAction", "u", "0")

    async def take_picture(self, file: Path) -> None:
        """Save what is on the screen, without what is empty around it."""
        await output(
            *(program("import", "imagemagick"), "-display", self.display, "-window", "root"),
            *("-trim", "-strip", f"png:{file}"),
            seconds=30,
        )


@asynccontextmanager
async def desktop_on(address: str, directory: Path) -> AsyncIterator[Desktop]:
    """Run a screen, and dunst on it, for the session of this bus."""
    config = _configured(directory)
    async with screen() as display:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "DISPLAY": display,
            "DBUS_SESSION_BUS_ADDRESS": address,
        }
        log = directory / "dunst.log"
        with log.open("wb") as words:
            dunst = await asyncio.create_subprocess_exec(
                *BOUND,
                *(program("dunst", "dunst"), "-config", str(config)),
                stdin=DEVNULL,
                stdout=words,
                stderr=words,
                env=environment,
            )
        try:
            desktop = Desktop(directory, address, display)
            await _answers(desktop, log)
            yield desktop
        finally:
            await end(dunst)


def _configured(directory: Path) -> Path:
    menu = directory / "menu"
    menu.write_text(MENU.format(wanted=directory / "wanted"))
    menu.chmod(0o755)
    config = directory / "dunstrc"
    config.write_text(CONFIG.format(icons=ICONS, menu=menu))
    return config


async def _answers(desktop: Desktop, log: Path) -> None:
    try:
        async with asyncio.timeout(20):
            while True:
                with suppress(ServiceError):
                    await desktop.displayed()
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise ServiceError(f"dunst does not answer; its words are in {log}") from None


@asynccontextmanager
async def screen(size: str = "800x600") -> AsyncIterator[str]:
    """Run an X server in memory with a display of its own choice, and return that."""
    read, write = os.pipe()
    try:
        server = await asyncio.create_subprocess_exec(
            *BOUND,
            *(program("Xvfb", "xvfb"), "-displayfd", str(write), "-nolisten", "tcp"),
            *("-wr", "-screen", "0", f"{size}x24"),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
            pass_fds=(write,),
        )
    finally:
        os.close(write)
    try:
        with os.fdopen(read, "rb") as ready:
            async with asyncio.timeout(30):
                number = await asyncio.to_thread(ready.readline)
        if not number.strip():
            raise ServiceError("Xvfb does not start")
        yield f":{number.decode().strip()}"
    finally:
        await end(server)
