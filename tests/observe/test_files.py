# SPDX-License-Identifier: GPL-2.0-or-later
import os
from pathlib import Path

import pytest

from kdumpd.model.readiness.finding import Unknown
from kdumpd.observe.files import MAX_SYMLINKS, Files


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


@pytest.mark.parametrize(
    ("name", "leads_to"),
    [
        ("boot/vmlinuz", "boot/vmlinuz"),
        ("/boot//./vmlinuz", "boot/vmlinuz"),
        ("", ""),
        ("../../boot/vmlinuz", "boot/vmlinuz"),
        ("relative", "boot/vmlinuz"),
        ("absolute/file", "boot/file"),
        ("boot/up/boot/vmlinuz", "boot/vmlinuz"),
        ("boot/far-up", "boot/vmlinuz"),
        ("chain/vmlinuz", "boot/vmlinuz"),
        ("slashes/vmlinuz", "boot/vmlinuz"),
        ("dangling/../boot", "nothing/boot"),
    ],
)
def test_a_name_leads_where_it_would_if_the_root_were_slash(
    tmp_path: Path, name: str, leads_to: str
) -> None:
    links = {
        "relative": "boot/vmlinuz",
        "absolute": "/boot",
        "boot/up": "..",
        "boot/far-up": "../../../../boot/vmlinuz",
        "chain": "absolute/up/./absolute",
        "slashes": "//boot//",
        "dangling": "/nothing/there",
    }
    (tmp_path / "boot").mkdir()
    for link, target in links.items():
        (tmp_path / link).symlink_to(target)
    assert Files(tmp_path).resolve(name) == tmp_path / leads_to


def test_no_number_of_links_leads_out_of_the_root(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    root.mkdir()
    (outside / "directory").mkdir(parents=True)
    (outside / "file").write_text("secret")
    for number in range(MAX_SYMLINKS + 1):
        (root / f"{number}").symlink_to(f"{number - 1}" if number else outside)
    files = Files(root)
    for name in map(str, range(MAX_SYMLINKS + 1)):
        assert not isinstance(files.content(f"{name}/file"), bytes)
        assert not isinstance(files.names(name), tuple)
        assert not isinstance(files.status(f"{name}/directory"), os.stat_result)


def test_the_names_of_what_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    for name in ("file", "directory/b", "directory/a"):
        (tmp_path / name).touch()
    files = Files(tmp_path)
    assert files.readable_names("directory") == ("a", "b")
    assert files.readable_names("file") == ()
    assert files.readable_names("nothing") == ()
    (tmp_path / "loop").symlink_to("loop")
    assert isinstance(files.names("loop"), Unknown)
    assert files.readable_names("loop") == ()


def test_links_that_lead_to_each_other_end(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("/one")
    assert not isinstance(Files(tmp_path).content("one"), bytes)
    assert Files(tmp_path).resolve("one").is_relative_to(tmp_path)
