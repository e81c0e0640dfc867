# SPDX-License-Identifier: GPL-2.0-or-later
"""What kdumpd-inspect finds on this machine to read cores with."""

import shutil
from contextlib import suppress

from kdumpd.observe.inspector import ENVIRONMENT

PROGRAMS = ("lz4", "makedumpfile", "zstd")


def read_toolbox() -> str:
    """Return the names of the tools that are installed, with what tells one drgn from another."""
    # It brings the standard library's mail and zip: no part of a start without cores to read.
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    found = [name for name in PROGRAMS if shutil.which(name, path=ENVIRONMENT["PATH"])]
    with suppress(PackageNotFoundError):
        found.append(f"drgn {version('drgn')}")
    return ", ".join(found)
