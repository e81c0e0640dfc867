# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel and initrd that are to capture, and the tool that loads them, on disk."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureKernelFacts:
    """The kernel and initrd that are to capture, and the tool that loads them, on disk."""

    problem: str = ""  # why nothing of it could be read
