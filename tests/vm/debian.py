# SPDX-License-Identifier: GPL-2.0-or-later
"""A whole Debian in a virtual machine: systemd, journald, the bus, kdump-tools.

The disk is cached by what it was made from; its packages are of the day on which it was made.
`python -m tests.vm.debian bookworm|trixie` makes it and says where it is. Needs root, as its files
belong to root.
"""

import asyncio
import re
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.vm.guest import GuestError
from tests.vm.image import default_cache, settle
from tests.vm.packages import find, run, tool

BOOKWORM, TRIXIE = "bookworm", "trixie"
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "polkitd", "udev", "kmod", "grub-pc"),
    *("linux-image-amd64", "initramfs-tools", "makedumpfile", "kexec-tools", "kdump-tools"),
    *("python3", "python3-dbus-fast", "python3-pyinotify", "python3-systemd"),
    # What debootstrap or the installer puts on every machine: kdump-config has sysctl(8) set what
    # panics, and mkinitramfs packs with zstd.
    *("procps", "zstd", "busybox"),
)
CRASHKERNEL = "crashkernel=384M"
UUID = "4a9d1f0e-6f0b-4c55-9a2e-2f1b6c7d8e90"  # of the root file system; the boot loader names it
DISK_SIZE = "3G"  # sparse

MACHINE = ("-machine", "q35", "-accel", "tcg", "-cpu", "max", "-m", "1536", "-smp", "1")
# Type=simple, and after the last target, so that no job is left over: the machine is "running".
UNIT = """[Unit]
Description=Run what the host left for this boot
After=multi-user.target
SuccessAction=poweroff-force
FailureAction=poweroff-force

[Service]
Type=simple
ExecStart=/usr/local/sbin/from-host
StandardOutput=journal+console
"""
FROM_HOST = """#!/bin/sh
set -e
mkdir -p /host
modprobe 9pnet_virtio
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 host /host
set +e
sh -e /host/guest/script > /host/guest/output 2>&1
echo $? > /host/guest/status
sync
"""
FILES = {
    "etc/fstab": f"UUID={UUID} / ext4 errors=remount-ro 0 1\n",
    "etc/hostname": "debian\n",
    "etc/hosts": "127.0.0.1 localhost debian\n",
    "etc/systemd/system/from-host.service": UNIT,
    "usr/local/sbin/from-host": FROM_HOST,
}
# The first boot is done in two: one only for the boot loader's file, which no chroot can make.
FOR_GRUB = f"""
sed -i 's/^GRUB_CMDLINE_LINUX=.*/GRUB_CMDLINE_LINUX="console=ttyS0"/' /etc/default/grub
sed -i 's/crashkernel=[^ "]*/{CRASHKERNEL}/' /etc/default/grub.d/kdump-tools.cfg
update-grub
cp /boot/grub/grub.cfg /host/grub.cfg
"""
FOR_CAPTURE = "kdump-config show; ls -lR /var/lib/kdump"  # the service has made its initrd


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianImage:
    """A Debian that has kdump-tools, and whose boot loader asks for CRASHKERNEL."""

    folder: Path

    @property
    def fresh(self) -> Path:
        """Its disk before kdump-tools.service ran for the first time: no capture initrd."""
        return self.folder / "fresh"

    @property
    def disk(self) -> Path:
        """Its disk after that."""
        return self.folder / "disk"

    @property
    def cmdline(self) -> str:
        """The kernel's command line as the boot loader gives it."""
        return (self.folder / "cmdline").read_text()


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """What a Debian is to do once it is up."""

    script: str  # lines of shell, run with -e
    cmdline: str | None = None  # None for what the boot loader gives
    disk: Path | None = None  # changed for good; None for the image's, of which nothing is kept
    fresh: bool = False  # the image's disk before kdump-tools ever ran, instead of the other
    seconds: float = 600  # the longest boot, which makes a capture initrd, takes 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a boot came to, beside the files in the host's folder."""

    status: int  # of the script
    output: str  # of the script
    console: str


async def build_debian(cache: Path, suite: str = BOOKWORM) -> DebianImage:
    """Return a Debian from `cache`, where it is built first (some minutes) if need be."""
    recipe = (suite, PACKAGES, FILES, FOR_GRUB, FOR_CAPTURE, DISK_SIZE, MACHINE)
    folder = cache / f"debian-{suite}-{sha256(repr(recipe).encode()).hexdigest()[:16]}"
    if not folder.exists():
        with TemporaryDirectory(dir=_made(cache), prefix="building-") as work:
            settle(await _build(Path(work), suite), folder)
    return DebianImage(folder=folder)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def boot_debian(image: DebianImage, boot: Boot, host: Path) -> Outcome:
    """Boot, run the script as root with `host` as /host, and power off.

    The guest is gone when this returns.
    """
    guest = _prepare(boot.script, host)
    process = await asyncio.create_subprocess_exec(
        *_command(image, boot, host), stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
    )
    try:
        async with asyncio.timeout(boot.seconds):
            said, _ = await process.communicate()
    except TimeoutError as error:
        raise GuestError(f"no end within {boot.seconds} s\n{_tail(guest)}") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0 or not (guest / "status").exists():
        words = said.decode(errors="replace")
        raise GuestError(f"QEMU ended with {process.returncode}: {words}\n{_tail(guest)}")
    return Outcome(
        status=int((guest / "status").read_text()),
        output=(guest / "output").read_text(errors="replace"),
        console=(guest / "console").read_text(errors="replace"),
    )


def _prepare(script: str, host: Path) -> Path:
    guest = host / "guest"
    guest.mkdir(parents=True, exist_ok=True)
    for name in ("console", "output", "status"):  # of an earlier boot with the same folder
        (guest / name).unlink(missing_ok=True)
    (guest / "script").write_text(f"{script}\n")
    return guest


def _command(image: DebianImage, boot: Boot, host: Path) -> list[str]:
    disk = boot.disk or (image.fresh if boot.fresh else image.disk)
    snapshot = "off" if boot.disk else "on"
    drive = f"file={disk},snapshot={snapshot},format=raw,if=virtio,cache=unsafe"
    cmdline = image.cmdline if boot.cmdline is None else boot.cmdline
    # setpriv becomes QEMU, which then dies with us, however we die.
    return [
        *(str(tool("setpriv")), "--pdeathsig", "KILL", str(tool("qemu-system-x86_64"))),
        *("-no-user-config", "-nodefaults", "-display", "none", *MACHINE),
        *("-kernel", str(image.folder / "vmlinuz"), "-initrd", str(image.folder / "initrd.img")),
        *("-append", cmdline, "-drive", drive),
        *("-serial", f"file:{host / 'guest/console'}"),
        *("-virtfs", f"local,security_model=none,mount_tag=host,path={host}"),
    ]


def _tail(guest: Path) -> str:
    lines = []
    for path in (guest / "console", guest / "output"):
        if path.exists():  # QEMU, or the script, may not have come so far
            lines += path.read_text(errors="replace").splitlines()[-40:]
    return "\n".join(lines)


async def _build(work: Path, suite: str) -> Path:
    """Return the folder with the image, below `work`."""
    image = DebianImage(folder=work / "made")
    image.folder.mkdir()
    await asyncio.to_thread(_install, work / "root", suite, image)
    cmdline = f"root=UUID={UUID} rw console=ttyS0 systemd.mask=kdump-tools.service"
    await _change(image, Boot(script=FOR_GRUB, cmdline=cmdline, disk=image.fresh), work)
    (image.folder / "cmdline").write_text(_boot_cmdline((work / "host/grub.cfg").read_text()))
    run("cp", "--sparse=always", str(image.fresh), str(image.disk))
    await _change(image, Boot(script=FOR_CAPTURE, disk=image.disk), work)
    return image.folder


async def _change(image: DebianImage, boot: Boot, work: Path) -> None:
    outcome = await boot_debian(image, boot, work / "host")
    if outcome.status != 0:
        raise GuestError(f"the disk could not be prepared:\n{outcome.output}")


def _install(root: Path, suite: str, image: DebianImage) -> None:
    run(
        *("mmdebstrap", "--variant=minbase", "--quiet", f"--include={','.join(PACKAGES)}"),
        *(suite, str(root)),
    )
    (root / "etc/hostname").unlink()  # mmdebstrap takes this machine's name, and its resolvers
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    for name, text in FILES.items():
        path = root / name
        path.write_text(text)
        path.chmod(0o755 if "sbin" in name else 0o644)
    wants = root / "etc/systemd/system/multi-user.target.wants"
    (wants / "from-host.service").symlink_to("/etc/systemd/system/from-host.service")
    for name in ("vmlinuz", "initrd.img"):
        shutil.copyfile(find(root / "boot", f"{name}-*"), image.folder / name)
    run("mkfs.ext4", "-q", "-U", UUID, "-d", str(root), str(image.fresh), DISK_SIZE)


def _boot_cmdline(grub: str) -> str:
    """Return what GRUB gives to the kernel of its first entry."""
    found = re.search(r"^\s*linux\s+(\S+)\s+(.*?)\s*$", grub, re.MULTILINE)
    if found is None:
        raise GuestError(f"no kernel in grub.cfg:\n{grub}")
    return f"BOOT_IMAGE={found[1]} {found[2]}"


if __name__ == "__main__":
    for chosen in sys.argv[1:] or [BOOKWORM]:
        built = asyncio.run(build_debian(default_cache(), chosen))
        sys.stdout.write(f"{built.folder}\n")
