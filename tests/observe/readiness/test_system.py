# SPDX-License-Identifier: GPL-2.0-or-later
from dataclasses import fields
from pathlib import Path

import pytest

from kdumpd.model.readiness.facts import SystemFacts
from kdumpd.model.readiness.finding import Unknown
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.shared_files import SharedFiles
from kdumpd.observe.readiness.system import read_system
from tests.observe.cores.garbage import GARBAGE, Garbage, put

EFI = "sys/firmware/efi/efivars/{}-8be4df61-93ca-11d2-aa0d-00e098032b8c"
SECURE_BOOT, SETUP_MODE = EFI.format("SecureBoot"), EFI.format("SetupMode")
LOCKDOWN = "sys/kernel/security/lockdown"
DISABLED = "proc/sys/kernel/kexec_load_disabled"
LEFT = "proc/sys/kernel/kexec_load_limit_panic"
NOTIFIERS = "sys/module/kernel/parameters/crash_kexec_post_notifiers"
ON, OFF = b"\6\0\0\0\1", b"\6\0\0\0\0"


def read_files(root: Path, files: dict[str, bytes]) -> SystemFacts:
    for name, content in files.items():
        put(root / name, content)
    return read_system(SharedFiles(Files(root)))


def test_nothing_to_read(tmp_path: Path) -> None:
    assert read_files(tmp_path, {}) == SystemFacts()


def test_a_debian(tmp_path: Path) -> None:
    facts = read_files(
        tmp_path,
        {
            LOCKDOWN: b"[none] integrity confidentiality\n",
            DISABLED: b"0\n",
            LEFT: b"-1\n",
            NOTIFIERS: b"N\n",
            "proc/cmdline": b"root=/dev/vda rw crashkernel=384M\n",
            "proc/1/environ": b"HOME=/\0TERM=linux\0",
            "proc/sys/kernel/osrelease": b"6.1.0-37-amd64\n",
            "proc/version": b"Linux version 6.1.0-37-amd64\n",
            SECURE_BOOT: OFF,
            SETUP_MODE: OFF,
        },
    )
    assert facts == SystemFacts(
        lockdown="none", secure_boot=False, load_disabled=False, loads_left=-1, post_notifiers=False
    )


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("run/systemd/container", b"lxc\n", "lxc"),
        ("run/systemd/container", b"systemd-nspawn\n", "systemd-nspawn"),
        ("run/systemd/container", b"\x1b[2J\n", "unknown"),
        ("run/systemd/container", b"", ""),
        ("proc/1/environ", b"PATH=/bin\0container=oci\0", "oci"),
        ("proc/1/environ", b"mycontainer=oci\0", ""),
        ("run/.containerenv", b"", "podman"),
        (".dockerenv", b"", "docker"),
        ("proc/sys/kernel/osrelease", b"4.4.0-19041-Microsoft\n", "wsl"),
        ("proc/sys/kernel/osrelease", b"5.15.153.1-microsoft-standard-WSL2\n", "wsl"),
        ("proc/sys/kernel/osrelease", b"6.8.0-1008-azure\n", ""),
        ("proc/version", b"Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016\n", "gvisor"),
        ("proc/vz/version", b"", "openvz"),
    ],
)
def test_containers(tmp_path: Path, name: str, content: bytes, kind: str) -> None:
    assert read_files(tmp_path, {name: content}).container == kind


@pytest.mark.parametrize("mark", ["run/.containerenv", ".dockerenv"])
def test_a_disk_made_from_an_image(tmp_path: Path, mark: str) -> None:
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert read_files(tmp_path, {mark: b""}).container == ""


def test_the_host_of_openvz(tmp_path: Path) -> None:
    assert read_files(tmp_path, {"proc/vz/a": b"", "proc/bc/a": b""}).container == ""


@pytest.mark.parametrize(
    ("cmdline", "word"),
    [
        (b"boot=live components quiet\n", "boot=live"),
        (b"BOOT_IMAGE=/casper/vmlinuz boot=casper ---\n", "boot=casper"),
        (b"root=live:CDLABEL=Fedora rd.live.image\n", "root=live:CDLABEL=Fedora"),
        (b"overlayroot=tmpfs:swap=1\n", "overlayroot=tmpfs:swap=1"),
        (b"boot=live persistence\n", ""),
        (b"rd.live.image rd.live.overlay=UUID=1\n", ""),
        (b"root=/dev/vda ro quiet notoram reboot=livecd\n", ""),
    ],
)
def test_live_systems(tmp_path: Path, cmdline: bytes, word: str) -> None:
    assert read_files(tmp_path, {"proc/cmdline": cmdline}).live == word


@pytest.mark.parametrize("mode", ["none", "integrity", "confidentiality"])
def test_lockdown(tmp_path: Path, mode: str) -> None:
    modes = "none integrity confidentiality\n".replace(mode, f"[{mode}]")
    facts = read_files(tmp_path, {LOCKDOWN: modes.encode()})
    assert facts.lockdown == mode
    assert facts.locked == (mode != "none")


@pytest.mark.parametrize(
    ("variables", "on"),
    [
        ({SECURE_BOOT: ON}, True),
        ({SECURE_BOOT: ON, SETUP_MODE: OFF}, True),
        ({SECURE_BOOT: ON, SETUP_MODE: ON}, False),
        ({SECURE_BOOT: OFF, SETUP_MODE: OFF}, False),
        ({SETUP_MODE: ON}, None),
    ],
)
def test_secure_boot(tmp_path: Path, variables: dict[str, bytes], *, on: bool | None) -> None:
    assert read_files(tmp_path, variables).secure_boot is on


@pytest.mark.parametrize("content", [b"", b"\1", b"\6\0\0\0\2", b"\6\0\0\0\1\0"])
def test_no_efi_variable(tmp_path: Path, content: bytes) -> None:
    facts = read_files(tmp_path, {SECURE_BOOT: content})
    assert isinstance(facts.secure_boot, Unknown)


@pytest.mark.parametrize(("number", "disabled"), [(b"1\n", True), (b"0\n", False)])
def test_kexec_turned_off(tmp_path: Path, number: bytes, *, disabled: bool) -> None:
    assert read_files(tmp_path, {DISABLED: number}).load_disabled is disabled


@pytest.mark.parametrize(("said", "on"), [(b"Y\n", True), (b"N\n", False), (b"1\n", True)])
def test_post_notifiers(tmp_path: Path, said: bytes, *, on: bool) -> None:
    assert read_files(tmp_path, {NOTIFIERS: said}).post_notifiers is on


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("sys/bus/vmbus/x", b"", "Hyper-V"),
        ("sys/kernel/fadump/enabled", b"1\n", "fadump"),
        ("sys/kernel/fadump_enabled", b"1\n", "fadump"),
        ("sys/kernel/fadump_enabled", b"0\n", ""),
        ("sys/module/kvm_amd/parameters/sev_snp", b"Y\n", "SEV-SNP"),
        ("sys/module/kvm_amd/parameters/sev_snp", b"N\n", ""),
    ],
)
def test_who_wants_notifiers_first(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    wanted = read_files(tmp_path, {name: content}).notifiers_wanted
    assert wanted.startswith(words)
    assert bool(wanted) == bool(words)


def test_the_crash_kernel(tmp_path: Path) -> None:
    assert read_files(tmp_path, {"proc/vmcore": b"\x7fELF"}).capturing


def test_xen(tmp_path: Path) -> None:
    assert read_files(tmp_path, {"proc/xen/capabilities": b"control_d\n"}).xen_dom0


def test_a_guest_of_xen(tmp_path: Path) -> None:
    assert not read_files(tmp_path, {"proc/xen/capabilities": b"\n"}).xen_dom0


NAMES = {
    LOCKDOWN: "lockdown",
    SECURE_BOOT: "secure_boot",
    DISABLED: "load_disabled",
    LEFT: "loads_left",
    NOTIFIERS: "post_notifiers",
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage(tmp_path: Path, name: str, garbage: Garbage) -> None:
    garbage.put(tmp_path / name)
    facts = read_system(SharedFiles(Files(tmp_path)))
    fact = getattr(facts, NAMES[name])
    assert isinstance(fact, Unknown)
    assert name in fact.problem
    assert fact.problem.isprintable()


@pytest.mark.parametrize("name", ["run/systemd/container", "proc/1/environ", "proc/cmdline"])
@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_says_nothing(tmp_path: Path, name: str, garbage: Garbage) -> None:
    garbage.put(tmp_path / name)
    facts = read_system(SharedFiles(Files(tmp_path)))
    assert facts.live == ""
    assert facts.container in {"", "unknown"}


def test_this_machine() -> None:
    """Whatever it is, nothing is raised, and nothing that is read is odd."""
    facts = read_system(SharedFiles(Files(Path("/"))))
    for field in fields(facts):
        value = getattr(facts, field.name)
        assert not isinstance(value, str) or value.isprintable()
