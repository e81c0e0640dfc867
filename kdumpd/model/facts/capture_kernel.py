# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel and initrd that are to capture, and the tool that loads them, on disk."""

from dataclasses import dataclass

from kdumpd.model.readiness.finding import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class BootFile:
    """A kernel image or an initrd, where the tool looks for it."""

    path: str
    size: int | None  # bytes; None where there is no such file
    release: str = ""  # of the kernel, as the image or its name says; empty where neither does
    memory: int | None = None  # bytes that it takes unpacked, where that is known
    modified: int = 0  # when it was last written, in seconds since 1970


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureKernelFacts:
    """The kernel and initrd that are to capture, and the tool that loads them, on disk."""

    problem: str = ""  # why nothing of it could be read
    tool: Fact[str] = None  # the tool's name, empty where none that is known is installed
    off: Fact[str] = None  # the setting by which the tool loads nothing, empty where it loads
    unit: str = ""  # the unit by which the tool loads at boot
    unit_state: Fact[str] = None  # by the links on disk: enabled, disabled or masked
    saving_unit: str = ""  # the unit that saves the dump, in the crash kernel's boot of this disk
    saving_unit_state: Fact[str] = None  # as unit_state
    kernel: Fact[BootFile] = None
    initrd: Fact[BootFile] = None
    cmdline: str = ""  # what the settings give the crash kernel in place of the running one's
    changed: Fact[tuple[str, ...]] = None  # files that the initrd was made from, changed since
    makes_initrd: bool = False  # whether the tool makes a missing initrd before it loads
    reload: str = ""  # the command that makes what is missing or stale, and loads it
