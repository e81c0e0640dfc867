# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpd.model.formats.boot_loader import (
    BootEntry,
    chosen_entry,
    entry_by_name,
    parse_grub_menu,
    parse_grubenv,
)

# What matters of what grub-mkconfig of GRUB 2.06 writes.
CONFIG = """
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="${saved_entry}"
fi
function savedefault {
  if [ -z "${boot_once}" ]; then
    save_env saved_entry
  fi
}
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-1' {
\tload_video
\tif [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
\techo\t'Loading Linux 6.1.0-57-amd64 ...'
\tlinux\t/boot/vmlinuz-6.1.0-57-amd64 root=UUID=1 ro  quiet crashkernel=256M $vt_handoff
\tinitrd\t/boot/initrd.img-6.1.0-57-amd64
}
submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-1' {
\tmenuentry 'Debian GNU/Linux, with Linux 6.1.0-57-amd64' --class debian --id 'advanced-57' {
\t\tlinux\t/boot/vmlinuz-6.1.0-57-amd64 root=UUID=1 ro crashkernel=257M
\t}
\tmenuentry 'Debian GNU/Linux, with Linux 6.1.0-56-amd64' $menuentry_id_option 'advanced-56' {
\t\tlinux\t/boot/vmlinuz-6.1.0-56-amd64 root=UUID=1 ro crashkernel=128M
\t}
}
menuentry 'UEFI Firmware Settings' --id 'uefi-firmware' {
\tfwsetup
}
"""
MENU = parse_grub_menu(CONFIG)


@pytest.mark.parametrize(
    ("environment", "size"),
    [
        ({}, "256M"),
        ({"saved_entry": "0"}, "256M"),
        ({"saved_entry": "gnulinux-simple-1"}, "256M"),
        ({"saved_entry": "gnulinux-advanced-1>advanced-56"}, "128M"),
        ({"saved_entry": "1>0"}, "257M"),
        ({"saved_entry": "1"}, "257M"),
        ({"saved_entry": "Debian GNU/Linux"}, "256M"),
        ({"saved_entry": "removed since"}, "256M"),
        ({"saved_entry": "0", "next_entry": "1>advanced-56"}, "128M"),
    ],
)
def test_which_entry_starts(environment: dict[str, str], size: str) -> None:
    entry = chosen_entry(MENU, environment)
    assert entry is not None
    assert (entry.options or "").split()[-1] == f"crashkernel={size}"


def test_the_kernel_of_an_entry() -> None:
    entry = chosen_entry(MENU, {})
    assert entry is not None
    assert entry.release == "6.1.0-57-amd64"


SECOND = "menuentry 'second' {\nlinux /vmlinuz-2 crashkernel=512M\n}"
FUNCTION = """
function boot {
  linux /vmlinuz-1 crashkernel=1M
  set default="of a function"
  menuentry 'of a function' {
    linux /vmlinuz-1 crashkernel=2M
  }
}
"""


@pytest.mark.parametrize(
    ("inside", "size"),
    [
        (FUNCTION, "256M"),
        ("function boot\n{\nlinux /vmlinuz-1 crashkernel=1M\n}", "256M"),
        (FUNCTION.replace("boot {", "boot {\nfunction deeper {\ntrue\n}"), "256M"),
        ("if true; then\nset default=9\nelif true; then\ntrue\nelse\ntrue\nfi", "256M"),
        ("while false; do\ntrue\ndone", "256M"),
        ("until true; do\ntrue\ndone", "256M"),
        ("for one in a b; do\nset default=$one\ndone", "256M"),
        (f"submenu 'within' {{\nset default=9\n{SECOND}\n}}", "512M"),
        ("hiddenentry 'secret' {\nlinux /vmlinuz-1 crashkernel=1M\n}", "256M"),
        ("#menuentry 'no more' {\n#linux /vmlinuz-1 crashkernel=1M\n#}", "256M"),
        ("# the last of these {", "256M"),
        ("function boot { true; }", "256M"),
        (f"if true; then\n{SECOND}\nfi", "512M"),
        (f"if true; then\ntrue\nelif true; then\n{SECOND}\nelse\ntrue\nfi", "512M"),
        (f"while true; do\n{SECOND}\ndone", "512M"),
        (f"for one in a b; do\n{SECOND}\ndone", "512M"),
    ],
)
@pytest.mark.parametrize("name", ["more>0", "1>0", "more"])
def test_what_stands_in_a_submenu_before_its_first_entry(inside: str, size: str, name: str) -> None:
    text = f"""
menuentry 'usual' {{
linux /vmlinuz-1 crashkernel=128M
}}
submenu 'more' {{
{inside}
menuentry 'first' {{
linux /vmlinuz-2 crashkernel=256M
}}
}}
menuentry 'last' {{
linux /vmlinuz-3 crashkernel=384M
}}
"""
    menu = parse_grub_menu(text)
    assert [item.title for item in menu.items] == ["usual", "more", "last"]
    assert menu.default == "0"
    entry = chosen_entry(menu, {"next_entry": name})
    assert entry is not None
    assert entry.options == f"crashkernel={size}"


def test_what_starts_no_kernel_is_not_known() -> None:
    assert chosen_entry(MENU, {"saved_entry": "uefi-firmware"}) is None
    assert chosen_entry(parse_grub_menu(""), {}) is None


def test_a_number_for_the_default() -> None:
    entry = chosen_entry(parse_grub_menu(CONFIG.replace('"${saved_entry}"', '"1>1"')), {})
    assert entry is not None
    assert entry.release == "6.1.0-56-amd64"


def test_quotes_are_no_part_of_the_command_line() -> None:
    text = "menuentry a {\n linux /vmlinuz 'crashkernel=256M' \"b=c d\" \\$x\n}\n"
    entry = chosen_entry(parse_grub_menu(text), {"x": "no"})
    assert entry is not None
    assert (entry.options or "").startswith("crashkernel=256M b=c d ")


def test_a_quoted_path_of_a_kernel() -> None:
    entry = chosen_entry(parse_grub_menu('menuentry a {\n linux "/b@/vmlinuz-6.1.0" ro\n}'), {})
    assert entry is not None
    assert entry.release == "6.1.0"


def test_a_command_line_is_no_longer_than_one_can_be() -> None:
    menu = parse_grub_menu("menuentry a {\n linux /vmlinuz " + "$a" * 100_000 + "\n}")
    entry = chosen_entry(menu, {"a": "x" * 100_000})
    assert entry is not None
    assert len(entry.options or "") == 8192


def test_files_of_entries() -> None:
    menu = parse_grub_menu('set default="${saved_entry}"\nset kernelopts="ro"\nblscfg\n')
    assert menu.reads_entries
    assert menu.settings == {"kernelopts": "ro"}
    entries = [BootEntry("m-2"), BootEntry("m-1")]
    assert entry_by_name(entries, "m-1") == entries[1]
    assert entry_by_name(entries, "1") == entries[1]
    assert entry_by_name(entries, "gone") == entries[0]
    assert entry_by_name([], "m-1") is None


def test_environment() -> None:
    text = "# GRUB Environment Block\nsaved_entry=m-1\nkernelopts=root=/dev/a ro a\\\\b\n######"
    assert parse_grubenv(text) == {"saved_entry": "m-1", "kernelopts": "root=/dev/a ro a\\b"}


@given(text=st.text(), name=st.text())
def test_any_menu(text: str, name: str) -> None:
    chosen_entry(parse_grub_menu(text), {"saved_entry": name})
    chosen_entry(parse_grub_menu(CONFIG + text), {"next_entry": name})
    parse_grubenv(text)


def test_blocks_without_end() -> None:
    assert parse_grub_menu("submenu a {\n" * 10_000 + "}\n" * 10_000).items
