# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures as the capture tools of a Debian leave them in a container's crash directory."""

from pathlib import Path

from tests.container.container import Container

LOG = Path(__file__).parents[1] / "samples/logs/null.txt"
SCRIPT = """
rm -rf '{directory}/{stamp}'
mkdir -p '{directory}/{stamp}'
install -m 0600 /host/{stamp}.dmesg '{directory}/{stamp}/dmesg.{stamp}'
install -m 0400 /host/{stamp}.core '{directory}/{stamp}/dump-incomplete'
mv '{directory}/{stamp}/dump-incomplete' '{directory}/{stamp}/dump.{stamp}{ending}'
"""


def write_capture(
    container: Container,
    stamp: str,
    core: bytes,
    *,
    directory: str = "/var/crash",
    ending: str = "",
) -> str:
    """Write a capture as kdump-tools does, and return its directory."""
    (container.host / f"{stamp}.core").write_bytes(core)
    (container.host / f"{stamp}.dmesg").write_bytes(LOG.read_bytes())
    container.run(SCRIPT.format(directory=directory, stamp=stamp, ending=ending))
    return f"{directory}/{stamp}"
