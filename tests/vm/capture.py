# SPDX-License-Identifier: GPL-2.0-or-later
"""What the capture kernel writes, as shell text; each follows the commands of a real capture tool.

Several may stand in one scenario, one after another: each reads the same /proc/vmcore.
"""

ZLIB = "-c -d 31"
LZO = "-l -d 31"
ELF = "-E -d 31"


def debian(options: str = ZLIB, folder: str = "/host/crash") -> str:
    """Return what Debian's kdump-tools 1.8 does: the log first, then a flattened dump."""
    return f"""
stamp=$(date +%Y%m%d%H%M)
mkdir -p {folder}/$stamp
makedumpfile --dump-dmesg /proc/vmcore {folder}/$stamp/dmesg.$stamp
sync
makedumpfile -F {options} /proc/vmcore > {folder}/$stamp/dump-incomplete
mv {folder}/$stamp/dump-incomplete {folder}/$stamp/dump.$stamp
sync
"""


def debian_fallback(folder: str = "/host/crash") -> str:
    """Return what kdump-tools does when makedumpfile failed: all of memory, as ELF."""
    return f"""
stamp=$(date +%Y%m%d%H%M)
mkdir -p {folder}/$stamp
cp /proc/vmcore {folder}/$stamp/vmcore-incomplete
mv {folder}/$stamp/vmcore-incomplete {folder}/$stamp/vmcore.$stamp
sync
"""


def kdump_utils(options: str = ZLIB, folder: str = "/host/crash") -> str:
    """Return what kdump-utils (Fedora, RHEL) does for a local disk."""
    return f"""
captured={folder}/127.0.0.1-$(date +%Y-%m-%d-%T)
mkdir -p $captured
makedumpfile --dump-dmesg /proc/vmcore $captured/vmcore-dmesg-incomplete.txt
chmod 600 $captured/vmcore-dmesg-incomplete.txt
sync
mv $captured/vmcore-dmesg-incomplete.txt $captured/vmcore-dmesg.txt
makedumpfile {options} /proc/vmcore $captured/vmcore-incomplete
mv $captured/vmcore-incomplete $captured/vmcore
sync
"""
