# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian package of this tree."""

import subprocess
from pathlib import Path

from tests.support.process import ServiceError

TREE = Path(__file__).parents[2]
# Those that were built on Debian 12 had their units below /lib until 0.1.0.
CHANGE = """
dpkg-deb --raw-extract "$1" "$2/content"
sed --in-place "s/^Version: .*/Version: $3/" "$2/content/DEBIAN/control"
units=lib/systemd/system
mkdir --parents "$2/content/$units"
mv "$2/content/usr/$units"/*.path "$2/content/usr/$units"/*.service "$2/content/$units"
sed --in-place -E "s, usr/($units/[^/]+)$, \\1," "$2/content/DEBIAN/md5sums"
dpkg-deb --root-owner-group --build "$2/content" "$2/kdumpd_$3_all.deb"
"""
# Another user builds it on another machine, in another time zone, with another order of the files
# in each directory: a tmpfs lists them as they were made, the last one first.
REBUILD = """
mount -t tmpfs -o mode=0777 tmpfs /mnt
cp "$1"/*.dsc "$1"/*.tar.xz /mnt
chmod 0644 /mnt/*
hostname elsewhere
cd /mnt
setpriv --reuid=65534 --regid=65534 --clear-groups env -i \
    PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/nonexistent USER=nobody SHELL=/bin/sh \
    TZ=Pacific/Kiritimati LC_ALL=C LANGUAGE=tr DEB_BUILD_OPTIONS=parallel=2 sh -e -c '
umask 0077
dpkg-source --extract *.dsc another-directory
cd another-directory
dpkg-buildpackage --no-sign --build=all
'
cp *.deb "$2"
"""


def build_package(directory: Path) -> Path:
    """Build the package into a directory, and return its file."""
    return _run(directory, str(TREE / "packaging/build"), str(directory))


def rebuild_package(source: Path, directory: Path) -> Path:
    """Build the package out of the source package in `source`, as others do; needs root."""
    alone = ("unshare", "--mount", "--uts", "--propagation", "private", "--")
    return _run(directory, *alone, "sh", "-e", "-c", REBUILD, "sh", str(source), str(directory))


def older_package(package: Path, directory: Path, version: str) -> Path:
    """Make a package that could be an older one in a directory, and return its file."""
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
