# SPDX-License-Identifier: GPL-2.0-or-later
"""The machines whose files are in tests/samples/captured, and how each came to be.

`python -m tests.vm.scenes [NAME...]` boots them and writes their texts there anew. Needs root.
"""

import asyncio
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType, ModuleType

from tests.support import machine_file
from tests.support.image_cache import Cache, default_cache
from tests.support.machine_file import format_machine, read_machine
from tests.support.sample_machines import CAPTURED
from tests.vm import tree_capture
from tests.vm.debian import BOOKWORM, CRASHKERNEL, TRIXIE, Boot, boot_debian, build_debian
from tests.vm.guest import GuestError


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A machine, and what was done to it before its files were taken."""

    story: str  # one line for people
    suite: str = BOOKWORM
    crashkernel: str = CRASHKERNEL  # that it was booted with
    fresh: bool = False  # kdump-tools had never run before
    script: str = ""  # before its files are taken
    loaded: bool = True  # whether a crash kernel is loaded then


def configured(crashkernel: str) -> str:
    """Return the lines that make the boot loader ask for that, as an administrator would."""
    return f"""
sed -i 's/crashkernel=[^ "]*/{crashkernel}/' /etc/default/grub.d/kdump-tools.cfg
update-grub
"""


SMALL = "crashkernel=48M"
TOO_SMALL = "crashkernel= is too small for the kernel and its initrd: kexec failed at this boot."
# What the packages ask for.
SHIPPED = {BOOKWORM: "crashkernel=384M-:128M", TRIXIE: "crashkernel=512M-:192M"}
AS_SHIPPED = "With crashkernel= as the package brings it; the crash kernel was loaded at this boot."
READY = "kdump-tools loaded the crash kernel at this boot."
# The disk is full just while the initrd is made; the last of it is ext4's, not to be had at once.
NO_ROOM = """
systemctl stop kdump-tools
rm /var/lib/kdump/initrd.img-*
fallocate -l $(($(stat -f -c '%f * %S' /) - 50000000)) /var/full
cat /dev/zero > /var/rest || sync
systemctl start kdump-tools
rm /var/full /var/rest
"""

SCENES: Mapping[str, Scene] = MappingProxyType(
    {
        "debian-12-ready": Scene(story=READY),
        "debian-12-kexec-failed": Scene(
            story=TOO_SMALL, crashkernel=SMALL, script=configured(SMALL), loaded=False
        ),
        "debian-12-unloaded": Scene(
            story="Loaded at this boot, then `kdump-config unload`.",
            script="kdump-config unload",
            loaded=False,
        ),
        "debian-12-no-crashkernel": Scene(
            story="Booted without crashkernel=; the boot loader's file asks for it the next time.",
            crashkernel="",
            loaded=False,
        ),
        "debian-12-just-installed": Scene(
            story="The same, and kdump-tools have never made a capture initrd.",
            crashkernel="",
            fresh=True,
            loaded=False,
        ),
        "debian-12-first-boot": Scene(
            story="The first boot with crashkernel=: kdump-tools made their initrd, and loaded it.",
            fresh=True,
        ),
        "debian-12-no-initrd": Scene(
            story="The capture initrd was to be made anew, on a full disk: there is none now.",
            script=NO_ROOM,
            loaded=False,
        ),
        "debian-12-as-shipped": Scene(
            story=AS_SHIPPED,
            crashkernel=SHIPPED[BOOKWORM],
            script=configured(SHIPPED[BOOKWORM]),
        ),
        "debian-13-ready": Scene(story=READY, suite=TRIXIE),
        "debian-13-kexec-failed": Scene(
            story=TOO_SMALL,
            suite=TRIXIE,
            crashkernel=SMALL,
            script=configured(SMALL),
            loaded=False,
        ),
        "debian-13-as-shipped": Scene(
            story=AS_SHIPPED,
            suite=TRIXIE,
            crashkernel=SHIPPED[TRIXIE],
            script=configured(SHIPPED[TRIXIE]),
        ),
    }
)


async def take(name: str, cache: Cache, directory: Path = CAPTURED) -> None:
    """Boot the machine of that name and write its text into a directory."""
    scene = SCENES[name]
    image = await build_debian(cache, scene.suite)
    boot = Boot(
        script=f"{scene.script}\ncd /host\npython3 -m {tree_capture.__name__} /host/machine.txt",
        cmdline=image.cmdline.replace(CRASHKERNEL, scene.crashkernel).strip(),
        fresh=scene.fresh,
    )
    with TemporaryDirectory(dir=cache.directory, prefix="capturing-") as work:
        host = Path(work)
        for module in (machine_file, tree_capture):
            _give(module, host)
        outcome = await boot_debian(image, boot, host)
        if outcome.status != 0:
            raise GuestError(f"nothing was taken of {name}:\n{outcome.output}")
        machine = read_machine(host / "machine.txt")
    text = format_machine(replace(machine, about=scene.story))
    (directory / f"{name}.txt").write_bytes(text)


def _give(module: ModuleType, host: Path) -> None:
    """Put a module of ours, which imports no other but such, where the guest finds it."""
    copy = host.joinpath(*module.__name__.split(".")).with_suffix(".py")
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(str(module.__file__), copy)


async def take_all(names: Iterable[str]) -> None:
    """Take the files of the machines of these names, one after another."""
    for name in names:
        await take(name, Cache(default_cache()))
        sys.stdout.write(f"{CAPTURED / name}.txt\n")


if __name__ == "__main__":
    asyncio.run(take_all(sys.argv[1:] or SCENES))
