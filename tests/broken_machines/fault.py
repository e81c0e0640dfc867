# SPDX-License-Identifier: GPL-2.0-or-later
"""A way to break a healthy machine's files, and what must be said of it then."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kdumpd.model.crash_test import CrashTest
from kdumpd.model.readiness.facts import LastReservation, ServiceFacts
from kdumpd.model.readiness.finding import Severity

LONG_AGO = 1_600_000_000  # before anything was made of it; seconds since 1970


class Tree:
    """The files of one machine, which share their content with those of an unbroken one.

    What is changed has the time that it had: the tool has seen the change.
    """

    def __init__(self, unbroken: Path, root: Path) -> None:
        shutil.copytree(unbroken, root, symlinks=True, copy_function=os.link)
        self.root = root

    def write(self, name: str, content: str | bytes) -> None:
        """Make a file, or another one in its place."""
        self._make(name, content.encode() if isinstance(content, str) else content)

    def replace(self, name: str, old: str, new: str) -> None:
        """Put something in the place of what a file has, wherever it has it."""
        content = (self.root / name).read_text()
        assert old in content, f"{name} has no {old}"
        self.write(name, content.replace(old, new))

    def drop(self, name: str, words: str) -> None:
        """Take the lines with these words out of a file."""
        lines = (self.root / name).read_text().splitlines(keepends=True)
        left = [line for line in lines if words not in line]
        assert left != lines, f"{name} has no {words}"
        self.write(name, "".join(left))

    def sparse(self, name: str, size: int, head: bytes = b"") -> None:
        """Make a file of so many bytes; all but the first are zeroes."""
        self._make(name, head, size)

    def touch(self, name: str) -> None:
        """Have a file changed just now."""
        self._make(name, (self.root / name).read_bytes())
        os.utime(self.root / name)

    def remove(self, name: str) -> None:
        """Remove a file, or a directory with all that is in it."""
        path = self.root / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

    def directory(self, name: str) -> None:
        """Make a directory."""
        (self.root / name).mkdir(parents=True, exist_ok=True)

    def link(self, name: str, target: str) -> None:
        """Make a symbolic link, or another one in its place."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)

    def _make(self, name: str, content: bytes, size: int = 0) -> None:
        path = self.root / name
        changed = path.stat().st_mtime if path.exists() else LONG_AGO
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with path.open("xb") as file:
            file.write(content)
            file.truncate(max(size, len(content)))
        os.utime(path, (changed, changed))


Change = Callable[[Tree], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happened to a machine, and what is then told that was not told of it before."""

    story: str
    code: str
    severity: Severity
    how: Change = lambda _: None
    machine: str = "debian-12-ready"
    besides: frozenset[str] = frozenset()  # codes of what cannot but be told as well
    untold: frozenset[str] = frozenset()  # of what was fine, and is not spoken of any more
    unknown: bool = False
    service: ServiceFacts = field(default_factory=ServiceFacts)
    disk: str = ""  # options of the file system in memory that /var/crash is on
    given_away: bool = False  # whether something belongs to another user then
    dead: str = ""  # a directory that is on a server which does not answer
    boots: tuple[LastReservation, ...] = ()
    tests: tuple[CrashTest, ...] = ()


def codes(words: str) -> frozenset[str]:
    """Return the codes that are written with blanks between them."""
    return frozenset(words.split())


def each(*changes: Change) -> Change:
    """Return all of these, one after another, as one."""

    def all_of_them(tree: Tree) -> None:
        for change in changes:
            change(tree)

    return all_of_them


def unload(tree: Tree) -> None:
    """Have no crash kernel loaded."""
    tree.write("sys/kernel/kexec_crash_loaded", "0\n")


# What is told of each machine without a crash kernel: Debian's kernel hangs after a panic then.
UNLOADED = codes("crash-kernel-unloaded panic-timeout")
# What goes with other things: where one is wrong, nothing is said of what depends on it.
AMOUNTS = codes("reservation-short reservation-small reservation-below-estimate")
FILES = codes(
    "crash-kernel-missing capture-initrd-missing capture-initrd-stale crash-kernel-differs"
    " capture-initrd-differs"
)
MENU = codes("next-boot-unreserved next-boot-differs boot-loader-outdated")
PLACE = codes("dump-directory-unmountable storage-too-small")
OF_LOADED = codes("post-notifiers")
OF_RESERVED = codes("kexec-load-disabled")
SETTINGS_OF_THE_KERNEL = codes(
    "kexec-unsupported kexec-load-disabled post-notifiers panic-policy sysrq"
)
