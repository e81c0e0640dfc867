# SPDX-License-Identifier: GPL-2.0-or-later
"""What the next boot sets a sysctl to: the last file in the order of the names (sysctl.d(5))."""

from pathlib import Path

import pytest

from kdumpd.model.readiness.finding import Unknown
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.system import read_sysctl_at_boot

NAME = "kernel.kexec_load_disabled"


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, None),
        ({"etc/sysctl.conf": "# kernel.kexec_load_disabled=1\n"}, None),
        ({"etc/sysctl.conf": "kernel.kexec_load_disabled = 1\n"}, ("1", "etc/sysctl.conf")),
        ({"etc/sysctl.d/a.conf": "-kernel/kexec_load_disabled=1\n"}, ("1", "etc/sysctl.d/a.conf")),
        ({"etc/sysctl.d/a.off": "kernel.kexec_load_disabled=1\n"}, None),
        (
            {
                "etc/sysctl.d/10-a.conf": "kernel.kexec_load_disabled=1\n",
                "usr/lib/sysctl.d/20-b.conf": "kernel.kexec_load_disabled=0\n",
            },
            ("0", "usr/lib/sysctl.d/20-b.conf"),
        ),
        (
            {
                "usr/lib/sysctl.d/a.conf": "kernel.kexec_load_disabled=1\n",
                "etc/sysctl.d/a.conf": "",
            },
            None,
        ),
    ],
)
def test_the_value_at_boot(
    tmp_path: Path, files: dict[str, str], told: tuple[str, str] | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert read_sysctl_at_boot(Files(tmp_path), NAME) == told


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "etc/sysctl.d/a.conf").mkdir(parents=True)
    told = read_sysctl_at_boot(Files(tmp_path), NAME)
    assert isinstance(told, Unknown)
    assert "etc/sysctl.d/a.conf' is no regular file" in told.problem
