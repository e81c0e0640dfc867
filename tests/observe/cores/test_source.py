# SPDX-License-Identifier: GPL-2.0-or-later
import os
from pathlib import Path

import pytest

from kdumpd.observe.cores.source import CoreError, FileSource


def test_reads_exactly(tmp_path: Path) -> None:
    with (tmp_path / "core").open("w+b") as file:
        file.write(b"0123456789")
        file.flush()
        source = FileSource(file.fileno())
        assert source.size == 10
        assert source.read(0, 10) == b"0123456789"
        assert source.read(4, 2) == b"45"
        assert source.read(10, 0) == b""


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 11), (10, 1), (11, 0), (-1, 1), (0, -1), (1 << 64, 1), (0, 1 << 64)]
)
def test_refuses_what_is_not_there(tmp_path: Path, offset: int, length: int) -> None:
    with (tmp_path / "core").open("w+b") as file:
        file.write(b"0123456789")
        file.flush()
        with pytest.raises(CoreError):
            FileSource(file.fileno()).read(offset, length)


def test_a_file_that_shrinks(tmp_path: Path) -> None:
    with (tmp_path / "core").open("w+b") as file:
        file.write(b"0123456789")
        file.flush()
        source = FileSource(file.fileno())
        file.truncate(5)
        with pytest.raises(CoreError, match="shorter"):
            source.read(0, 10)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(CoreError, match="cannot be read: Is a directory"):
            FileSource(fd).read(0, 1)
    finally:
        os.close(fd)
