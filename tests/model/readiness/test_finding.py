# SPDX-License-Identifier: GPL-2.0-or-later
"""Who cannot be told a fact is told what makes it known, by what stands in the way."""

import pytest

from kdumpd.model.readiness.finding import remedy_for_unreadable


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        ("'/proc/iomem' cannot be read: Permission denied", "as root"),
        ("'/var/crash' cannot be opened: Permission denied", "as root"),
        ("'/var/crash' does not say how much room it has: Permission denied", "as root"),
        ("'/etc/kdump.conf' cannot be read: Input/output error", "journalctl -k -p err"),
        ("'/sys/kernel/kexec_crash_size' cannot be read: Input/output error", "cat '/sys/"),
        ("'/sys/kernel/kexec_crash_size' holds no number but '?'", "report a bug"),
        ("'/mnt/proc/iomem' is no memory map", "report a bug"),
        ("'/proc/sys/kernel/osrelease' does not exist", "findmnt /proc /sys"),
        ("'/etc/default/kdump-tools' holds more than 65536 bytes", "fix '/etc/default/kdump-"),
        ("'/etc/default/kdump-tools' is no regular file", "ls -l '/etc/default/kdump-tools'"),
        ("'/var/crash' does not say how much room it has: Input/output error", "df '/var/crash'"),
        ("the machine did not answer", "journalctl -u kdumpd"),
    ],
)
def test_what_mends_it(problem: str, words: str) -> None:
    assert words in remedy_for_unreadable(problem)
