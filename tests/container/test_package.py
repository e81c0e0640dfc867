# SPDX-License-Identifier: GPL-2.0-or-later
"""The package as a file."""

from hashlib import sha256
from pathlib import Path

import pytest

from tests.support.deb import build_package, rebuild_package
from tests.support.process import output, program

pytestmark = pytest.mark.container


def test_is_the_same_twice_in_a_row(package: Path, tmp_path: Path) -> None:
    """But for .buildinfo, which says when and where it was built, and the sum of that."""
    now, again = (_sums(one.parent) for one in (package, build_package(tmp_path)))
    assert len(now) == 3
    assert now == again


def test_is_the_same_wherever_it_is_built(package: Path, tmp_path: Path) -> None:
    """Out of the source package, with its date: in another directory, for another user."""
    assert rebuild_package(package.parent, tmp_path).read_bytes() == package.read_bytes()


async def test_no_file_has_a_name_that_is_a_link_since_usr_was_merged(package: Path) -> None:
    """dpkg does not know that /lib/x and /usr/lib/x are one file (DEP 17)."""
    listed = await output("dpkg-deb", "--contents", str(package))
    tops = {line.split()[5].split("/")[1] for line in listed.decode().splitlines()}
    assert tops == {"", "etc", "usr"}


def _sums(directory: Path) -> dict[str, str]:
    files = (path for kind in ("deb", "dsc", "tar.xz") for path in directory.glob(f"*.{kind}"))
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in files}


async def test_has_no_fault_that_lintian_knows(package: Path) -> None:
    (changes,) = package.parent.glob("*.changes")
    lintian = program("lintian", "lintian")
    faults = "--fail-on=error,warning,info,pedantic"
    options = ("--allow-root", "--display-info", "--pedantic", faults)
    await output(lintian, *options, str(changes), seconds=120)
