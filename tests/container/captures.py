# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures as the capture tools of a Debian leave them in a container's crash folder."""

from pathlib import Path

from tests.container.container import Container

LOG = Path(__file__).parents[1] / "samples/logs/null.txt"
SCRIPT = """
rm -rf '{folder}/{stamp}'
mkdir -p '{folder}/{stamp}'
install -m 0600 /host/{stamp}.dmesg '{folder}/{stamp}/dmesg.{stamp}'
install -m 0400 /host/{stamp}.core '{folder}/{stamp}/dump-incomplete'
mv '{folder}/{stamp}/dump-incomplete' '{folder}/{stamp}/dump.{stamp}{ending}'
"""


def write_capture(
    container: Container,
    stamp: str,
    core: bytes,
    *,
    folder: str = "/var/crash",
    ending: str = "",
) -> str:
    """Write a capture as kdump-tools does, and return its folder."""
    (container.host / f"{stamp}.core").write_bytes(core)
    (container.host / f"{stamp}.dmesg").write_bytes(LOG.read_bytes())
    container.run(SCRIPT.format(folder=folder, stamp=stamp, ending=ending))
    return f"{folder}/{stamp}"
