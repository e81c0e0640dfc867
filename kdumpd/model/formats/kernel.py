# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel releases: in file names, and which is newer."""

import re

# What a release is made of; it is a part of file names and of commands.
RELEASE = r"[0-9][A-Za-z0-9._+~-]{0,63}"
PIECE = r"([0-9]+)|([a-zA-Z]+)|(~)"
IMAGES = ("vmlinuz-", "vmlinux-", "Image-", "image-", "kernel-")
INITRDS = ("initrd.img-", "initramfs-", "initrd-")
ENDINGS = (".img", "-kdump", "kdump")
# Names that kernel packages and people give to what is not the newest kernel.
OTHERS = ("rescue", ".old", ".bak", ".dpkg", ".rpm", ".signed", ".new")
MOST_DIGITS = 18

Piece = tuple[int, int, str]


def release_in(name: str) -> str:
    """Return the kernel release that the name of an image or initrd ends in, empty if none."""
    for prefix in (*IMAGES, *INITRDS):
        if name.startswith(prefix):
            release = name.removeprefix(prefix)
            if prefix in INITRDS:
                for ending in ENDINGS:
                    release = release.removesuffix(ending)
            return plain_release(release)
    return ""


def plain_release(text: str) -> str:
    """Return the text if it can be a release, empty if not."""
    return text if re.fullmatch(RELEASE, text) else ""


def is_ordinary(release: str) -> bool:
    """Return whether a boot loader would start this release by itself."""
    return bool(plain_release(release)) and not any(other in release for other in OTHERS)


def release_key(release: str) -> tuple[Piece, ...]:
    """Return what sorts releases from old to new, as GRUB's and rpm's sorting does for kernels.

    Numbers are compared as numbers and are newer than letters, more is newer than less, and `~`
    comes before the end (rpmvercmp(); `sort -V`, which grub-mkconfig uses, agrees for these).
    """
    found = [_piece(match) for match in re.finditer(PIECE, release)]
    return (*found, (0, 0, ""))


def _piece(match: re.Match[str]) -> Piece:
    number, letters, _ = match.groups()
    if number:
        return (2, int(number[:MOST_DIGITS]), "")
    return (1, 0, letters) if letters else (-1, 0, "")
