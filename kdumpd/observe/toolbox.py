# SPDX-License-Identifier: GPL-2.0-or-later
"""What kdumpd-inspect finds on this machine to read cores with."""

import re
import shutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from kdumpd.observe.cores.inspector import ENVIRONMENT

PROGRAMS = ("lz4", "makedumpfile", "zstd")
# Where a project is installed, a folder of such a name tells its version (packaging.python.org:
# Recording installed projects); an egg's may end with that of a Python. importlib.metadata reads
# them too, but brings the standard library's mail and zip: 1.2 MiB that the daemon then keeps.
DRGN = r"drgn-([^-]+)(-.+)?\.(dist|egg)-info"


def read_toolbox() -> str:
    """Return the names of the tools that are installed, with what tells one drgn from another."""
    found = [name for name in PROGRAMS if shutil.which(name, path=ENVIRONMENT["PATH"])]
    version = read_drgn_version(sys.path)
    return ", ".join([*found, f"drgn {version}"] if version else found)


def read_drgn_version(folders: Iterable[str]) -> str:
    """Return the version of drgn in the first of these folders that has one, empty for none."""
    for folder in folders:
        with suppress(OSError):  # what is no folder, or is none any more
            for path in sorted(Path(folder).iterdir()):
                if match := re.fullmatch(DRGN, path.name):
                    return match[1]
    return ""
