# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the machine's small files below a root; what is wrong with one is told in its place."""

import errno
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from kdumpd.model.readiness.finding import Fact, Unknown
from kdumpd.model.text import printable, shown

MAX_FILE_BYTES = 1 << 16
MAX_NAMES = 4096  # in one directory
MAX_SYMLINKS = 40  # on one way, as the kernel has it (include/linux/namei.h, MAXSYMLINKS)
NO_SUCH_NAME = 256 * "-"  # longer than any file's name (include/uapi/linux/limits.h, NAME_MAX)
MAX_NUMBER_DIGITS, MAX_NUMBER = 20, (1 << 64) - 1  # sizes in bytes are 64 bits wide
ID_PATTERN = r"[0-9a-f]{32}"  # sd-id128(3), and a UUID without its dashes
BUSY_RETRIES = 5  # crash_size takes a lock that a kexec load holds: EBUSY until it is done
BUSY_PAUSE_S = 0.1
# Files that more than one reader asks for.
BOOT_ID = "proc/sys/kernel/random/boot_id"
CMDLINE = "proc/cmdline"
OSRELEASE = "proc/sys/kernel/osrelease"
MEMINFO = "proc/meminfo"
IOMEM = "proc/iomem"
# Newer kernels have a directory; the old file goes after 2028 (ABI/testing/sysfs-kernel-kexec).
CRASH_LOADED = ("sys/kernel/kexec/crash_loaded", "sys/kernel/kexec_crash_loaded")
EFI_VARIABLES = "sys/firmware/efi/efivars"
KDUMP_CONF = "etc/kdump.conf"  # of kdump-utils
KDUMP_SYSCONFIG = "etc/sysconfig/kdump"  # of kdump-utils, and of SUSE's kdump
NOT_THERE_ERRORS = {errno.ENOENT, errno.ENOTDIR}
NONE_OPENED: Mapping[str, int] = MappingProxyType({})
T = TypeVar("T")


class Files:
    """The files of the machine below one root; absolute links lead below the root as well.

    Every name is relative to the root. None stands for what is not there, Unknown for what is there
    and cannot be read or understood. A name that no file can have leads nowhere.

    What stands in `opened` is read from that descriptor, which somebody with more rights opened
    before kdumpd started. It stays open, and is read from its beginning every time.
    """

    def __init__(
        self,
        root: Path,
        pause: Callable[[float], None] = time.sleep,
        opened: Mapping[str, int] = NONE_OPENED,
    ) -> None:
        self._root = root
        self._pause = pause
        self._opened = opened

    @property
    def root(self) -> Path:
        """The directory below which the machine is."""
        return self._root

    def content(self, name: str, most: int = MAX_FILE_BYTES) -> Fact[bytes]:
        """Return what a regular file holds; one that holds more than `most` bytes is Unknown."""
        content = self.head(name, most + 1)
        if isinstance(content, bytes) and len(content) > most:
            return self.unknown(name, f"holds more than {most} bytes")
        return content

    def plain(self, name: str, most: int = MAX_FILE_BYTES) -> Fact[bytes]:
        """Return what a text file holds; one that is binary, as no text has zeroes, is Unknown."""
        content = self.content(name, most)
        if isinstance(content, bytes) and b"\0" in content:
            return self.unknown(name, "is no text")
        return content

    def head(self, name: str, most: int) -> Fact[bytes]:
        """Return the first bytes of a regular file, `most` at the most."""
        try:
            if name in self._opened:
                return b"".join(_pieces_at(self._opened[name], most))
            content = self._patiently(self.resolve(name), most)
        except OSError as error:
            return self._failure(name, error)
        return self.unknown(name, "is no regular file") if content is None else content

    def text(self, name: str, most: int = MAX_FILE_BYTES) -> Fact[str]:
        """Return the content without white space around it, safe to show; never several lines."""
        content = self.content(name, most)
        return printable(content.strip()) if isinstance(content, bytes) else content

    def lines(self, name: str, most: int = MAX_FILE_BYTES) -> Fact[tuple[str, ...]]:
        """Return the lines of a file, each safe to show."""
        content = self.content(name, most)
        if not isinstance(content, bytes):
            return content
        return tuple(printable(line.replace(b"\t", b" ")) for line in content.splitlines())

    def number(self, name: str, base: int = 10) -> Fact[int]:
        """Return the whole number that a file of the kernel holds."""
        content = self.content(name, MAX_FILE_BYTES)
        if not isinstance(content, bytes):
            return content
        digits = content.strip()
        try:
            value = int(digits.removeprefix(b"-"), base) if _are_digits(digits) else MAX_NUMBER + 1
        except ValueError:
            value = MAX_NUMBER + 1
        if value > MAX_NUMBER:
            return self.unknown(name, f"holds no number but '{printable(digits[:40])}'")
        return -value if digits.startswith(b"-") else value

    def size(self, name: str) -> Fact[int]:
        """Return the number of bytes, or the truth as 0 or 1, that a file of the kernel holds."""
        number = self.number(name)
        if isinstance(number, int) and number < 0:
            return self.unknown(name, f"holds no number but '{number}'")
        return number

    def id_digits(self, name: str) -> str:
        """Return an id as 32 hexadecimal digits, empty where the file holds none."""
        text = self.text(name)
        digits = text.replace("-", "") if isinstance(text, str) else ""
        return digits if re.fullmatch(ID_PATTERN, digits) else ""

    def names(self, name: str) -> Fact[tuple[str, ...]]:
        """Return the names in a directory, in order, as os.fsdecode has them."""
        try:
            with os.scandir(self.resolve(name)) as entries:
                found = [entry.name for entry in islice(entries, MAX_NAMES + 1)]
        except OSError as error:
            return self._failure(name, error)
        if len(found) > MAX_NAMES:
            return self.unknown(name, f"holds more than {MAX_NAMES} names")
        return tuple(sorted(found))

    def readable_names(self, name: str) -> tuple[str, ...]:
        """Return the names in a directory, none of one that is not there or cannot be read."""
        names = self.names(name)
        return names if isinstance(names, tuple) else ()

    def drop_ins(self, directories: Iterable[str]) -> list[str]:
        """Return the *.conf files of these directories by name; one hides those behind it."""
        found: dict[str, str] = {}
        for directory in directories:
            for name in self.readable_names(directory):
                if name.endswith(".conf"):
                    found.setdefault(name, f"{directory}/{name}")
        return [path for _, path in sorted(found.items())]

    def status(self, name: str) -> Fact[os.stat_result]:
        """Return what stat says of the file that a name leads to."""
        try:
            return self.resolve(name).lstat()
        except OSError as error:
            return self._failure(name, error)

    def link(self, name: str) -> Fact[str]:
        """Return where a symbolic link points, as it is written; None if it is no link."""
        path = self._root / _possible(name).lstrip("/")
        try:
            return str(path.readlink())
        except OSError as error:
            return None if error.errno == errno.EINVAL else self._failure(name, error)

    def resolve(self, name: str) -> Path:
        """Return the path of what a name leads to when the root is /; it need not exist."""
        ahead = _backwards(_possible(name))
        root, way = str(self._root), list[str]()
        links = 0
        while ahead:
            part = ahead.pop()
            if part == "..":
                way = way[:-1]
                continue
            target = _target("/".join((root, *way, part)))
            if target is None:
                way.append(part)
                continue
            links += 1
            if links > MAX_SYMLINKS:
                # Whoever opened the link itself would be led out of the root by the kernel.
                return self._root.joinpath(*way, part, NO_SUCH_NAME)
            if target.startswith("/"):
                way = []
            ahead += _backwards(target)
        return self._root.joinpath(*way)

    def shown(self, name: str) -> str:
        """Return the name of a file as a person reads it."""
        return shown(os.fsencode(self._root / name.lstrip("/")))

    def unknown(self, name: str, problem: str) -> Unknown:
        """Return that the file says nothing, and why."""
        return Unknown(f"'{self.shown(name)}' {problem}")

    def _failure(self, name: str, error: OSError) -> Unknown | None:
        if error.errno in NOT_THERE_ERRORS:
            return None
        return self.unknown(name, f"cannot be read: {error.strerror}")

    def _patiently(self, path: Path, most: int) -> bytes | None:
        for _ in range(BUSY_RETRIES):
            try:
                return _read(path, most)
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
            self._pause(BUSY_PAUSE_S)
        return _read(path, most)


def first_told(facts: Iterable[Fact[T]]) -> Fact[T]:
    """Return what the first of several files says that is there, None without any."""
    return next((fact for fact in facts if fact is not None), None)


def _read(path: Path, most: int) -> bytes | None:
    """Return the beginning of a regular file, None where it is none: nothing else is read."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        return b"".join(_pieces(fd, most))
    finally:
        os.close(fd)


def _pieces(fd: int, most: int) -> Iterator[bytes]:
    # procfs and sysfs give a page at a time, and say 0 for the size.
    while most > 0 and (piece := os.read(fd, most)):
        yield piece
        most -= len(piece)


def _pieces_at(fd: int, most: int) -> Iterator[bytes]:
    """Yield what the file holds; from where it stands others, which have it open too, may move."""
    at = 0
    while at < most and (piece := os.pread(fd, most - at, at)):
        yield piece
        at += len(piece)


def _possible(name: str) -> str:
    # The name of a device, as mountinfo has it, may say \\000 all the same.
    return name.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _backwards(path: str) -> list[str]:
    """Return the names that a path consists of, the last one first."""
    return [part for part in reversed(path.split("/")) if part not in {"", "."}]


def _target(path: str) -> str | None:
    try:
        return os.readlink(path)  # noqa: PTH115  # a look asks 500 times; a Path takes six times as long
    except OSError:
        return None


def _are_digits(text: bytes) -> bool:
    digits = text.removeprefix(b"-").removeprefix(b"0x")
    return 0 < len(digits) <= MAX_NUMBER_DIGITS and digits.isalnum()
