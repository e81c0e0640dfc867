# SPDX-License-Identifier: GPL-2.0-or-later
"""Mount namespaces: where a service may have the paths of the system's own to itself."""

import asyncio
import os
import subprocess
from collections.abc import Sequence

import pytest

from tests.support.process import ServiceError, output

ROOT = os.geteuid() == 0

# Put before a command: its mounts are its own. Who is not root is given a user namespace, in which
# journald has to be root, while a broker has to stay who it is, or it refuses its own user.
UNSHARE = ("unshare", "--mount", "--propagation", "private")
MOUNTS_AS_ROOT = (*UNSHARE, *(() if ROOT else ("--user", "--map-root-user")), "--")
MOUNTS_AS_SELF = (
    *UNSHARE,
    *(() if ROOT else ("--user", "--map-current-user", "--keep-caps")),
    "--",
)

USER = "" if ROOT else "--user --preserve-credentials"

# Put before a command, with the pid of a process in the namespace as its first word: it runs in
# there. nsenter alone would change to the directory / (or stay in one outside, with getcwd
# failing).
ENTER = (
    "sh",
    "-c",
    f'exec nsenter --target "$0" --mount --root {USER} --wdns="$PWD" -- "$@"',
)


def can_mount() -> bool:
    """Try it: root in a container may lack the capability, others the user namespaces."""
    attempt = [*MOUNTS_AS_ROOT, "mount", "-t", "tmpfs", "tmpfs", "/run"]
    done = subprocess.run(attempt, check=False, capture_output=True, timeout=10)  # noqa: S603 -- ours
    return done.returncode == 0


needs_root = pytest.mark.skipif(
    not can_mount(),
    reason="cannot mount: needs root (with CAP_SYS_ADMIN) or unprivileged user namespaces",
)


async def unmount(prefix: Sequence[str], path: str, seconds: float = 30) -> None:
    """Unmount it, behind that prefix; who looks into it keeps it busy for a moment.

    ServiceError where it cannot be, TimeoutError where it stays busy.
    """
    async with asyncio.timeout(seconds):
        while True:
            try:
                await output(*prefix, "umount", path)
            except ServiceError as error:
                if "busy" not in str(error):
                    raise
                await asyncio.sleep(0.1)
            else:
                return
