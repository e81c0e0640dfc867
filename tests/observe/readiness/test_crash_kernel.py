# SPDX-License-Identifier: GPL-2.0-or-later
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kdumpd.model.readiness.facts import BootFile, CrashKernelFacts
from kdumpd.model.readiness.finding import Unknown
from kdumpd.model.text import MIB
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.crash_kernel import read_crash_kernel
from kdumpd.observe.readiness.shared_files import SharedFiles
from tests.observe.readiness.loading import (
    MADE,
    NEXT,
    link,
    make_debian,
    make_fedora,
    make_suse,
    put,
)
from tests.support.machine import RELEASE, Machine

Make = Callable[[Machine], None]
SYSTEMS: list[Make] = [make_debian, make_fedora, make_suse]


def read(machine: Machine) -> CrashKernelFacts:
    """Return the facts, with paths as below /."""
    return read_crash_kernel(SharedFiles(Files(machine.root)))


def on(machine: Machine, name: str) -> str:
    return str(machine.root / name)


def image(machine: Machine, name: str, size: int | None) -> BootFile:
    return BootFile(path=on(machine, name), size=size, release=RELEASE, memory=66682880)


def initrd(machine: Machine, name: str, size: int | None = 5000) -> BootFile:
    file = Files(machine.root).resolve(name)
    modified = int(file.stat().st_mtime) if file.exists() else 0
    return BootFile(path=on(machine, name), size=size, release=RELEASE, modified=modified)


def test_debian(machine: Machine) -> None:
    make_debian(machine)
    assert read(machine) == CrashKernelFacts(
        tool="kdump-tools",
        off="",
        unit="kdump-tools.service",
        unit_state="enabled",
        saving_unit="kdump-tools-dump.service",
        kernel=image(machine, "var/lib/kdump/vmlinuz", 0x4000),
        initrd=initrd(machine, "var/lib/kdump/initrd.img"),
        changed=(),
        makes_initrd=True,
        reload=f"/etc/kernel/postinst.d/kdump-tools {RELEASE} && kdump-config reload",
    )


def test_fedora(machine: Machine) -> None:
    make_fedora(machine)
    assert read(machine) == CrashKernelFacts(
        tool="kdump-utils",
        off="",
        unit="kdump.service",
        unit_state="enabled",
        kernel=image(machine, f"boot/vmlinuz-{RELEASE}", 0x4000),
        initrd=replace(initrd(machine, f"boot/initramfs-{RELEASE}kdump.img"), memory=5000),
        changed=(),
        makes_initrd=True,
        reload="kdumpctl rebuild && kdumpctl restart",
    )


def test_suse(machine: Machine) -> None:
    make_suse(machine)
    assert read(machine) == CrashKernelFacts(
        tool="kdump",
        off="",
        unit="kdump.service",
        unit_state="enabled",
        kernel=image(machine, "var/lib/kdump/kernel", 0x4000),
        initrd=replace(initrd(machine, "var/lib/kdump/initrd"), release=""),
        changed=(),
        makes_initrd=True,
        reload="mkdumprd -f && systemctl restart kdump.service",
    )


def test_a_machine_without_programs_or_tools(machine: Machine) -> None:
    assert read(machine) == CrashKernelFacts()
    put(machine, "usr/bin/true")
    assert read(machine) == CrashKernelFacts(tool="")


def test_steamos(machine: Machine) -> None:
    put(machine, "usr/lib/kdumpst/kdumpst-load.sh")
    put(machine, "usr/lib/systemd/system/kdumpst-init.service")
    (machine.root / "etc/systemd/system").mkdir(parents=True)
    facts = read(machine)
    assert (facts.tool, facts.unit, facts.unit_state) == (
        "kdumpst",
        "kdumpst-init.service",
        "disabled",
    )


@pytest.mark.parametrize(
    ("script", "off"),
    [
        ("USE_KDUMP=1", ""),
        ("USE_KDUMP=0", "USE_KDUMP=0"),
        ("", "USE_KDUMP="),
        ("USE_KDUMP=yes", "USE_KDUMP=yes"),
    ],
)
def test_debian_switched_off(machine: Machine, script: str, off: str) -> None:
    make_debian(machine)
    put(machine, "etc/default/kdump-tools", script)
    name = on(machine, "etc/default/kdump-tools")
    assert read(machine).off == (f"'{name}' says {off}" if off else "")


@pytest.mark.parametrize(
    ("make", "name"),
    [(make_debian, "etc/default/kdump-tools"), (make_fedora, "etc/kdump.conf")],
)
def test_no_configuration_is_switched_off(machine: Machine, make: Make, name: str) -> None:
    make(machine)
    (machine.root / name).unlink()
    assert read(machine).off == f"'{on(machine, name)}' does not exist"


@pytest.mark.parametrize("make", SYSTEMS)
def test_an_empty_unit_is_masked(machine: Machine, make: Make) -> None:
    """systemd.unit(5): as if it led to /dev/null; also one that hides the packaged one."""
    make(machine)
    put(machine, f"etc/systemd/system/{read(machine).unit}", "")
    assert read(machine).unit_state == "masked"


def test_a_tool_that_is_no_file(machine: Machine) -> None:
    make_debian(machine)
    (machine.root / "usr/sbin/kdump-config").unlink()
    (machine.root / "usr/sbin/kdump-config").mkdir()
    assert read(machine).tool == Unknown(f"'{on(machine, 'usr/sbin/kdump-config')}' is no file")


@pytest.mark.parametrize("make", SYSTEMS)
def test_units(machine: Machine, make: Make) -> None:
    make(machine)
    unit = read(machine).unit
    (pulled,) = (machine.root / "etc/systemd/system").glob(f"*/{unit}*")
    pulled.unlink()
    assert read(machine).unit_state == "disabled"
    link(machine, f"etc/systemd/system/{unit}", "/dev/null")
    assert read(machine).unit_state == "masked"
    (machine.root / "etc/systemd/system" / unit).unlink()
    (machine.root / "usr/lib/systemd/system" / unit).unlink()
    assert read(machine).unit_state is None


def test_debian_before_its_first_load(machine: Machine) -> None:
    make_debian(machine)
    for name in ("vmlinuz", "initrd.img"):
        (machine.root / "var/lib/kdump" / name).unlink()
    facts = read(machine)
    assert facts.kernel == image(machine, f"boot/vmlinuz-{RELEASE}", 0x4000)
    assert facts.initrd == initrd(machine, f"var/lib/kdump/initrd.img-{RELEASE}")


def test_debian_without_its_initrd(machine: Machine) -> None:
    make_debian(machine)
    (machine.root / f"var/lib/kdump/initrd.img-{RELEASE}").unlink()
    assert read(machine).initrd == initrd(machine, f"var/lib/kdump/initrd.img-{RELEASE}", None)
    (machine.root / "etc/kernel/postinst.d/kdump-tools").unlink()
    assert not read(machine).makes_initrd


def test_debian_whose_links_lead_to_another_kernel(machine: Machine) -> None:
    make_debian(machine)
    put(machine, f"boot/vmlinuz-{NEXT}")
    put(machine, f"var/lib/kdump/initrd.img-{NEXT}")
    link(machine, "var/lib/kdump/vmlinuz", f"/boot/vmlinuz-{NEXT}")
    link(machine, "var/lib/kdump/initrd.img", f"/var/lib/kdump/initrd.img-{NEXT}")
    facts = read(machine)
    assert isinstance(facts.kernel, BootFile)
    assert isinstance(facts.initrd, BootFile)
    assert (facts.kernel.release, facts.initrd.release) == (NEXT, NEXT)


def test_debian_with_a_kernel_of_its_own(machine: Machine) -> None:
    make_debian(machine)
    put(machine, "etc/default/kdump-tools", "USE_KDUMP=1\nKDUMP_KERNEL=/boot/kdump/linux\n")
    facts = read(machine)
    assert facts.kernel == BootFile(path=on(machine, "boot/kdump/linux"), size=None)
    assert facts.initrd is None


def test_debian_with_no_kernel_named(machine: Machine) -> None:
    make_debian(machine)
    put(machine, "etc/default/kdump-tools", "USE_KDUMP=1\n")
    put(machine, f"boot/initrd.img-{RELEASE}", bytes(7000), MADE)
    facts = read(machine)
    assert facts.kernel == image(machine, f"boot/vmlinuz-{RELEASE}", 0x4000)
    assert facts.initrd == initrd(machine, f"boot/initrd.img-{RELEASE}", 7000)


def test_debian_13_notes_what_the_initrd_takes(machine: Machine) -> None:
    make_debian(machine)
    put(machine, f"var/lib/kdump/size_initrd.img-{RELEASE}", "61\n")
    facts = read(machine)
    assert isinstance(facts.initrd, BootFile)
    assert facts.initrd.memory == 61 * MIB


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (make_debian, f"boot/vmlinuz-{RELEASE}"),
        (make_fedora, f"boot/vmlinuz-{RELEASE}"),
        (make_fedora, "etc/kdump.conf"),
        (make_fedora, "etc/fstab"),
        (make_suse, "etc/sysconfig/kdump"),
    ],
)
def test_an_initrd_older_than_what_it_was_made_from(
    machine: Machine, make: Make, name: str
) -> None:
    make(machine)
    os.utime(machine.root / name, (MADE + 1, MADE + 1))
    changed = read(machine).changed
    assert isinstance(changed, tuple)
    (one,) = changed
    found = Files(machine.root).resolve(str(Path(one).relative_to(machine.root)))
    assert found == machine.root / name


def test_what_debian_compares(machine: Machine) -> None:
    make_debian(machine)
    put(machine, "etc/kdump/sysctl.conf", "kernel.panic = 10\n")
    assert read(machine).changed == (on(machine, "etc/kdump/sysctl.conf"),)
    (machine.root / f"var/lib/kdump/latest_sysctls-{RELEASE}").unlink()
    assert read(machine).changed == ()


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (make_debian, "etc/default/kdump-tools"),
        (make_debian, "etc/fstab"),
        (make_fedora, "etc/sysconfig/kdump"),
        (make_suse, "etc/hosts"),
    ],
)
def test_what_is_not_in_the_initrd(machine: Machine, make: Make, name: str) -> None:
    make(machine)
    path = machine.root / name
    put(machine, name, path.read_bytes() if path.exists() else b"", MADE + 1)
    assert read(machine).changed == ()


def test_what_fedora_copies_into_the_initrd(machine: Machine) -> None:
    make_fedora(machine)
    put(machine, "usr/local/bin/after", time=MADE + 1)
    put(machine, "etc/kdump.conf", "kdump_post /usr/local/bin/after # why\n")
    assert read(machine).changed == (on(machine, "usr/local/bin/after"),)
    put(machine, "etc/kdump.conf", 'extra_bins\t"/bin/true /usr/local/bin/after"')
    assert read(machine).changed == (on(machine, "usr/local/bin/after"),)
    for blank in " \t":
        text = f"kdump_post /usr/local/bin/after\nforce_no_rebuild{blank}1\n"
        put(machine, "etc/kdump.conf", text)
        assert read(machine).changed == ()
        assert not read(machine).makes_initrd


def test_suse_that_dumps_to_another_machine(machine: Machine) -> None:
    make_suse(machine)
    put(machine, "etc/sysconfig/kdump", 'KDUMP_SAVEDIR="nfs://dumps/a"\n')
    put(machine, "etc/hosts", time=MADE + 1)
    assert read(machine).changed == (on(machine, "etc/hosts"),)


def test_older_suse(machine: Machine) -> None:
    make_suse(machine)
    (machine.root / "var/lib/kdump/initrd").unlink()
    put(machine, f"boot/initrd-{RELEASE}-kdump", bytes(5000), MADE)
    facts = read(machine)
    assert facts.initrd == initrd(machine, f"boot/initrd-{RELEASE}-kdump")
    assert facts.kernel == image(machine, f"boot/vmlinuz-{RELEASE}", 0x4000)


def test_fedora_without_its_kernel_or_initrd(machine: Machine) -> None:
    make_fedora(machine)
    (machine.root / f"boot/initramfs-{RELEASE}kdump.img").unlink()
    facts = read(machine)
    assert isinstance(facts.initrd, BootFile)
    assert facts.initrd.size is None
    (machine.root / f"boot/vmlinuz-{RELEASE}").rename(machine.root / f"boot/vmlinuz-{NEXT}")
    facts = read(machine)
    assert facts.kernel == BootFile(
        path=on(machine, f"boot/vmlinuz-{RELEASE}"), size=None, release=RELEASE
    )


def test_fedora_of_ostree_keeps_kernels_elsewhere(machine: Machine) -> None:
    make_fedora(machine)
    (machine.root / f"boot/vmlinuz-{RELEASE}").unlink()
    (machine.root / "boot/ostree").mkdir()
    assert read(machine).kernel is None


def test_a_debug_kernel_of_fedora(machine: Machine) -> None:
    make_fedora(machine)
    machine.write("proc/sys/kernel/osrelease", f"{RELEASE}+debug\n")
    put(machine, f"usr/lib/modules/{RELEASE}/modules.dep")
    assert read(machine).kernel == image(machine, f"boot/vmlinuz-{RELEASE}", 0x4000)


@pytest.mark.parametrize("make", SYSTEMS)
def test_firmware_keeps_the_memory(machine: Machine, make: Make) -> None:
    make(machine)
    machine.write("sys/kernel/fadump/enabled", "1\n")
    facts = read(machine)
    assert (facts.kernel, facts.initrd, facts.changed) == (None, None, None)
    assert facts.unit_state == "enabled"


def damage_empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_huge(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(1 << 30)


def damage_binary(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 16)


def damage_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def damage_missing(path: Path) -> None:
    path.unlink()


def damage_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def damage_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


FAULTS = [
    damage_empty,
    damage_huge,
    damage_binary,
    damage_directory,
    damage_missing,
    damage_fifo,
    damage_loop,
]


@pytest.mark.parametrize("damage", FAULTS)
@pytest.mark.parametrize("make", SYSTEMS)
def test_garbage(tmp_path: Path, make: Make, damage: Callable[[Path], None]) -> None:
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
        for fact in (facts.off, facts.kernel, facts.initrd, facts.unit_state):
            assert not isinstance(fact, Unknown) or fact.problem.startswith("'")


@pytest.mark.parametrize("value", ["'a\0b'", "'" + "a" * 5000 + "'", "'/../../x'", "/boot", "$X"])
def test_paths_that_are_none(machine: Machine, value: str) -> None:
    make_debian(machine)
    put(machine, "etc/default/kdump-tools", f"USE_KDUMP=1\nKDUMP_KERNEL={value}\n")
    read(machine)


@pytest.mark.parametrize("make", SYSTEMS)
def test_an_initrd_that_is_not_there_is_not_called_new(machine: Machine, make: Make) -> None:
    make(machine)
    for path in [*machine.root.rglob("*kdump.img"), *machine.root.glob("var/lib/kdump/initrd*")]:
        path.unlink()
    assert read(machine).changed is None
