# SPDX-License-Identifier: GPL-2.0-or-later
"""What the guest is made of: Debian's own kernel, kexec and makedumpfile in one initramfs.

The kernel and kexec-tools are unpacked from their packages and never installed: their maintainer
scripts would write to the developer's /boot. The result is cached by what went into it.
"""

import gzip
import os
import shutil
import subprocess
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

INIT = Path(__file__).with_name("init.sh")
FETCHED = ("kexec-tools", "linux-image-amd64")
# In the order of insmod: Debian builds neither virtio nor 9p into its kernel.
MODULES = (
    *("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci"),
    *("9pnet", "9pnet_virtio", "netfs", "fscache", "9p"),
)
TOOLS = {
    "apt-get": "apt",
    "busybox": "busybox-static",
    "cpio": "cpio",
    "dpkg-deb": "dpkg",
    "ldd": "libc-bin",
    "makedumpfile": "makedumpfile",
    "qemu-system-x86_64": "qemu-system-x86",
    "setpriv": "util-linux",
}


class ImageError(Exception):
    """The guest cannot be built here; the message says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestImage:
    """A kernel and an initramfs, which serve the first kernel and the capture kernel alike."""

    kernel: Path
    initramfs: Path

    @property
    def folder(self) -> Path:
        """The cached folder that holds both; its name changes with its content."""
        return self.kernel.parent


def default_cache() -> Path:
    """Return the folder for what is slow to make, outside the checkout."""
    if chosen := os.environ.get("KDUMPD_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kdumpd"


def tool(name: str) -> Path:
    """Return the path of a program, or say which Debian package has it."""
    found = shutil.which(name)
    if found is None:
        raise ImageError(f"'{name}' is not installed: apt-get install {TOOLS[name]}")
    return Path(found)


def build_image(cache: Path) -> GuestImage:
    """Return the guest's image from `cache`, where it is built first (some seconds) if need be."""
    packages = _packages()
    parts = [*map(tool, ("makedumpfile", "busybox")), *_libraries(tool("makedumpfile"))]
    key = sha256(repr(packages).encode())
    for part in (Path(__file__), INIT, *parts):  # this module has the modules' list and the recipe
        key.update(sha256(part.read_bytes()).digest())
    folder = cache / f"image-{key.hexdigest()[:16]}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=cache, prefix="building-") as work:
            settle(_build(Path(work), [name for name, _ in packages]), folder)
    return GuestImage(kernel=folder / "vmlinuz", initramfs=folder / "initramfs.gz")


def settle(made: Path, folder: Path) -> None:
    """Rename what was made to its cached name; the first of two concurrent makers wins."""
    try:
        made.rename(folder)
    except OSError:
        if not folder.exists():
            raise


def _packages() -> list[tuple[str, str]]:
    """Return name and file (thus version) of each package that has to be fetched.

    An empty status file makes apt answer for a machine with nothing installed: the same on all.
    Of the libraries only Xen's are fetched, which kexec links to and few machines have.
    """
    text = _run(
        *("apt-get", "install", "-qq", "--print-uris", "--no-install-recommends"),
        *("-o", "Dir::State::status=/dev/null", *FETCHED),
    )
    files = (line.split()[1] for line in text.splitlines() if line.startswith("'"))
    packages = sorted((file.partition("_")[0], file) for file in files)
    wanted = ("kexec-tools", "linux-image-", "libxen")
    return [p for p in packages if p[0].startswith(wanted) and p[0] != "linux-image-amd64"]


def _build(work: Path, packages: list[str]) -> Path:
    # Without the option, apt as root warns that its user _apt cannot write into our folder.
    _run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *packages, cwd=work)
    for package in work.glob("*.deb"):
        _run("dpkg-deb", "-x", str(package), "unpacked", cwd=work)
    unpacked, root, image = work / "unpacked", work / "root", work / "image"
    kexec = unpacked / "sbin/kexec"
    contents = {"init": INIT, "bin/busybox": tool("busybox")}
    for program in (kexec, tool("makedumpfile")):
        contents[f"bin/{program.name}"] = program
        for library in _libraries(program, unpacked):
            # The loader is found by its full name, and finds all others in /lib.
            loader = library.name.startswith("ld-linux")
            contents[str(library)[1:] if loader else f"lib/{library.name}"] = library
    for number, module in enumerate(MODULES):
        contents[f"modules/{number:02}-{module}.ko"] = _find(unpacked, f"{module}.ko")
    for name, source in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, root / name)
        (root / name).chmod(0o755)
    for name in ("dev", "host", "image", "proc", "sys", "tmp"):
        (root / name).mkdir()
    image.mkdir()
    names = "\n".join(sorted(str(path.relative_to(root)) for path in root.rglob("*")))
    _run("cpio", "-o", "-H", "newc", "-R", "0:0", "-O", "../archive", cwd=root, stdin=names)
    packed = gzip.compress((work / "archive").read_bytes(), compresslevel=1)
    (image / "initramfs.gz").write_bytes(packed)
    shutil.copyfile(_find(unpacked / "boot", "vmlinuz-*"), image / "vmlinuz")
    return image


def _libraries(program: Path, unpacked: Path = Path("/")) -> list[Path]:
    folders = ":".join(map(str, unpacked.glob("usr/lib/*-linux-gnu")))
    text = _run("ldd", str(program), LD_LIBRARY_PATH=folders)
    if "not found" in text:
        raise ImageError(f"a library of '{program.name}' is missing:\n{text}")
    return [Path(w) for line in text.splitlines() for w in line.split() if w.startswith("/")]


def _find(folder: Path, pattern: str) -> Path:
    found = next(folder.rglob(pattern), None)
    if found is None:
        raise ImageError(f"the kernel package has no '{pattern}'")
    return found


def _run(
    program: str, *args: str, cwd: Path | None = None, stdin: str = "", **environment: str
) -> str:
    argv = [str(tool(program)), *args]
    env = os.environ | {"LC_ALL": "C"} | environment
    done = subprocess.run(  # noqa: S603 - every command stands above, and no shell reads it
        argv, cwd=cwd, env=env, input=stdin, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        hint = " (are the lists old? apt-get update)" if program == "apt-get" else ""
        raise ImageError(f"{' '.join(argv)} failed{hint}:\n{done.stderr}")
    return done.stdout
