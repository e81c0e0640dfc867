# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine of which any file is garbage: what cannot be told is told so, and never "ready"."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdumpd.config import Configuration, Settings
from kdumpd.model.readiness.finding import Severity
from kdumpd.model.readiness.verdict import Verdict
from kdumpd.model.vocabulary import Readiness
from kdumpd.observe.files import Files
from kdumpd.oneshot import look_once
from tests.security.broken_files import FAULTS, GONE, OUTSIDE, broken, names_looked_at
from tests.security.capabilities import without_rights
from tests.security.unopened_files import Baits, baits
from tests.support.sample_machines import build, machines

SAMPLE = machines()["debian-12-ready"]
# Found by their status or their name alone: nobody opens them.
FOUND = (
    "etc/systemd/system/basic.target.wants/kdump-tools.service",
    "usr/sbin/kdump-config",
    "usr/lib/systemd/system/kdump-tools.service",
    "var/lib/kdump/vmlinuz",
    "var/lib/kdump/initrd.img",
    "var/lib/kdump/initrd.img-6.1.0-56-amd64",
)

# What a check may leave out where a file is not there: a machine may be without it.
MAY_BE_MISSING = {
    "boot/grub/grub.cfg": "another boot loader may have been started by GRUB's command line",
    "boot/vmlinuz-6.1.0-56-amd64": "that it is gone is told by crash-kernel-missing",
    "etc/default/grub": "who writes grub.cfg by hand has none",
    "etc/default/grub.d/init-select.cfg": "Debian's additions are optional",
    "etc/default/grub.d/kdump-tools.cfg": "Debian's additions are optional",
    "etc/default/kdump-tools": "that nothing loads without it is told by kdump-disabled",
    "proc/meminfo": "a tree may be without it, as of a machine that somebody sent",
    "proc/self/mountinfo": "a tree may be without it, as of a machine that somebody sent",
    "proc/sys/kernel/kexec_load_disabled": "Linux has it from 3.14 on",
    "proc/sys/kernel/sysrq": "a kernel may be built without CONFIG_MAGIC_SYSRQ",
    "sys/module/kernel/parameters/crash_kexec_post_notifiers": "Linux has it from 3.17 on",
    "usr/sbin/kdump-config": "a crash kernel may be loaded by hand: capture-tool-missing says so",
    "usr/lib/systemd/system/kdump-tools.service": "a crash kernel may be loaded by other means",
    "var/lib/kdump/initrd.img": "kdump-config makes this link whenever it loads",
    "var/lib/kdump/initrd.img-6.1.0-56-amd64": "kdump-config makes it: capture-initrd-missing",
    "var/lib/kdump/vmlinuz": "kdump-config makes this link whenever it loads",
}
# What garbage is as good as any other content, or is told without the file's name.
MAY_BE_ANYTHING = {
    ("proc/cmdline", "digits"): "held by the kernel, which has said what it made of it",
    ("proc/cmdline", "words"): "any words are a command line",
    ("etc/default/kdump-tools", "empty"): "kdump-disabled says that it has no USE_KDUMP=1",
    ("etc/default/kdump-tools", "words"): "kdump-disabled says that it has no USE_KDUMP=1",
    ("run/systemd/container", "words"): "whoever writes it says that this is a container",
    ("run/systemd/container", "zero"): "whoever writes it says that this is a container",
    ("var/lib/kdump/initrd.img", "empty"): "capture-initrd-missing says that it is empty",
    ("var/lib/kdump/initrd.img-6.1.0-56-amd64", "empty"): "so it does",
    ("var/lib/kdump/vmlinuz", "empty"): "crash-kernel-missing says that it is empty",
    ("boot/vmlinuz-6.1.0-56-amd64", "empty"): "crash-kernel-missing says that it is empty",
}
# What is not opened is not judged by what it holds.
ONLY_ITS_NAME = {"zero", "random", "digits", "words", "unreadable", "empty"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("garbage")
    root = directory / "root"
    build(SAMPLE, root)
    (directory / OUTSIDE).write_bytes(b"1\n")
    return root


@pytest.fixture(scope="module")
def names(tree: Path) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*names_looked_at(tree), *FOUND)))


@pytest.fixture
def watch(tree: Path) -> Iterator[Baits]:
    """Give a watch over what lies outside of the root."""
    with baits() as watch:
        watch.watch(tree.parent / OUTSIDE)
        if os.access("/etc/shadow", os.R_OK):
            watch.watch(Path("/etc/shadow"))
        yield watch


async def look(root: Path) -> Verdict:
    with without_rights():
        return await look_once(Files(root), Configuration(Settings(), ()))


def fine(verdict: Verdict) -> set[str]:
    return {one.code for one in verdict.checks if one.severity is Severity.OK}


def told(verdict: Verdict) -> set[str]:
    return {one.code for one in verdict.checks}


def names_unknown(verdict: Verdict, name: str) -> bool:
    """Return whether a check says of the file that it tells nothing; sysfs names stand alone."""
    words = (name, Path(name).name if name.startswith("sys/") else name)
    return any(one.unknown and any(word in one.message for word in words) for one in verdict.checks)


def check_texts(verdict: Verdict) -> None:
    for one in verdict.checks:
        assert one.message.isprintable()
        assert one.remedy.isprintable()


async def test_the_tree_is_ready(tree: Path, names: tuple[str, ...]) -> None:
    verdict = await look(tree)
    assert verdict.readiness is Readiness.READY
    assert len(names) > len(FOUND) + 50


@pytest.mark.parametrize("kind", FAULTS)
async def test_one_file_is_garbage(
    tree: Path, names: tuple[str, ...], watch: Baits, kind: str
) -> None:
    before = fine(await look(tree))
    wrong = []
    for name in names:
        with broken(tree, [name], FAULTS[kind]):
            verdict = await look(tree)
        check_texts(verdict)
        if not is_told(name, kind, before, verdict):
            wrong.append((name, str(verdict.readiness), sorted(before - told(verdict))))
    assert not wrong
    assert not watch.opened()
    assert (await look(tree)).readiness is Readiness.READY


def is_told(name: str, kind: str, before: set[str], verdict: Verdict) -> bool:
    """Return whether a check that was fine has not gone in silence."""
    silent = before - told(verdict)
    if not silent or (names_unknown(verdict, name) and verdict.readiness is not Readiness.READY):
        return True
    if kind in GONE and name in MAY_BE_MISSING:
        return True
    if name in FOUND and kind in ONLY_ITS_NAME:
        return True
    return (name, kind) in MAY_BE_ANYTHING
