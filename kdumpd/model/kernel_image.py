# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kernel image says of itself in its first bytes."""

import struct
from dataclasses import dataclass

# The setup header of x86 (Documentation/arch/x86/boot.rst): magic, version of the protocol, offset
# of the version text less 0x200, and from protocol 2.10 the memory that the kernel needs to start.
X86_MAGIC, X86_MAGIC_AT = b"HdrS", 0x202
X86_VERSION_AT, X86_TEXT_AT, X86_MEMORY_AT = 0x206, 0x20E, 0x260
X86_TEXT_BASE, X86_WITH_MEMORY = 0x200, 0x20A
# The header of arm64 (Documentation/arch/arm64/booting.rst): the size with everything it needs.
ARM64_MAGIC, ARM64_MAGIC_AT, ARM64_MEMORY_AT = b"ARM\x64", 56, 16
LONGEST_RELEASE = 64  # __NEW_UTS_LEN (include/uapi/linux/utsname.h)
HEAD = 1 << 16  # bytes: the setup code of x86 has at most 64 sectors of 512 bytes


@dataclass(frozen=True, slots=True)
class KernelImage:
    """What a kernel image says of itself."""

    release: bytes = b""  # empty where it does not say
    memory: int | None = None  # bytes that it takes unpacked and with its zeroed part


def parse_kernel_image(head: bytes) -> KernelImage:
    """Return what the first `HEAD` bytes of an image say; nothing of a format that says nothing."""
    if head[X86_MAGIC_AT : X86_MAGIC_AT + len(X86_MAGIC)] == X86_MAGIC:
        return _parse_x86(head)
    if head[ARM64_MAGIC_AT : ARM64_MAGIC_AT + len(ARM64_MAGIC)] == ARM64_MAGIC:
        (memory,) = struct.unpack_from("<Q", head, ARM64_MEMORY_AT)
        return KernelImage(memory=memory or None)
    return KernelImage()


def _parse_x86(head: bytes) -> KernelImage:
    if len(head) < X86_MEMORY_AT + 4:
        return KernelImage()
    (version,) = struct.unpack_from("<H", head, X86_VERSION_AT)
    (text,) = struct.unpack_from("<H", head, X86_TEXT_AT)
    (memory,) = struct.unpack_from("<I", head, X86_MEMORY_AT)
    start = text + X86_TEXT_BASE
    words = head[start : start + LONGEST_RELEASE + 1].split(b"\0")[0].split(b" ")
    release = words[0] if text and len(words[0]) <= LONGEST_RELEASE else b""
    return KernelImage(release, memory if version >= X86_WITH_MEMORY and memory else None)
