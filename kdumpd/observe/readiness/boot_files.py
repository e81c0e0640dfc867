# SPDX-License-Identifier: GPL-2.0-or-later
"""Look at kernel images and initrds: which there are, how large, and of which kernel."""

import os
import stat
from collections.abc import Iterable, Iterator

from kdumpd.model.formats.kernel import (
    KERNEL_IMAGE_HEAD_BYTES,
    KernelImage,
    is_ordinary,
    parse_kernel_image,
    plain_release,
    release_in,
    release_key,
)
from kdumpd.model.readiness.facts import BootFile
from kdumpd.model.readiness.finding import Fact, Unknown
from kdumpd.model.text import printable
from kdumpd.observe.files import Files


def is_there(files: Files, name: str) -> bool:
    """Return whether a name leads to a regular file."""
    status = files.status(name)
    return isinstance(status, os.stat_result) and stat.S_ISREG(status.st_mode)


def first_there(files: Files, names: Iterable[str]) -> str:
    """Return the first name that leads to a regular file, empty if none does."""
    return next((name for name in names if is_there(files, name)), "")


def read_kernel_image(files: Files, name: str) -> Fact[BootFile]:
    """Return what is known of a kernel image; of one that may not be read, its name and size."""
    size = _size(files, name)
    if isinstance(size, Unknown):
        return size
    head = files.head(name, KERNEL_IMAGE_HEAD_BYTES)
    image = parse_kernel_image(head) if isinstance(head, bytes) else KernelImage()
    return BootFile(
        path=files.shown(name),
        size=size,
        release=plain_release(printable(image.release)) or _release(files, name),
        memory=image.memory,
    )


def read_initrd(files: Files, name: str, memory: int | None = None) -> Fact[BootFile]:
    """Return what is known of an initrd; `memory` is what it takes unpacked, in bytes."""
    size = _size(files, name)
    if isinstance(size, Unknown):
        return size
    return BootFile(
        path=files.shown(name),
        size=size,
        release=_release(files, name),
        memory=memory,
        modified=_modified(files, name) or 0,
    )


def changed_since(files: Files, name: str, made_of: Iterable[str]) -> tuple[str, ...] | None:
    """Return which of the files are newer than the first, in whole seconds; None without it."""
    made = _modified(files, name)
    if made is None:
        return None
    return tuple(files.shown(one) for one in made_of if (_modified(files, one) or 0) > made)


def _size(files: Files, name: str) -> int | Unknown | None:
    status = files.status(name)
    if status is None or isinstance(status, Unknown):
        return status
    return status.st_size if stat.S_ISREG(status.st_mode) else files.unknown(name, "is no file")


def _modified(files: Files, name: str) -> int | None:
    status = files.status(name)
    return int(status.st_mtime) if isinstance(status, os.stat_result) else None


def _release(files: Files, name: str) -> str:
    return release_in(printable(os.fsencode(files.resolve(name).name)))


MODULE_DIRECTORIES = ("usr/lib/modules", "lib/modules")
UNIFIED_KERNEL_DIRECTORIES = ("boot/efi/EFI/Linux", "efi/EFI/Linux", "boot/EFI/Linux")
KERNEL_IMAGE_NAMES = ("vmlinuz", "vmlinux", "Image", "image", "kernel")


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
    if any(
        release in name
        for directory in UNIFIED_KERNEL_DIRECTORIES
        for name in files.readable_names(directory)
    ):
        return True
    if newest_release(files):
        return False
    modules = {name for directory in MODULE_DIRECTORIES for name in files.readable_names(directory)}
    others = any(one[:1].isdigit() for one in modules)
    return False if others and release not in modules else None


def _image_names(files: Files, release: str) -> Iterator[str]:
    yield from (f"boot/{image}-{release}" for image in KERNEL_IMAGE_NAMES)
    yield from (
        f"{directory}/{release}/{image}"
        for directory in MODULE_DIRECTORIES
        for image in KERNEL_IMAGE_NAMES[:3]
    )
    machine = files.text("etc/machine-id")
    if isinstance(machine, str) and machine:
        for directory in ("boot", "boot/efi", "efi"):
            yield f"{directory}/{machine}/{release}/linux"
