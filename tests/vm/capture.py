# SPDX-License-Identifier: GPL-2.0-or-later
"""What the crash kernel writes, as shell text; each follows the commands of a real capture tool.

Several may stand in one scenario, one after another: each reads the same /proc/vmcore.
"""

ZLIB = "-c -d 31"
LZO = "-l -d 31"
ELF = "-E -d 31"


def debian(options: str = ZLIB, directory: str = "/host/crash") -> str:
    """Return what Debian's kdump-tools 1.8 does: the log first, then a flattened dump."""
    return f"""
stamp=$(date +%Y%m%d%H%M)
mkdir -p {directory}/$stamp
makedumpfile --dump-dmesg /proc/vmcore {directory}/$stamp/dmesg.$stamp
sync
makedumpfile -F {options} /proc/vmcore > {directory}/$stamp/dump-incomplete
mv {directory}/$stamp/dump-incomplete {directory}/$stamp/dump.$stamp
sync
"""


def debian_fallback(directory: str = "/host/crash") -> str:
    """Return what kdump-tools does when makedumpfile failed: all of memory, as ELF."""
    return f"""
stamp=$(date +%Y%m%d%H%M)
mkdir -p {directory}/$stamp
cp /proc/vmcore {directory}/$stamp/vmcore-incomplete
mv {directory}/$stamp/vmcore-incomplete {directory}/$stamp/vmcore.$stamp
sync
"""


def kdump_utils(options: str = ZLIB, directory: str = "/host/crash") -> str:
    """Return what kdump-utils (Fedora, RHEL) does for a local disk."""
    return f"""
captured={directory}/127.0.0.1-$(date +%Y-%m-%d-%T)
mkdir -p $captured
makedumpfile --dump-dmesg /proc/vmcore $captured/vmcore-dmesg-incomplete.txt
chmod 600 $captured/vmcore-dmesg-incomplete.txt
sync
mv $captured/vmcore-dmesg-incomplete.txt $captured/vmcore-dmesg.txt
makedumpfile {options} /proc/vmcore $captured/vmcore-incomplete
mv $captured/vmcore-incomplete $captured/vmcore
sync
"""
