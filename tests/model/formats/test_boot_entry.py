# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpd.model.formats.boot_loader import (
    BootEntry,
    chosen_by_pattern,
    in_boot_order,
    parse_boot_entry,
)

FEDORA = """title Fedora Linux (6.11.3-300.fc41.x86_64) 41 (Server Edition)
version 6.11.3-300.fc41.x86_64
linux /vmlinuz-6.11.3-300.fc41.x86_64
initrd /initramfs-6.11.3-300.fc41.x86_64.img
options root=UUID=1 ro crashkernel=2G-64G:256M,64G-:512M $tuned_params
grub_users $grub_users
"""
OLD, NEW = (BootEntry(f"m-6.1{n}.0", f"/vmlinuz-6.1{n}.0", "ro") for n in (1, 2))


def test_fedora() -> None:
    entry = parse_boot_entry("m-6.11.3-300.fc41.x86_64", FEDORA, {"tuned_params": "x=1"})
    assert entry.options == "root=UUID=1 ro crashkernel=2G-64G:256M,64G-:512M x=1"
    assert entry.release == "6.11.3-300.fc41.x86_64"


def test_options_on_several_lines() -> None:
    entry = parse_boot_entry("e", "options a\noptions b\nlinux /m/6.1.0/linux\nversion 6.1.0", {})
    assert entry == BootEntry("e", "/m/6.1.0/linux", "a b", "6.1.0")
    assert entry.release == "6.1.0"


def test_an_entry_that_does_not_say_its_command_line() -> None:
    assert parse_boot_entry("e", "efi /EFI/tool.efi", {}).options is None


@pytest.mark.parametrize(
    ("pattern", "entry"),
    [
        ("", NEW),
        ("m-6.11.0", OLD),
        ("m-6.11.0.conf", OLD),
        ("M-6.11*", OLD),
        ("m-*.conf", NEW),
        ("*11*", OLD),
        ("m-6.1*1.0.0", NEW),
        ("@saved", NEW),
        ("gone", NEW),
    ],
)
def test_which_systemd_boot_starts(pattern: str, entry: BootEntry) -> None:
    assert in_boot_order([OLD, NEW]) == [NEW, OLD]
    assert chosen_by_pattern([OLD, NEW], pattern) == entry


@given(text=st.text(), pattern=st.text(alphabet="ab*", max_size=20), name=st.text(alphabet="ab"))
def test_any_entry(text: str, pattern: str, name: str) -> None:
    entry = parse_boot_entry(name, text, {})
    assert chosen_by_pattern([entry], pattern) == entry
