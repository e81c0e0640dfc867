# SPDX-License-Identifier: GPL-2.0-or-later
"""The package as a file."""

from hashlib import sha256
from pathlib import Path

import pytest

from tests.support.deb import build_package
from tests.support.process import output, program

pytestmark = pytest.mark.container


def test_is_the_same_twice_in_a_row(package: Path, tmp_path: Path) -> None:
    """But for .buildinfo, which says when and where it was built, and the sum of that."""
    now, again = (_sums(one.parent) for one in (package, build_package(tmp_path)))
    assert len(now) == 3
    assert now == again


def _sums(directory: Path) -> dict[str, str]:
    files = (path for kind in ("deb", "dsc", "tar.xz") for path in directory.glob(f"*.{kind}"))
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in files}


async def test_has_no_fault_that_lintian_knows(package: Path) -> None:
    (changes,) = package.parent.glob("*.changes")
    lintian = program("lintian", "lintian")
    await output(lintian, "--allow-root", "--fail-on=error,warning", str(changes), seconds=120)
