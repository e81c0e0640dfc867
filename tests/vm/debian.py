# SPDX-License-Identifier: GPL-2.0-or-later
"""A whole Debian in a virtual machine: systemd, journald, the bus, kdump-tools.

The disk is cached by what it was made from; its packages are of the day on which it was made.
`python -m tests.vm.debian bookworm|trixie` makes it and says where it is. Needs root, as its files
belong to root.
"""

import asyncio
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from tests.support.debian_packages import run, tool
from tests.support.image_cache import Cache, default_cache
from tests.vm import installation
from tests.vm.guest import GuestError
from tests.vm.installation import UUID

BOOKWORM, TRIXIE = "bookworm", "trixie"
CRASHKERNEL = installation.CRASHKERNEL

MACHINE = ("-machine", "q35", "-accel", "tcg", "-cpu", "max", "-m", "1536", "-smp", "1")
RESET = "panic=5"  # seconds
RECORDS_SIZE = 64 << 10  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianImage:
    """A Debian that has kdump-tools, and whose boot loader asks for CRASHKERNEL."""

    directory: Path

    @property
    def fresh(self) -> Path:
        """Its disk before kdump-tools.service ran for the first time: no capture initrd."""
        return self.directory / "fresh"

    @property
    def disk(self) -> Path:
        """Its disk after that."""
        return self.directory / "disk"

    @property
    def cmdline(self) -> str:
        """The kernel's command line as the boot loader gives it."""
        return (self.directory / "cmdline").read_text()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a machine is switched on, and for how long at most."""

    cmdline: str | None = None  # None for what the boot loader gives
    disk: Path | None = None  # changed for good; None for the image's, of which nothing is kept
    fresh: bool = False  # the image's disk before kdump-tools ever ran, instead of the other
    # Whether it has memory that outlives a reset, for the kernel's last words: ACPI ERST.
    records: bool = False
    seconds: float = 600  # the longest boot, which makes a capture initrd, takes 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot(Run):
    """What a Debian is to do once it is up; then it is switched off."""

    script: str  # lines of shell, run with -e


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One of several boots; when its script has ended, the machine reboots in good order."""

    script: str  # lines of shell, run with -e
    crashes: bool = False  # whether it never ends, as it makes the kernel panic, or a reset


@dataclass(frozen=True, slots=True, kw_only=True)
class Series(Run):
    """Boots of one disk in a machine that stays on; after the last, it is switched off.

    A panic is followed by a reset also where no crash kernel is loaded: the command line says so.
    """

    turns: Sequence[Turn]
    seconds: float = 1200  # for each turn; a boot takes 60, or 300 where others keep us waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a boot came to, beside the files in the host's directory."""

    status: int | None  # of the script, None when it never ended
    output: str  # of the script
    console: str  # of all kernels since the machine was switched on


async def build_debian(cache: Cache, suite: str = BOOKWORM) -> DebianImage:
    """Return a Debian from `cache`, where it is built first (some minutes) if need be."""
    recipe = (suite, installation.RECIPE, MACHINE)
    name = f"debian-{suite}-{sha256(repr(recipe).encode()).hexdigest()[:16]}"
    return DebianImage(directory=await cache.make(name, lambda work: _build(work, suite)))


async def boot_debian(image: DebianImage, boot: Boot, host: Path) -> Outcome:
    """Boot, run the script as root with `host` as /host, and power off.

    The guest is gone when this returns.
    """
    (outcome,) = await _run(image, boot, (Turn(script=boot.script),), host)
    if outcome.status is None:
        raise GuestError(f"the script was never run\n{_tail(host)}")
    return outcome


async def run_series(image: DebianImage, series: Series, host: Path) -> list[Outcome]:
    """Boot again and again, each time with `host` as /host and the next turn's script as root.

    The guest is gone when this returns. GuestError if a script fails, or does not crash as it
    should, or the other way round; no turn follows then.
    """
    cmdline = image.cmdline if series.cmdline is None else series.cmdline
    seconds = series.seconds * len(series.turns)
    with_reset = replace(series, cmdline=f"{cmdline} {RESET}", seconds=seconds)
    outcomes = await _run(image, with_reset, series.turns, host)
    for number, (turn, outcome) in enumerate(zip(series.turns, outcomes, strict=True), start=1):
        expected = None if turn.crashes else 0
        if outcome.status != expected:
            raise GuestError(
                f"the script of boot {number} ended with {outcome.status}, not {expected}:"
                f"\n{outcome.output}\n{_tail(host)}"
            )
    return outcomes


async def _run(image: DebianImage, how: Run, turns: Sequence[Turn], host: Path) -> list[Outcome]:
    guest = _prepare(turns, host)
    process = await asyncio.create_subprocess_exec(
        *_command(image, how, host), stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
    )
    try:
        async with asyncio.timeout(how.seconds):
            said, _ = await process.communicate()
    except TimeoutError as error:
        raise GuestError(f"no end within {how.seconds} s\n{_tail(host)}") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        words = said.decode(errors="replace")
        raise GuestError(f"QEMU ended with {process.returncode}: {words}\n{_tail(host)}")
    return [_outcome(guest, number) for number, _ in enumerate(turns, start=1)]


def _prepare(turns: Sequence[Turn], host: Path) -> Path:
    guest = host / "guest"
    if guest.exists():  # of an earlier run with the same directory
        shutil.rmtree(guest)
    for number, turn in enumerate(turns, start=1):
        directory = guest / str(number)
        directory.mkdir(parents=True)
        (directory / "script").write_text(f"{turn.script}\n")
        if turn.crashes:
            (directory / "crashes").touch()
    (guest / "boots").write_text("0\n")
    with (guest / "records").open("xb") as records:
        records.truncate(RECORDS_SIZE)
    return guest


def _command(image: DebianImage, how: Run, host: Path) -> list[str]:
    disk = how.disk or (image.fresh if how.fresh else image.disk)
    snapshot = "off" if how.disk else "on"  # on: for as long as QEMU runs, over all resets
    drive = f"file={disk},snapshot={snapshot},format=raw,if=virtio,cache=unsafe"
    records = f"mem-path={host / 'guest/records'},size={RECORDS_SIZE},share=on"
    erst = (
        *("-object", f"memory-backend-file,id=records,{records}"),
        *("-device", "acpi-erst,memdev=records"),
    )
    # setpriv becomes QEMU, which then dies with us, however we die.
    return [
        *(str(tool("setpriv")), "--pdeathsig", "KILL", str(tool("qemu-system-x86_64"))),
        *("-no-user-config", "-nodefaults", "-display", "none", *MACHINE),
        *(
            "-kernel",
            str(image.directory / "vmlinuz"),
            "-initrd",
            str(image.directory / "initrd.img"),
        ),
        *("-append", image.cmdline if how.cmdline is None else how.cmdline, "-drive", drive),
        *("-serial", f"file:{host / 'guest/console'}"),
        *("-virtfs", f"local,security_model=none,mount_tag=host,path={host}"),
        *(erst if how.records else ()),
    ]


def _outcome(guest: Path, number: int) -> Outcome:
    status = _text(guest / str(number) / "status")
    return Outcome(
        status=int(status) if status else None,
        output=_text(guest / str(number) / "output"),
        console=_text(guest / "console"),
    )


def _tail(host: Path) -> str:
    guest = host / "guest"
    last = _text(guest / "boots").strip()
    paths = (guest / "console", guest / last / "output")
    return "\n".join("\n".join(_text(path).splitlines()[-40:]) for path in paths)


def _text(path: Path) -> str:
    # QEMU, or the script, may not have come so far.
    return path.read_text(errors="replace") if path.exists() else ""


async def _build(work: Path, suite: str) -> Path:
    """Return the directory with the image, below `work`."""
    image = DebianImage(directory=work / "made")
    image.directory.mkdir()
    await asyncio.to_thread(
        installation.install, suite, work / "root", image.directory, image.fresh
    )
    cmdline = f"root=UUID={UUID} rw console=ttyS0 systemd.mask=kdump-tools.service"
    for_grub = f"{installation.FOR_GRUB}{installation.FORGET}"
    await _change(image, Boot(script=for_grub, cmdline=cmdline, disk=image.fresh), work)
    grub = (work / "host/grub.cfg").read_text()
    (image.directory / "cmdline").write_text(installation.boot_cmdline(grub))
    run("cp", "--sparse=always", str(image.fresh), str(image.disk))
    for_capture = f"{installation.FOR_CAPTURE}{installation.FORGET}"
    await _change(image, Boot(script=for_capture, disk=image.disk), work)
    return image.directory


async def _change(image: DebianImage, boot: Boot, work: Path) -> None:
    outcome = await boot_debian(image, boot, work / "host")
    if outcome.status != 0:
        raise GuestError(f"the disk could not be prepared:\n{outcome.output}")


if __name__ == "__main__":
    for chosen in sys.argv[1:] or [BOOKWORM]:
        built = asyncio.run(build_debian(Cache(default_cache()), chosen))
        sys.stdout.write(f"{built.directory}\n")
