# SPDX-License-Identifier: GPL-2.0-or-later
"""What the guest is made of: Debian's own kernel, kexec and makedumpfile in one initramfs.

The result is cached by what went into it.
"""

import asyncio
import gzip
import shutil
from dataclasses import dataclass
from hashlib import sha256
from inspect import getsource
from pathlib import Path

from tests.support.debian_packages import ImageError, choose_packages, find, run, tool, unpack
from tests.support.image_cache import Cache

INIT = Path(__file__).with_name("init.sh")
FETCHED = ("kexec-tools", "linux-image-amd64")
# In the order of insmod: Debian builds neither virtio nor 9p into its kernel.
MODULES = (
    *("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci"),
    *("9pnet", "9pnet_virtio", "netfs", "fscache", "9p"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestImage:
    """A kernel and an initramfs, which serve the first kernel and the crash kernel alike."""

    kernel: Path
    initramfs: Path

    @property
    def directory(self) -> Path:
        """The cached directory that holds both; its name changes with its content."""
        return self.kernel.parent


async def build_image(cache: Cache) -> GuestImage:
    """Return the guest's image from `cache`, where it is built first (some seconds) if need be."""
    packages = await asyncio.to_thread(_packages)
    name = f"image-{await asyncio.to_thread(_key, packages)}"
    directory = await cache.make(name, lambda work: asyncio.to_thread(_build, work, packages))
    return GuestImage(kernel=directory / "vmlinuz", initramfs=directory / "initramfs.gz")


def _packages() -> list[tuple[str, str]]:
    # Of the libraries only Xen's are fetched, which kexec links to and few machines have.
    return choose_packages(*FETCHED, named=("kexec-tools", "linux-image-", "libxen"))


def _key(packages: list[tuple[str, str]]) -> str:
    parts = [*map(tool, ("makedumpfile", "busybox")), *_libraries(tool("makedumpfile"))]
    key = sha256(repr((packages, MODULES, getsource(_build))).encode())
    for part in (INIT, *parts):
        key.update(sha256(part.read_bytes()).digest())
    return key.hexdigest()[:16]


def _build(work: Path, packages: list[tuple[str, str]]) -> Path:
    unpacked, root, image = unpack(packages, work), work / "root", work / "image"
    kexec = unpacked / "sbin/kexec"
    contents = {"init": INIT, "bin/busybox": tool("busybox")}
    for program in (kexec, tool("makedumpfile")):
        contents[f"bin/{program.name}"] = program
        for library in _libraries(program, unpacked):
            # The loader is found by its full name, and finds all others in /lib.
            loader = library.name.startswith("ld-linux")
            contents[str(library)[1:] if loader else f"lib/{library.name}"] = library
    for number, module in enumerate(MODULES):
        contents[f"modules/{number:02}-{module}.ko"] = find(unpacked, f"{module}.ko")
    for name, source in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, root / name)
        (root / name).chmod(0o755)
    for name in ("dev", "host", "image", "proc", "sys", "tmp"):
        (root / name).mkdir()
    image.mkdir()
    names = "\n".join(sorted(str(path.relative_to(root)) for path in root.rglob("*")))
    run("cpio", "-o", "-H", "newc", "-R", "0:0", "-O", "../archive", cwd=root, stdin=names)
    packed = gzip.compress((work / "archive").read_bytes(), compresslevel=1)
    (image / "initramfs.gz").write_bytes(packed)
    shutil.copyfile(find(unpacked / "boot", "vmlinuz-*"), image / "vmlinuz")
    return image


def _libraries(program: Path, unpacked: Path = Path("/")) -> list[Path]:
    directories = ":".join(map(str, unpacked.glob("usr/lib/*-linux-gnu")))
    text = run("ldd", str(program), LD_LIBRARY_PATH=directories)
    if "not found" in text:
        raise ImageError(f"a library of '{program.name}' is missing:\n{text}")
    return [Path(w) for line in text.splitlines() for w in line.split() if w.startswith("/")]
