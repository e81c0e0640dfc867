# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that a shell reads for their assignments, such as /etc/default/kdump-tools."""


def parse_assignment(script: bytes, name: bytes) -> bytes:
    """Return the last plain value that a shell script of assignments gives the variable."""
    value = b""
    for line in script.split(b"\n"):
        key, equals, rest = line.strip().removeprefix(b"export ").partition(b"=")
        if equals and key == name:
            value = rest.partition(b" #")[0].strip().strip(b"\"'")
    return value
