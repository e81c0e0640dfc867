# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel releases and images, and the distribution that they are from."""

import re
import struct
from enum import StrEnum, auto
from typing import NamedTuple

# What a release is made of; it is a part of file names and of commands.
RELEASE_PATTERN = r"[0-9][A-Za-z0-9._+~-]{0,63}"
RELEASE_PIECE_PATTERN = r"([0-9]+)|([a-zA-Z]+)|(~)"
KERNEL_IMAGE_PREFIXES = ("vmlinuz-", "vmlinux-", "Image-", "image-", "kernel-")
INITRD_PREFIXES = ("initrd.img-", "initramfs-", "initrd-")
INITRD_SUFFIXES = (".img", "-kdump", "kdump")
# Names that kernel packages and people give to what is not the newest kernel.
NOT_NEWEST_KERNEL_WORDS = ("rescue", ".old", ".bak", ".dpkg", ".rpm", ".signed", ".new")
MAX_RELEASE_NUMBER_DIGITS = 18

Piece = tuple[int, int, str]


def release_in(name: str) -> str:
    """Return the kernel release that the name of an image or initrd ends in, empty if none."""
    for prefix in (*KERNEL_IMAGE_PREFIXES, *INITRD_PREFIXES):
        if name.startswith(prefix):
            release = name.removeprefix(prefix)
            if prefix in INITRD_PREFIXES:
                for ending in INITRD_SUFFIXES:
                    release = release.removesuffix(ending)
            return plain_release(release)
    return ""


def plain_release(text: str) -> str:
    """Return the text if it can be a release, empty if not."""
    return text if re.fullmatch(RELEASE_PATTERN, text) else ""


def is_ordinary(release: str) -> bool:
    """Return whether a boot loader would start this release by itself."""
    return bool(plain_release(release)) and not any(
        other in release for other in NOT_NEWEST_KERNEL_WORDS
    )


def release_key(release: str) -> tuple[Piece, ...]:
    """Return what sorts releases from old to new, as GRUB's and rpm's sorting does for kernels.

    Numbers are compared as numbers and are newer than letters, more is newer than less, and `~`
    comes before the end (rpmvercmp(); `sort -V`, which grub-mkconfig uses, agrees for these).
    """
    found = [_piece(match) for match in re.finditer(RELEASE_PIECE_PATTERN, release)]
    return (*found, (0, 0, ""))


def _piece(match: re.Match[str]) -> Piece:
    number, letters, _ = match.groups()
    if number:
        return (2, int(number[:MAX_RELEASE_NUMBER_DIGITS]), "")
    return (1, 0, letters) if letters else (-1, 0, "")


# The setup header of x86 (Documentation/arch/x86/boot.rst): magic, version of the protocol, offset
# of the version text less 0x200, and from protocol 2.10 the memory that the kernel needs to start.
X86_MAGIC, X86_MAGIC_AT = b"HdrS", 0x202
X86_PROTOCOL_AT, X86_VERSION_TEXT_AT, X86_MEMORY_AT = 0x206, 0x20E, 0x260
X86_VERSION_TEXT_BASE, X86_FIRST_PROTOCOL_WITH_MEMORY = 0x200, 0x20A
# The header of arm64 (Documentation/arch/arm64/booting.rst): the size with everything it needs.
ARM64_MAGIC, ARM64_MAGIC_AT, ARM64_MEMORY_AT = b"ARM\x64", 56, 16
MAX_RELEASE_BYTES = 64  # __NEW_UTS_LEN (include/uapi/linux/utsname.h)
KERNEL_IMAGE_HEAD_BYTES = 1 << 16  # the setup code of x86 has at most 64 sectors of 512 bytes


class KernelImage(NamedTuple):
    """What a kernel image says of itself."""

    release: bytes = b""  # empty where it does not say
    memory: int | None = None  # bytes that it takes unpacked and with its zeroed part


def parse_kernel_image(head: bytes) -> KernelImage:
    """Return what the head of an image says; nothing of a format that says nothing."""
    if head[X86_MAGIC_AT : X86_MAGIC_AT + len(X86_MAGIC)] == X86_MAGIC:
        return _parse_x86(head)
    if head[ARM64_MAGIC_AT : ARM64_MAGIC_AT + len(ARM64_MAGIC)] == ARM64_MAGIC:
        (memory,) = struct.unpack_from("<Q", head, ARM64_MEMORY_AT)
        return KernelImage(memory=memory or None)
    return KernelImage()


def _parse_x86(head: bytes) -> KernelImage:
    if len(head) < X86_MEMORY_AT + 4:
        return KernelImage()
    (version,) = struct.unpack_from("<H", head, X86_PROTOCOL_AT)
    (text,) = struct.unpack_from("<H", head, X86_VERSION_TEXT_AT)
    (memory,) = struct.unpack_from("<I", head, X86_MEMORY_AT)
    start = text + X86_VERSION_TEXT_BASE
    words = head[start : start + MAX_RELEASE_BYTES + 1].split(b"\0")[0].split(b" ")
    release = words[0] if text and len(words[0]) <= MAX_RELEASE_BYTES else b""
    return KernelImage(
        release, memory if version >= X86_FIRST_PROTOCOL_WITH_MEMORY and memory else None
    )


OS_RELEASE_ID_LINE = rb"(ID|ID_LIKE)=([\"']?)([a-z0-9._ -]{0,200})\2[ \t]*"


class Distribution(StrEnum):
    """A family of distributions."""

    DEBIAN = auto()
    FEDORA = auto()
    SUSE = auto()
    OTHER = auto()


DISTRIBUTION_OF_ID = {
    b"debian": Distribution.DEBIAN,
    b"ubuntu": Distribution.DEBIAN,
    b"fedora": Distribution.FEDORA,
    b"rhel": Distribution.FEDORA,
    b"centos": Distribution.FEDORA,
    b"suse": Distribution.SUSE,
    b"opensuse": Distribution.SUSE,
    b"sles": Distribution.SUSE,
}

# What to type so that the next boot has another crashkernel=, {value} being a size.
# Debian's kdump-tools ships that file; grubby(8), which runs zipl as well; kdump(7) of SUSE.
CRASHKERNEL_REMEDIES = {
    Distribution.DEBIAN: "set crashkernel={value} in /etc/default/grub.d/kdump-tools.cfg,"
    " then run update-grub && reboot",
    Distribution.FEDORA: "grubby --update-kernel=ALL --args=crashkernel={value} && reboot",
    Distribution.SUSE: "run yast2 kdump, set crashkernel={value} or the size that kdumptool"
    " calibrate prints, then reboot",
    Distribution.OTHER: "add crashkernel={value} to the kernel command line in the boot loader,"
    " then reboot",
}


def parse_os_release(content: bytes) -> Distribution:
    """Return the family that ID names, else the first one that ID_LIKE names."""
    values: dict[bytes, bytes] = {}
    for line in content.splitlines():
        if match := re.fullmatch(OS_RELEASE_ID_LINE, line):
            values[match[1]] = match[3]
    names = values.get(b"ID", b"").split() + values.get(b"ID_LIKE", b"").split()
    return next(
        (DISTRIBUTION_OF_ID[name] for name in names if name in DISTRIBUTION_OF_ID),
        Distribution.OTHER,
    )


def way_to_reserve(distribution: Distribution, value: str) -> str:
    """Return what to type for another crashkernel=."""
    return CRASHKERNEL_REMEDIES[distribution].format(value=value)
