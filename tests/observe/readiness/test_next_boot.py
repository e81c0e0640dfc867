# SPDX-License-Identifier: GPL-2.0-or-later
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kdumpd.model.readiness.facts import NextBootFacts
from kdumpd.model.readiness.finding import Unknown
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.next_boot import read_next_boot
from tests.observe.readiness.loading import NEXT, boots, make_debian, make_fedora, make_suse, put
from tests.observe.readiness.test_crash_kernel import FAULTS
from tests.support.machine import RELEASE, Machine

VENDOR = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
ENTRY = "version {release}\nlinux /{release}/linux\noptions ro {crashkernel}\n"


def read(machine: Machine) -> NextBootFacts:
    return read_next_boot(Files(machine.root))


def on(machine: Machine, name: str) -> str:
    return str(machine.root / name)


def make_systemd_boot(machine: Machine) -> None:
    """Make it a machine that systemd-boot started."""
    machine.write("proc/cmdline", "initrd=\\initrd ro crashkernel=256M\n")
    variable(machine, "LoaderInfo", "systemd-boot 254.5-1")
    put(machine, "boot/efi/loader/loader.conf", "timeout 3\ndefault m-*\n")
    for release in (RELEASE, NEXT):
        text = ENTRY.format(release=release, crashkernel="crashkernel=256M")
        put(machine, f"boot/efi/loader/entries/m-{release}.conf", text)


def variable(machine: Machine, name: str, value: str) -> None:
    """Set a variable of the boot loader."""
    content = bytes(4) + f"{value}\0".encode("utf-16-le")
    put(machine, f"sys/firmware/efi/efivars/{name}-{VENDOR}", content)


def make_zipl(machine: Machine) -> None:
    """Make it a machine that zipl started."""
    machine.write("proc/cmdline", "root=/dev/dasda1 crashkernel=256M BOOT_IMAGE=0\n")
    put(
        machine,
        "etc/zipl.conf",
        "[defaultboot]\ndefault=debian\n[debian]\nimage=/boot/vmlinuz\n"
        'parameters="root=/dev/dasda1 crashkernel=256M"\n',
    )


LOADERS = [make_debian, make_fedora, make_systemd_boot, make_zipl]


def test_debian(machine: Machine) -> None:
    make_debian(machine)
    assert read(machine) == NextBootFacts(
        source=on(machine, "boot/grub/grub.cfg"),
        crashkernel="256M",
        template=on(machine, "etc/default/grub"),
        wanted="256M",
        release=RELEASE,
        initrd=True,
        makes_initrd=True,
        running_installed=True,
    )


def test_fedora(machine: Machine) -> None:
    make_fedora(machine)
    assert read(machine) == NextBootFacts(
        source=on(machine, f"boot/loader/entries/m-{RELEASE}.conf"),
        crashkernel="256M",
        template=on(machine, "etc/default/grub"),
        wanted=None,
        release=RELEASE,
        initrd=True,
        makes_initrd=True,
        running_installed=True,
    )


def test_systemd_boot(machine: Machine) -> None:
    make_systemd_boot(machine)
    facts = read(machine)
    assert facts.source == on(machine, f"boot/efi/loader/entries/m-{NEXT}.conf")
    assert (facts.crashkernel, facts.release, facts.wanted) == ("256M", NEXT, None)
    variable(machine, "LoaderEntryDefault", f"m-{RELEASE}.conf")
    assert read(machine).release == RELEASE
    variable(machine, "LoaderEntryOneShot", f"m-{NEXT}.conf")
    assert read(machine).release == NEXT


def test_a_command_line_inside_of_a_kernel_is_not_known(machine: Machine) -> None:
    make_systemd_boot(machine)
    put(machine, "boot/efi/EFI/Linux/m-6.2.0.efi")
    assert read(machine).crashkernel is None


def test_zipl(machine: Machine) -> None:
    make_zipl(machine)
    facts = read(machine)
    assert (facts.source, facts.crashkernel) == (on(machine, "etc/zipl.conf"), "256M")


@pytest.mark.parametrize(("second", "told"), [("256M", "256M"), ("512M", None)])
def test_zipl_with_files_of_entries(machine: Machine, second: str, told: str | None) -> None:
    make_zipl(machine)
    put(machine, "etc/zipl.conf", "[defaultboot]\ndefaultauto\ntarget=/boot\n")
    for release, size in ((RELEASE, "256M"), (NEXT, second)):
        text = ENTRY.format(release=release, crashkernel=f"crashkernel={size}")
        put(machine, f"boot/loader/entries/m-{release}.conf", text)
    assert read(machine).crashkernel == told


@pytest.mark.parametrize("cmdline", ["ro crashkernel=256M\n", "BOOT_IMAGE=0 ro\n", ""])
def test_a_kernel_that_no_known_boot_loader_started(machine: Machine, cmdline: str) -> None:
    make_debian(machine)
    machine.write("proc/cmdline", cmdline)
    facts = read(machine)
    assert (facts.crashkernel, facts.wanted) == (None, None)


def test_petitboot_reads_what_is_for_grub(machine: Machine) -> None:
    make_debian(machine)
    machine.write("proc/cmdline", "ro crashkernel=256M\n")
    machine.write("proc/device-tree/compatible", "ibm,powernv\0ibm,p9-openbmc\0")
    assert read(machine).crashkernel == "256M"


def test_an_entry_without_a_reservation(machine: Machine) -> None:
    make_debian(machine)
    boots(machine, RELEASE, crashkernel="")
    facts = read(machine)
    assert (facts.crashkernel, facts.wanted) == ("", "256M")


@pytest.mark.parametrize(
    ("script", "wanted"),
    [
        ('GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n', ""),
        ('GRUB_CMDLINE_LINUX="crashkernel=1G"\n', "1G"),
        (
            'GRUB_CMDLINE_LINUX="crashkernel=1G"\nGRUB_CMDLINE_LINUX_DEFAULT="crashkernel=2G"\n',
            "2G",
        ),
        ("GRUB_CMDLINE_LINUX=$(cat /etc/kernel/cmdline)\n", None),
        ("", ""),
    ],
)
def test_settings_of_grub(machine: Machine, script: str, wanted: str | None) -> None:
    make_debian(machine)
    (machine.root / "etc/default/grub.d/kdump-tools.cfg").unlink()
    put(machine, "etc/default/grub", script)
    assert read(machine).wanted == wanted


def test_a_later_file_has_the_last_word(machine: Machine) -> None:
    make_debian(machine)
    put(machine, "etc/default/grub.d/zz.cfg", 'GRUB_CMDLINE_LINUX_DEFAULT="crashkernel=1G"\n')
    put(machine, "etc/default/grub.d/zz.cfg.dpkg-old", 'GRUB_CMDLINE_LINUX="crashkernel=2G"\n')
    assert read(machine).wanted == "1G"


def test_the_next_kernel(machine: Machine) -> None:
    make_debian(machine)
    boots(machine, NEXT)
    put(machine, f"boot/vmlinuz-{NEXT}")
    facts = read(machine)
    assert (facts.release, facts.initrd) == (NEXT, False)
    put(machine, f"var/lib/kdump/initrd.img-{NEXT}")
    assert read(machine).initrd is True


def test_the_newest_kernel_where_no_boot_loader_is_known(machine: Machine) -> None:
    make_fedora(machine)
    machine.write("proc/cmdline", "ro\n")
    put(machine, f"boot/vmlinuz-{NEXT}")
    put(machine, "boot/vmlinuz-9.9.9.old")
    put(machine, "boot/vmlinuz-0-rescue-0123456789abcdef")
    facts = read(machine)
    assert (facts.release, facts.initrd, facts.makes_initrd) == (NEXT, False, True)


def test_suse_keeps_one_initrd_for_all(machine: Machine) -> None:
    make_suse(machine)
    put(machine, f"boot/vmlinuz-{NEXT}")
    facts = read(machine)
    assert (facts.release, facts.initrd) == (NEXT, None)


@pytest.mark.parametrize(
    ("names", "installed"),
    [
        ((f"boot/vmlinuz-{RELEASE}",), True),
        ((f"usr/lib/modules/{RELEASE}/vmlinuz",), True),
        ((f"efi/EFI/Linux/m-{RELEASE}.efi",), True),
        ((f"boot/vmlinuz-{NEXT}",), False),
        ((f"boot/vmlinuz-{NEXT}", f"lib/modules/{RELEASE}/modules.dep"), False),
        (("boot/vmlinuz-linux", f"usr/lib/modules/{NEXT}/modules.dep"), False),
        (("boot/vmlinuz-linux", f"usr/lib/modules/{RELEASE}/modules.dep"), None),
        (("boot/vmlinuz-linux",), None),
        ((), None),
    ],
)
def test_is_the_running_kernel_installed(
    machine: Machine, names: tuple[str, ...], installed: object
) -> None:
    for name in names:
        put(machine, name)
    assert read(machine).running_installed is installed


def test_only_proc(machine: Machine) -> None:
    facts = read(machine)
    assert facts == NextBootFacts(template=on(machine, "etc/default/grub"))


@pytest.mark.parametrize("damage", FAULTS)
@pytest.mark.parametrize("make", LOADERS)
def test_garbage(
    tmp_path: Path, make: Callable[[Machine], None], damage: Callable[[Path], None]
) -> None:
    whole = Machine(tmp_path / "whole")
    make(whole)
    names = [
        path.relative_to(whole.root) for path in sorted(whole.root.rglob("*")) if path.is_file()
    ]
    for number, name in enumerate(names):
        machine = Machine(tmp_path / str(number))
        make(machine)
        damage(machine.root / name)
        facts = read(machine)
        for fact in (facts.crashkernel, facts.wanted, facts.initrd):
            assert not isinstance(fact, Unknown) or fact.problem.startswith("'")


def test_a_configuration_that_cannot_be_read_is_told(machine: Machine) -> None:
    make_debian(machine)
    config = machine.root / "boot/grub/grub.cfg"
    with config.open("r+b") as file:
        file.truncate(1 << 30)
    assert read(machine).crashkernel == Unknown(f"'{config}' holds more than 1048576 bytes")
    config.unlink()
    os.mkfifo(config)
    assert read(machine).crashkernel == Unknown(f"'{config}' is no regular file")


@pytest.mark.parametrize("make", LOADERS)
def test_what_cannot_be_printed_is_escaped(
    machine: Machine, make: Callable[[Machine], None]
) -> None:
    make(machine)
    for path in machine.root.rglob("*"):
        if path.is_file() and not path.is_symlink() and "efivars" not in str(path):
            path.write_bytes(path.read_bytes().replace(b"256M", b"\xff\x1b\t1"))
    facts = read(machine)
    assert str(facts.crashkernel).isprintable()
    assert "x1b" in str(facts.crashkernel)
