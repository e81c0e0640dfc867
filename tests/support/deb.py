# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian package of this tree."""

import subprocess
from pathlib import Path

from tests.support.process import ServiceError

TREE = Path(__file__).parents[2]
CHANGE = """
dpkg-deb --raw-extract "$1" "$2/content"
sed --in-place "s/^Version: .*/Version: $3/" "$2/content/DEBIAN/control"
dpkg-deb --root-owner-group --build "$2/content" "$2/kdumpd_$3_all.deb"
"""


def build_package(directory: Path) -> Path:
    """Build the package into a directory, and return its file."""
    return _run(directory, str(TREE / "packaging/build"), str(directory))


def change_version(package: Path, directory: Path, version: str) -> Path:
    """Make the same package of another version in a directory, and return its file."""
    return _run(directory, "sh", "-e", "-c", CHANGE, "sh", str(package), str(directory), version)


def _run(directory: Path, *command: str) -> Path:
    done = subprocess.run(  # noqa: S603 - ours
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        check=False,
    )
    if done.returncode != 0:
        raise ServiceError(done.stdout.decode(errors="replace"))
    (package,) = directory.glob("*.deb")
    return package
