# SPDX-License-Identifier: GPL-2.0-or-later
"""Make pictures of what kdumpdctl says in a terminal: xterm, on a screen in memory.

usage: python -m tests.docs.picture DIRECTORY
"""

import asyncio
import os
import random
import re
import shlex
import sys
import tempfile
import uuid
from asyncio.subprocess import DEVNULL
from pathlib import Path

from tests.support.cores import BLOCK, Crash, flattened
from tests.support.daemon import Setup, running
from tests.support.desktop import screen
from tests.support.journal_file import Boot, kernel, opening, write_boots
from tests.support.message_bus import Broker, private_bus
from tests.support.process import BOUND, end, output, program
from tests.support.sample_machines import build, machines

WIDEST = 140  # columns
COLOUR = re.compile(r"\x1b\[[0-9;?]*[a-z]")
MEMORY = 1  # a seed
SIZE = "1700x1200"  # of the screen, in pixels
# What is asked, of which machine. What is in order names files below the machine's directory.
PICTURES = {
    "status": ("kdumpdctl", "debian-12-ready"),
    "list": ("kdumpdctl list", "debian-12-ready"),
    "check": ("kdumpdctl check", "debian-12-kexec-failed"),
}
BOOT, BEFORE = "0f8e1a3c5b7d4e2f9a6cd4b8f0e2c1a5", "11111111111141118111111111111111"
CRASHES = (
    ("202611230435", 1_795_408_507, "null.txt"),
    ("202611240912", 1_795_511_532, "soft-lockup.txt"),
)
LOOK = (
    *("-fa", "DejaVu Sans Mono", "-fs", "10", "-b", "14", "-bw", "0", "+sb", "-bc", "+uc"),
    *("-bg", "#1e1e2a", "-fg", "#e6e6ea", "-cr", "#1e1e2a"),
    *("-tn", "xterm-256color"),
)
LOGS = Path(__file__).parents[1] / "samples/logs"
# The command is shown as it is typed, and then run; the terminal stays until the picture is taken.
SHOW = 'printf "\\033[?25l$ %s\\n" "$0"; eval "$0"; exec sleep 60'


async def show(typed: str, address: str, file: Path) -> None:
    """Run kdumpdctl in a terminal as large as what it says, and take its picture."""
    function = f'kdumpdctl() {{ {ours(address)} "$@"; }}'
    width = longest(await said(function, typed, WIDEST)) + 1
    lines = await said(function, typed, width)  # in less room, text takes more lines
    geometry = f"{width}x{len(lines) + 2}+0+0"
    async with screen(SIZE) as display:
        terminal = await asyncio.create_subprocess_exec(
            *BOUND,
            *(program("xterm", "xterm"), *LOOK, "-geometry", geometry),
            *("-e", "sh", "-c", f"{function}; {SHOW}", typed),
            stdin=DEVNULL,
            env={"PATH": os.environ["PATH"], "DISPLAY": display, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        )
        try:
            await asyncio.sleep(4)  # until it is drawn
            await output(
                *(program("import", "imagemagick"), "-display", display, "-window", "root"),
                *("-trim", "+repage", "-strip", "-colors", "32", f"png:{file}"),
                seconds=30,
            )
        finally:
            await end(terminal)


async def said(function: str, typed: str, width: int) -> list[str]:
    """Return the lines that are said on a terminal of so many columns, without their colours."""
    command = f"stty cols {width} rows 50; {function}; {typed} || true"
    shown = await output(program("script", "bsdutils"), "-qec", command, os.devnull, seconds=60)
    return COLOUR.sub("", shown.decode()).splitlines()


def longest(lines: list[str]) -> int:
    """Return the length of the longest line."""
    return max(len(line) for line in lines)


def ours(address: str) -> str:
    """Return the command line of this tree's kdumpdctl."""
    return shlex.join([sys.executable, "-m", "kdumpd.ctl.main", f"--bus={address}"])


def prepare(name: str, root: Path) -> None:
    """Make the directory of a Debian as it really was, but with two crashes behind it."""
    build(machines()[name], root)
    memory = random.Random(MEMORY)  # noqa: S311  # what does not compress, the same each time
    pages = tuple(memory.randbytes(BLOCK) for _ in range(4200))
    for stamp, at, log in CRASHES:
        directory = root / "var/crash" / stamp
        directory.mkdir(parents=True)
        (directory / f"dmesg.{stamp}").write_bytes((LOGS / log).read_bytes())
        core = directory / f"dump.{stamp}"
        core.write_bytes(flattened(Crash(crash_time=at, host="debian", pages=pages)))
        core.chmod(0o600)
    # The last crash ended the boot before.
    died = CRASHES[-1][1]
    began = died + 80
    before = Boot(BEFORE, died - 3600, [*opening(), (3590.0, kernel("at work"))])
    (root / "proc/stat").write_text(f"btime {began}\n")
    (root / "proc/sys/kernel/random/boot_id").write_text(f"{uuid.UUID(BOOT)}\n")
    write_boots(root / "var/log/journal", before, Boot(BOOT, began, opening()))


async def make(directory: Path, work: Path) -> None:
    """Make all pictures."""
    for name, (typed, tree) in PICTURES.items():
        place = work / name
        place.mkdir()
        prepare(tree, place / "machine")
        async with (
            private_bus(place, Broker.DBUS_DAEMON) as bus,
            running(Setup(root=place / "machine", state=place / "state", bus=bus.address)),
        ):
            await show(typed, bus.address, directory / f"{name}.png")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(make(Path(sys.argv[1]).absolute(), Path(name)))
