# SPDX-License-Identifier: GPL-2.0-or-later
import os
from pathlib import Path

from kdumpd.model.finding import Unknown
from kdumpd.observe.files import Files


def test_what_somebody_opened_is_read_from_there_again_and_again(tmp_path: Path) -> None:
    (tmp_path / "seen").write_text("zeroes\n")
    opened = tmp_path / "opened"
    opened.write_text("addresses\n")
    fd = os.open(opened, os.O_RDONLY)
    try:
        files = Files(tmp_path, opened={"seen": fd})
        assert [files.content("seen") for _ in range(2)] == [b"addresses\n"] * 2
        assert files.head("seen", 4) == b"addr"
        assert isinstance(files.content("seen", 4), Unknown)
        assert files.content("other") is None
    finally:
        os.close(fd)


def test_a_descriptor_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_PATH)
    try:
        said = Files(tmp_path, opened={"proc/iomem": fd}).content("proc/iomem")
        assert isinstance(said, Unknown)
        assert "Bad file descriptor" in said.problem
    finally:
        os.close(fd)
