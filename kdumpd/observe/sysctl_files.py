# SPDX-License-Identifier: GPL-2.0-or-later
"""Read what the next boot sets a sysctl to, by sysctl.d(5)."""

from kdumpd.model.readiness.finding import Fact, Unknown
from kdumpd.observe.files import Files

# A file hides its namesakes in the folders behind; all are read in the order of their names.
FOLDERS = ("etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d")
MAIN = "etc/sysctl.conf"  # read last, by sysctl(8) and by Debian's link 99-sysctl.conf


def read_sysctl_at_boot(files: Files, name: str) -> Fact[tuple[str, str]]:
    """Return the value that a boot sets, and the file that says so; None where none does."""
    found: Fact[tuple[str, str]] = None
    for path in [*files.drop_ins(FOLDERS), MAIN]:
        lines = files.lines(path)
        if isinstance(lines, Unknown):
            return lines
        for line in lines or ():
            key, equals, value = line.partition("=")
            if equals and key.strip().lstrip("-").replace("/", ".") == name:
                found = value.strip(), path
    return found
