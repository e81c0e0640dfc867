# SPDX-License-Identifier: GPL-2.0-or-later
import pytest

from kdumpd.model.formats.kernel import is_ordinary, release_in, release_key

# From old to new, as the distributions name them.
ORDERED = [
    ["6.1.0-9-amd64", "6.1.0-10-amd64", "6.12.1+deb13-amd64"],
    ["5.15.0-9-generic", "5.15.0-91-generic", "6.8.0-31-generic"],
    ["6.6.0~rc1-amd64", "6.6.0-amd64"],
    ["6.11.3-200.fc40.x86_64", "6.11.10-200.fc40.x86_64", "6.11.10-200.fc41.x86_64"],
    ["5.14.0-427.el9.x86_64", "5.14.0-427.13.1.el9_4.x86_64"],
    ["6.4.0-150600.21-default", "6.4.0-150600.23.7-default"],
]


@pytest.mark.parametrize("releases", ORDERED)
def test_order(releases: list[str]) -> None:
    assert sorted(releases, key=release_key, reverse=True) == releases[::-1]


@pytest.mark.parametrize(
    ("name", "release"),
    [
        ("vmlinuz-6.1.0-56-amd64", "6.1.0-56-amd64"),
        ("initrd.img-6.1.0-56-amd64", "6.1.0-56-amd64"),
        ("initramfs-6.11.3-200.fc40.x86_64kdump.img", "6.11.3-200.fc40.x86_64"),
        ("initrd-6.4.0-150600.23-default-kdump", "6.4.0-150600.23-default"),
        ("Image-6.4.0-default", "6.4.0-default"),
        ("vmlinuz-linux", ""),
        ("vmlinuz", ""),
        ("vmlinuz-0-rescue-0123456789abcdef", "0-rescue-0123456789abcdef"),
        ("config-6.1.0-56-amd64", ""),
        ("vmlinuz-6.1.0;reboot", ""),
    ],
)
def test_release_in_a_name(name: str, release: str) -> None:
    assert release_in(name) == release


@pytest.mark.parametrize(
    "release", ["0-rescue-0123", "6.1.0-56-amd64.old", "6.1.0-56-amd64.dpkg-bak", "", "linux"]
)
def test_what_no_boot_loader_starts_by_itself(release: str) -> None:
    assert not is_ordinary(release)
