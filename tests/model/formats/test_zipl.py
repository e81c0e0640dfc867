# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpd.model.formats.boot_loader import BootEntry, parse_zipl

SECTIONS = """
[debian]
target = /boot
image = /boot/vmlinuz-6.1.0-56-s390x
parameters = "root=/dev/dasda1 crashkernel=256M"
[old]
image = /boot/vmlinuz-6.1.0-55-s390x
parameters = root=/dev/dasda1
"""
DEBIAN = BootEntry("debian", "/boot/vmlinuz-6.1.0-56-s390x", "root=/dev/dasda1 crashkernel=256M")
OLD = BootEntry("old", "/boot/vmlinuz-6.1.0-55-s390x", "root=/dev/dasda1")


@pytest.mark.parametrize(
    ("head", "entry"),
    [
        ("[defaultboot]\ndefault = debian\n", DEBIAN),
        ("[defaultboot]\ndefault=old\n", OLD),
        ("[defaultboot]\ndefaultmenu = m\n:m\n1 = debian\n2 = old\ndefault = 2\n", OLD),
        ("[defaultboot]\ndefaultauto\nprompt=1\n", None),
        ("", None),
    ],
)
def test_which_starts(head: str, entry: BootEntry | None) -> None:
    assert parse_zipl(head + SECTIONS) == entry


def test_parameters_in_another_file_are_not_known() -> None:
    text = "[defaultboot]\ndefault=a\n[a]\nimage=/boot/image\nparmfile=/boot/parmfile\n"
    assert parse_zipl(text) is None


@given(text=st.text())
def test_any_file(text: str) -> None:
    parse_zipl(text)
    parse_zipl("[defaultboot]\ndefault=a\n[a]\n" + text)
