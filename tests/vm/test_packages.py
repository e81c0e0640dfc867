# SPDX-License-Identifier: GPL-2.0-or-later
"""What is fetched depends on Debian alone, and not on this machine."""

from pathlib import Path

import pytest

from tests.support.debian_packages import choose_packages, run

pytestmark = pytest.mark.vm

NAMED = ("kexec-tools", "libxen")
PRINT = ("apt-get", "install", "-qq", "--print-uris", "--no-install-recommends")
NOTHING_INSTALLED = ("-o", "Dir::State::status=/dev/null")


def fill(archives: Path, config: Path) -> None:
    """Put a package, and all that it needs, where apt keeps what it has fetched.

    apt takes a file for what its name says if it has the right size.
    """
    (archives / "partial").mkdir(parents=True)
    config.write_text(f'Dir::Cache::archives "{archives}/";\n')
    printed = run(*PRINT, *NOTHING_INSTALLED, "kexec-tools", APT_CONFIG=str(config))
    for line in printed.splitlines():
        _, name, size, *_ = line.split()
        with (archives / name).open("xb") as package:
            package.truncate(int(size))


def test_what_this_machine_has_fetched_is_chosen_nonetheless(tmp_path: Path) -> None:
    wanted = choose_packages("kexec-tools", named=NAMED)
    assert {"kexec-tools", "libxenstore4"} <= {name for name, _ in wanted}
    config = tmp_path / "apt.conf"
    fill(tmp_path / "archives", config)
    left = run(*PRINT, *NOTHING_INSTALLED, "kexec-tools", APT_CONFIG=str(config))
    assert left == ""
    assert choose_packages("kexec-tools", named=NAMED, APT_CONFIG=str(config)) == wanted
