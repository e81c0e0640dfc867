# SPDX-License-Identifier: GPL-2.0-or-later
"""What the running kernel says about its crash kernel."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelFacts:
    """What the running kernel says about its crash kernel; sizes in bytes, None where unknown."""

    boot_id: str  # /proc/sys/kernel/random/boot_id
    release: str  # /proc/sys/kernel/osrelease
    supported: bool  # CONFIG_CRASH_DUMP and CONFIG_KEXEC: the sysfs files below exist
    crashkernel: str  # crashkernel= on the command line, as written
    crash_loaded: bool | None  # /sys/kernel/kexec_crash_loaded
    reserved: int | None  # /sys/kernel/kexec_crash_size
    present: bool = True  # whether there is a kernel to ask
    host: str = ""  # /proc/sys/kernel/hostname, empty where it is not told
    problems: tuple[str, ...] = ()  # files that could not be read or understood
