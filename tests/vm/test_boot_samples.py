# SPDX-License-Identifier: GPL-2.0-or-later
"""The journals in tests/samples/boots stand for real boots where no virtual machine is."""

import lzma
import tarfile

import pytest

from tests.vm.boots import BOOTS, FIRST, LAST, SAMPLES
from tests.vm.journal_export import Entry, parse_export

ALLOWED = 600_000  # bytes: they are in the repository for good


def entries(name: str) -> list[Entry]:
    return list(parse_export(lzma.decompress((SAMPLES / f"{name}.export.xz").read_bytes())))


def test_each_boot_has_its_sample() -> None:
    assert {path.name.partition(".")[0] for path in SAMPLES.glob("*.export.xz")} == set(BOOTS)
    listed = [line.split()[1] for line in (SAMPLES / "list-boots").read_text().splitlines()]
    assert [entries(name)[0].fields["_BOOT_ID"] for name in BOOTS] == listed


def test_they_are_small() -> None:
    sizes = [path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()]
    assert sum(sizes) < ALLOWED


@pytest.mark.parametrize("name", BOOTS)
def test_a_boot_begins_with_its_kernel(name: str) -> None:
    found = entries(name)
    assert len(found) == FIRST + LAST
    assert found[0].fields["MESSAGE"].startswith("Linux version 6.1.0-")
    cmdline = found[1].fields["MESSAGE"]
    assert cmdline.startswith("Command line: BOOT_IMAGE=")
    assert ("elfcorehdr=" in cmdline) == (name == "crash-kernel")
    assert ("crashkernel=" in cmdline) == (name != "crash-kernel")


@pytest.mark.parametrize("name", BOOTS)
def test_only_the_journal_of_a_clean_end_says_that_it_stopped(name: str) -> None:
    messages = [entry.fields["MESSAGE"] for entry in entries(name)]
    assert (messages[-1] == "Journal stopped") == (name == "rebooted")
    assert not any("Kernel panic" in message for message in messages)


def test_what_the_journal_lacks_is_in_the_capture_or_in_the_records() -> None:
    panic = b"Kernel panic - not syncing: sysrq triggered crash"
    (captured,) = SAMPLES.glob("crash/*/dmesg.*")
    (recorded,) = SAMPLES.glob("pstore/*/dmesg.txt")
    assert panic in captured.read_bytes()
    assert panic in recorded.read_bytes()


def test_the_journal_itself_is_there() -> None:
    with tarfile.open(SAMPLES / "journal.tar.xz") as archive:
        files = [archive.extractfile(member) for member in archive if member.isfile()]
        heads = [file.read(8) for file in files if file]
    assert len(heads) > 1
    assert set(heads) == {b"LPKSHHRH"}
