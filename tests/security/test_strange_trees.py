# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole trees that no machine has: a look at one comes to an end, and is never "ready"."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdumpd.model.readiness.finding import Severity
from kdumpd.model.vocabulary import Readiness
from tests.security.broken_files import FAULTS, OUTSIDE, broken, names_looked_at
from tests.security.test_garbage_trees import SAMPLE, check_texts, look
from tests.support.daemon import Setup, running
from tests.support.dbus_next import dbus_next_client
from tests.support.message_bus import Bus
from tests.support.sample_machines import build
from tests.test_check import check

RELEASE = "6.1.0-56-amd64"
STRANGE = (b"vmlinuz-9\n9", b"vmlinuz-\xff\xfe", b"\x1b[31mvmlinuz-9", b"vmlinuz-" + b"9" * 240)
DECIDING = (
    "proc/cmdline",
    "proc/sys/kernel/osrelease",
    "sys/kernel/kexec_crash_loaded",
    "sys/kernel/kexec_crash_size",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / OUTSIDE).write_bytes(b"1\n")
    build(SAMPLE, tmp_path / "root")
    return tmp_path / "root"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    directory = tmp_path_factory.mktemp("combined")
    (directory / OUTSIDE).write_bytes(b"1\n")
    build(SAMPLE, directory / "root")
    return directory / "root", names_looked_at(directory / "root")


@pytest.mark.parametrize("kind", FAULTS)
async def test_all_files_are_garbage(root: Path, kind: str) -> None:
    with broken(root, names_looked_at(root), FAULTS[kind]):
        verdict = await look(root)
    check_texts(verdict)
    assert verdict.readiness in {Readiness.NOT_READY, Readiness.UNSUPPORTED}


@given(choice=st.data())
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_some_files_are_garbage(
    shared: tuple[Path, list[str]], choice: st.DataObject
) -> None:
    root, names = shared
    kinds = st.sampled_from(sorted(set(FAULTS) - {"digits"}))
    chosen = choice.draw(st.dictionaries(st.sampled_from(names), kinds, min_size=2, max_size=6))
    with broken(root, chosen, lambda path: FAULTS[chosen[str(path.relative_to(root))]](path)):
        verdict = await look(root)
    check_texts(verdict)
    deciding = {name for name in chosen if name in DECIDING and chosen[name] != "words"}
    assert not (deciding and verdict.readiness is Readiness.READY)


async def test_an_empty_tree(tmp_path: Path) -> None:
    verdict = await look(tmp_path)
    assert verdict.readiness is Readiness.UNSUPPORTED


async def test_a_boot_directory_full_of_files(root: Path) -> None:
    """A sentence says so, and each file that is asked for by its name is still found."""
    for number in range(100_000):
        os.mknod(root / f"boot/{number}")
    verdict = await look(root)
    check_texts(verdict)
    assert "crash-kernel-missing" in {
        one.code for one in verdict.checks if one.severity is Severity.OK
    }


@pytest.mark.parametrize(
    "directory",
    ["boot", "var/lib/kdump", "boot/loader/entries", "etc/default/grub.d", "etc/systemd"],
)
async def test_strange_names(root: Path, directory: str) -> None:
    (root / directory).mkdir(parents=True, exist_ok=True)
    for name in STRANGE:
        for ending in (b"", b".conf", b".cfg", b".wants"):
            path = root / directory / os.fsdecode(name[:248] + ending)
            path.write_bytes(b"linux /vmlinuz\noptions quiet\n")
    check_texts(await look(root))


def many_mounts(root: Path) -> None:
    line = b"%d 1 0:%d / /mnt/%d rw - tmpfs tmpfs rw\n"
    table = b"".join(line % (number, number, number) for number in range(30, 20_000))
    (root / "proc/self/mountinfo").write_bytes(b"29 1 254:0 / / rw - ext4 /dev/vda rw\n" + table)


def more_mounts_than_are_read(root: Path) -> None:
    line = b"%d 1 0:%d / /mnt/%d rw - tmpfs tmpfs rw\n"
    table = b"".join(line % (number, number, number) for number in range(50_000))
    (root / "proc/self/mountinfo").write_bytes(table)


def many_ranges(root: Path) -> None:
    ranges = b",".join(b"%d-:1" % number for number in range(9_000))
    (root / "proc/cmdline").write_bytes(b"crashkernel=" + ranges[:65_000] + b"\n")


def many_parameters(root: Path) -> None:
    (root / "proc/cmdline").write_bytes(b"crashkernel=1M, " * 4_000 + b"\n")


def deep_menu(root: Path) -> None:
    (root / "boot/grub/grub.cfg").write_bytes(b"submenu 'a' {\nmenuentry 'b' {\n" * 30_000)


def long_menu(root: Path) -> None:
    (root / "boot/grub/grub.cfg").write_bytes(b"submenu 'a' {\n" * 400_000)


def menu_in_a_circle(root: Path) -> None:
    text = b'set default="${default}"\nset kernelopts=$kernelopts\nconfigfile /grub/grub.cfg\n'
    (root / "boot/grub/grub.cfg").write_bytes(text + b"linux /vmlinuz $kernelopts\n" * 30_000)


def settings_that_grow(root: Path) -> None:
    (root / "etc/default/grub").write_bytes(b"A=x$A$A\n" * 8_000)
    (root / "etc/default/kdump-tools").write_bytes(b"USE_KDUMP=1\nA=x\n" + b'A="$A$A"\n' * 6_000)


def many_units(root: Path) -> None:
    for number in range(5_000):
        (root / f"etc/systemd/system/{number}.wants").mkdir()


def many_blocks(root: Path) -> None:
    directory = root / "sys/devices/system/memory"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "block_size_bytes").write_bytes(b"8000000\n")
    (root / "proc/iomem").unlink()
    for number in range(4_000):
        (directory / f"memory{number}").mkdir(exist_ok=True)
        (directory / f"memory{number}/online").write_bytes(b"1\n")


def disks_in_a_circle(root: Path) -> None:
    directory = root / "sys/class/block/vda/slaves"
    directory.mkdir(parents=True)
    for number in range(300):
        (directory / f"vd{number}").mkdir()
        (root / f"sys/class/block/vd{number}").mkdir()
        (root / f"sys/class/block/vd{number}/slaves").symlink_to("../vda/slaves")


def links_in_a_circle(root: Path) -> None:
    for name in ("boot/a", "boot/b"):
        (root / name).symlink_to("b/a/../b/a/../b" if name.endswith("a") else "a/../a/b")
    (root / "etc/default/kdump-tools").write_bytes(b"USE_KDUMP=1\nKDUMP_KERNEL=/boot/a/b\n")


TREES = (
    many_mounts,
    more_mounts_than_are_read,
    many_ranges,
    many_parameters,
    deep_menu,
    long_menu,
    menu_in_a_circle,
    settings_that_grow,
    many_units,
    many_blocks,
    disks_in_a_circle,
    links_in_a_circle,
)


@pytest.mark.parametrize("make", TREES, ids=lambda make: make.__name__)
async def test_large_and_circular_trees(root: Path, make: Callable[[Path], None]) -> None:
    """No group of facts is given up for its time (PATIENCE): that would be a finding."""
    make(root)
    verdict = await look(root)
    check_texts(verdict)
    assert "facts-unreadable" not in {one.code for one in verdict.checks}
    assert not any("do not answer" in one.message for one in verdict.checks)


@pytest.mark.parametrize("kind", ["random", "pipe", "loop", "words"])
async def test_the_command_names_what_is_garbage(root: Path, kind: str) -> None:
    for name in ("sys/kernel/kexec_crash_loaded", "boot/grub/grub.cfg"):
        with broken(root, [name], FAULTS[kind]):
            status, out, words = await check(root)
        assert status in {1, 2}
        assert name in out
        assert words == ""


@pytest.mark.bus
async def test_the_daemon_lives_through_all_of_it(root: Path, tmp_path: Path, bus: Bus) -> None:
    setup = Setup(root=root, state=tmp_path / "state", bus=bus.address)
    names = names_looked_at(root)
    async with running(setup) as kdumpd, dbus_next_client(bus.address) as client:
        for kind in FAULTS:
            with broken(root, names, FAULTS[kind]):
                answer = await client.call("org.kdumpd1.Manager", "Revalidate")
                assert not answer.error_name
                assert (await client.manager())["Readiness"] in {"not-ready", "unsupported"}
        await client.call("org.kdumpd1.Manager", "Revalidate")
        assert (await client.manager())["Readiness"] == "ready"
        assert await kdumpd.stop() == 0
        assert "Traceback" not in kdumpd.log
