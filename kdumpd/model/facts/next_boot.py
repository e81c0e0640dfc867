# SPDX-License-Identifier: GPL-2.0-or-later
"""What the next boot would be: the boot loader's command line, and the kernels installed."""

from dataclasses import dataclass

from kdumpd.model.readiness.finding import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class NextBootFacts:
    """What the next boot would be: the boot loader's command line, and the kernels installed."""

    problem: str = ""  # why nothing of it could be read
    source: str = ""  # the boot loader's file that says it
    crashkernel: Fact[str] = None  # crashkernel= in the entry that starts next, empty for none
    template: str = ""  # the file from which the boot loader's file is made anew
    wanted: Fact[str] = None  # crashkernel= in the template
    release: str = ""  # of the kernel that starts next, empty where not known
    initrd: Fact[bool] = None  # whether that kernel has its capture initrd
    makes_initrd: bool = False  # whether the tool makes it at boot
    running_installed: Fact[bool] = None  # whether the running kernel's files are still there
