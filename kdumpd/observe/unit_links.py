# SPDX-License-Identifier: GPL-2.0-or-later
"""Look at which units start at boot, by the links that systemctl makes."""

import os
import stat

from kdumpd.model.readiness.finding import Fact, Unknown
from kdumpd.observe.files import Files

# The unit load path of systemd.unit(5), with /lib for where it is a folder of its own.
OURS = "etc/systemd/system"
FOLDERS = (
    OURS,
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
)
PULLING = (".wants", ".requires")
NOWHERE = "/dev/null"


def read_unit_state(files: Files, unit: str) -> Fact[str]:
    """Return whether a unit is "enabled", "disabled" or "masked"; None where there is none."""
    if not any(_exists(files, f"{folder}/{unit}") for folder in FOLDERS):
        return None
    if _is_masked(files, unit):
        return "masked"
    for folder in FOLDERS:
        names = files.names(folder)
        if isinstance(names, Unknown):
            return names
        for name in names or ():
            if name.endswith(PULLING) and _exists(files, f"{folder}/{name}/{unit}"):
                return "enabled"
    return "disabled" if isinstance(files.status(OURS), os.stat_result) else None


def _is_masked(files: Files, unit: str) -> bool:
    """Return whether the first file of that name is empty, or leads to where nothing is.

    systemd.unit(5): such a unit is masked.
    """
    name = next(one for folder in FOLDERS if _exists(files, one := f"{folder}/{unit}"))
    target = files.link(name)
    if isinstance(target, str) and target.endswith(NOWHERE):  # also ../../../dev/null
        return True
    status = files.status(name)
    return isinstance(status, os.stat_result) and _is_empty(status)


def _is_empty(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_size == 0


def _exists(files: Files, name: str) -> bool:
    """Return whether there is a file or a link, wherever it leads."""
    return files.link(name) is not None or files.status(name) is not None
