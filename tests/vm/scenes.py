# SPDX-License-Identifier: GPL-2.0-or-later
"""The machines whose trees are in tests/samples/trees, and how each came to be.

`python -m tests.vm.scenes [NAME...]` boots them and writes their trees there anew. Needs root.
"""

import asyncio
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from tests.vm.cache import Cache, default_cache
from tests.vm.debian import BOOKWORM, CRASHKERNEL, TRIXIE, Boot, boot_debian, build_debian
from tests.vm.guest import GuestError
from tests.vm.tree import TREES, gather

CAPTURE = Path(__file__).with_name("tree_capture.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A machine, and what was done to it before its tree was taken."""

    story: str  # one line for people
    suite: str = BOOKWORM
    crashkernel: str = CRASHKERNEL  # that it was booted with
    fresh: bool = False  # kdump-tools had never run before
    script: str = ""  # before the tree is taken
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


async def take(name: str, cache: Cache, trees: Path = TREES) -> None:
    """Boot the machine of that name and write its tree into a folder of `trees`."""
    scene = SCENES[name]
    image = await build_debian(cache, scene.suite)
    boot = Boot(
        script=f"{scene.script}\npython3 /host/tree_capture.py /host/tree",
        cmdline=image.cmdline.replace(CRASHKERNEL, scene.crashkernel).strip(),
        fresh=scene.fresh,
    )
    with TemporaryDirectory(dir=cache.folder, prefix="capturing-") as work:
        host = Path(work)
        shutil.copy(CAPTURE, host)
        outcome = await boot_debian(image, boot, host)
        if outcome.status != 0:
            raise GuestError(f"no tree of {name}:\n{outcome.output}")
        shutil.rmtree(trees / name, ignore_errors=True)
        shutil.copytree(host / "tree", trees / name, copy_function=shutil.copyfile)
        gather(trees / name)
    (trees / name / "README").write_text(f"{scene.story}\n")


async def take_all(names: Iterable[str]) -> None:
    """Take the trees of these names, one after another."""
    for name in names:
        await take(name, Cache(default_cache()))
        sys.stdout.write(f"{TREES / name}\n")


if __name__ == "__main__":
    asyncio.run(take_all(sys.argv[1:] or SCENES))
