# SPDX-License-Identifier: GPL-2.0-or-later
"""Look at which kernels are installed."""

from collections.abc import Iterator

from kdumpd.model.formats.kernel import is_ordinary, release_in, release_key
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.boot_files import first_there

MODULES = ("usr/lib/modules", "lib/modules")
UNIFIED = ("boot/efi/EFI/Linux", "efi/EFI/Linux", "boot/EFI/Linux")
IMAGES = ("vmlinuz", "vmlinux", "Image", "image", "kernel")


def newest_release(files: Files) -> str:
    """Return the newest release whose image is in /boot, empty where none is found."""
    names = files.readable_names("boot")
    found = (release_in(name) for name in names if not name.startswith("init"))
    return max((one for one in found if is_ordinary(one)), key=release_key, default="")


def is_installed(files: Files, release: str) -> bool | None:
    """Return whether a kernel's image is on disk, None where kernels are kept in other ways.

    It is gone for sure only where images, or modules, of other releases are found in its place.
    """
    if not release:
        return None
    if first_there(files, _image_names(files, release)):
        return True
    if any(release in name for folder in UNIFIED for name in files.readable_names(folder)):
        return True
    if newest_release(files):
        return False
    modules = {name for folder in MODULES for name in files.readable_names(folder)}
    others = any(one[:1].isdigit() for one in modules)
    return False if others and release not in modules else None


def _image_names(files: Files, release: str) -> Iterator[str]:
    yield from (f"boot/{image}-{release}" for image in IMAGES)
    yield from (f"{folder}/{release}/{image}" for folder in MODULES for image in IMAGES[:3])
    machine = files.text("etc/machine-id")
    if isinstance(machine, str) and machine:
        for folder in ("boot", "boot/efi", "efi"):
            yield f"{folder}/{machine}/{release}/linux"
