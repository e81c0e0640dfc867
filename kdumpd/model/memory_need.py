# SPDX-License-Identifier: GPL-2.0-or-later
"""How much memory a crash kernel needs at the least."""

from kdumpd.model.facts.capture_kernel import BootFile, CaptureKernelFacts
from kdumpd.model.text import MIB

# "the bare minimum to get Linux to function", found by trial on x86 (kdump-config of kdump-tools
# 1.10.7, crashkernel_estimate); kdumpctl estimate of kdump-utils takes 64 MiB for the same.
BASE = 32 * MIB
# Debian 12's initrd of gzip takes 3.6 times its size unpacked; twice is less than most take.
UNPACKED = 2


def estimated_bytes(*, kernel: int, initrd: int, unpacked: int) -> int:
    """Return the bytes that must be there at once: kernel, initrd as it is and unpacked, and base.

    This is the least that Debian's kdump-config recommends (crashkernel_estimate of kdump-tools
    1.10.7), with the kernel's own word on its size in place of a guess. The initrd is freed only
    after it was unpacked (init/initramfs.c).
    """
    return kernel + initrd + unpacked + BASE


def memory_need(facts: CaptureKernelFacts) -> int | None:
    """Return the bytes that the kernel and initrd on disk need, None where one is not known."""
    image, initrd = facts.kernel, facts.initrd
    if not isinstance(image, BootFile) or not isinstance(initrd, BootFile):
        return None
    if not image.size or not initrd.size:
        return None
    return estimated_bytes(
        kernel=image.memory or image.size,
        initrd=initrd.size,
        unpacked=initrd.memory or UNPACKED * initrd.size,
    )
