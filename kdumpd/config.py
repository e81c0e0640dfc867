# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration: files → assignments → settings.

What is wrong is named with file and line, and the default stands.
"""

import errno
import os
import shlex
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from kdumpd.model.captures.layouts import PSTORE_ARCHIVE
from kdumpd.model.formats.mounts import is_inside
from kdumpd.model.text import parse_span

CONFIGURATION_DIRECTORIES = (
    "etc/kdumpd",
    "run/kdumpd",
    "usr/lib/kdumpd",
)  # a file in one hides its namesake in the next
MAIN_FILE_NAME = "kdumpd.conf"
MAX_FILE_CHARACTERS = 1 << 20
DROP_IN_DIRECTORY_NAME = "kdumpd.conf.d"
BOOLEANS = {  # systemd.syntax(7)
    **dict.fromkeys(("1", "yes", "true", "on"), True),
    **dict.fromkeys(("0", "no", "false", "off"), False),
}
MAX_CRASH_DIRECTORIES = 64  # each is watched, and looked into at every look
MAX_PATH_BYTES = 4095  # PATH_MAX has a zero at the end (limits.h)
MAX_PROBLEMS = 20  # that are told of one reading
MAX_TOLD_CHARACTERS = 80  # of a line or a value that cannot be used
MAX_SETTLE_S = 600.0
MIN_COUNTDOWN_S, MAX_COUNTDOWN_S = 3.0, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be configured; paths are those of the watched machine, times are seconds."""

    crash_directories: tuple[bytes, ...] = ()
    settle_seconds: float = 30.0
    crash_test: bool = False  # whether kdumpd-trigger may crash the kernel at all
    countdown_seconds: float = 10.0
    metrics_file: Path | None = None  # of this machine, whichever one is watched

    @property
    def directories(self) -> tuple[bytes, ...]:
        """The crash directories to watch: those configured, else those that are everywhere."""
        return self.crash_directories or (b"/var/crash", PSTORE_ARCHIVE)


class Assignment(NamedTuple):
    """One line KEY=VALUE below [SECTION], and where it stands."""

    section: str
    key: str
    value: str
    where: str  # ends in ": ", for what is wrong to follow


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings, and a sentence for each thing that was wrong."""

    settings: Settings
    problems: tuple[str, ...]


class ConfigError(ValueError):
    """A line or a value cannot be used; the text says why."""


def read_configuration(root: Path, file: Path | None) -> Configuration:
    """Return the settings, and what is wrong, of one file, or of all below `root` for None."""
    settings = Settings()
    problems = []
    for path in [file] if file is not None else _files(root):
        try:
            text = _read(path)
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
            continue
        except UnicodeDecodeError as error:
            problems.append(f"{path}: not UTF-8 ({error.reason} at byte {error.start})")
            continue
        for line in parse_assignments(text, str(path)):
            try:
                settings = apply(settings, line)
            except ConfigError as error:
                where = line.where if isinstance(line, Assignment) else ""
                problems.append(f"{where}{error}")
                settings = _with_doubt(settings, line)
    settings, misplaced = _checked(settings)
    return Configuration(settings, _at_most([*problems, *misplaced]))


def _at_most(problems: Sequence[str]) -> tuple[str, ...]:
    """Return the problems; of many the first, and how many more there are."""
    more = len(problems) - MAX_PROBLEMS
    if more <= 0:
        return tuple(problems)
    return *problems[:MAX_PROBLEMS], f"{more} more of such problems are not listed"


def parse_assignments(text: str, name: str) -> Iterator[Assignment | ConfigError]:
    """Yield each assignment of a file (systemd.syntax(7)), or the error that a line is."""
    section = ""
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        where = f"{name}:{number}: "
        key, equals, value = line.partition("=")
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif not equals:
            yield ConfigError(f"{where}'{_start(line)}' is neither [SECTION] nor KEY=VALUE")
        else:
            yield Assignment(section=section, key=key.strip(), value=value.strip(), where=where)


def apply(settings: Settings, line: Assignment | ConfigError) -> Settings:
    """Return the settings with one assignment more; ConfigError when it cannot be used."""
    if isinstance(line, ConfigError):
        raise line
    setter = SETTERS.get((line.section, line.key))
    if setter is None and not line.section:
        raise ConfigError(f"'{_start(line.key)}=' stands before any section")
    if setter is None:
        key, section = _start(line.key), _start(line.section)
        raise ConfigError(f"unknown key '{key}' in section [{section}]")
    return setter(settings, line.value)


def _with_doubt(settings: Settings, line: Assignment | ConfigError) -> Settings:
    """Return the settings as they stand after a line that cannot be used.

    Whoever mistyped Enabled= may have meant to forbid what a file before had allowed.
    """
    if isinstance(line, Assignment) and (line.section, line.key) == CRASH_TEST_ENABLED:
        return replace(settings, crash_test=False)
    return settings


def _crash_directories(settings: Settings, value: str) -> Settings:
    if not value:
        return replace(settings, crash_directories=())
    told = f"CrashDirectories={_start(value)}: "
    # Before it is taken apart, which takes long for what is long.
    if len(value) > MAX_CRASH_DIRECTORIES * MAX_PATH_BYTES:
        raise ConfigError(f"{told}too long")
    try:
        words = shlex.split(value)
    except ValueError as error:
        raise ConfigError(f"{told}{error}") from error
    for word in words:
        if not word.startswith("/") or ".." in word.split("/") or "\0" in word:
            raise ConfigError(f"{told}'{_start(word)}' is no absolute path without '..'")
        if len(os.fsencode(word)) > MAX_PATH_BYTES:
            raise ConfigError(
                f"{told}'{_start(word)}' is longer than a path can be, {MAX_PATH_BYTES} bytes"
            )
    added = [bytes(Path("/", *word.split("/"))) for word in words]
    both = tuple(dict.fromkeys((*settings.crash_directories, *added)))
    if len(both) > MAX_CRASH_DIRECTORIES:
        raise ConfigError(
            f"{told}{len(both)} directories are too many, at most {MAX_CRASH_DIRECTORIES} are"
            " watched"
        )
    return replace(settings, crash_directories=both)


def _start(text: str) -> str:
    """Return the text, or the beginning of one that is too long for a log."""
    return text if len(text) <= MAX_TOLD_CHARACTERS else f"{text[:MAX_TOLD_CHARACTERS]}…"


def _settle_seconds(settings: Settings, value: str) -> Settings:
    seconds = _seconds(value)
    if seconds is None:
        raise ConfigError(f"SettleSec={_start(value)}: no time span such as 30, 30s or 2min")
    if not seconds:
        raise ConfigError(f"SettleSec={_start(value)}: must be more than 0")
    if seconds > MAX_SETTLE_S:
        raise ConfigError(
            f"SettleSec={_start(value)}: an incomplete capture would be told of too late; at most"
            f" {MAX_SETTLE_S:g} s"
        )
    return replace(settings, settle_seconds=seconds)


def _crash_test(settings: Settings, value: str) -> Settings:
    enabled = BOOLEANS.get(value.lower())
    if enabled is None:
        raise ConfigError(
            f"Enabled={_start(value)}: neither yes nor no, so no crash test is allowed"
        )
    return replace(settings, crash_test=enabled)


def _countdown_seconds(settings: Settings, value: str) -> Settings:
    seconds = _seconds(value)
    if seconds is None:
        raise ConfigError(f"CountdownSec={_start(value)}: no time span such as 10, 10s or 1min")
    if not MIN_COUNTDOWN_S <= seconds <= MAX_COUNTDOWN_S:
        raise ConfigError(
            f"CountdownSec={_start(value)}: a countdown takes from {MIN_COUNTDOWN_S:g} s,"
            f" in which a person can stop it, to {MAX_COUNTDOWN_S:g} s"
        )
    return replace(settings, countdown_seconds=seconds)


def _seconds(value: str) -> float | None:
    span = parse_span(value)
    return None if span is None else span.total_seconds()


def _metrics_file(settings: Settings, value: str) -> Settings:
    if not value:
        return replace(settings, metrics_file=None)
    path = Path(value)
    # node_exporter's textfile collector reads no other names.
    if not path.is_absolute() or ".." in path.parts or "\0" in value or path.suffix != ".prom":
        raise ConfigError(
            f"TextFile={_start(value)}: no absolute path without '..' of a file whose name ends in"
            " .prom"
        )
    return replace(settings, metrics_file=path)


CRASH_TEST_ENABLED = ("CrashTest", "Enabled")
# A section is named as the D-Bus interface that shows what it sets, if there is one.
SETTERS: Mapping[tuple[str, str], Callable[[Settings, str], Settings]] = {
    ("Manager", "CrashDirectories"): _crash_directories,
    ("Manager", "SettleSec"): _settle_seconds,
    CRASH_TEST_ENABLED: _crash_test,
    ("CrashTest", "CountdownSec"): _countdown_seconds,
    ("Metrics", "TextFile"): _metrics_file,
}


def _checked(settings: Settings) -> tuple[Settings, tuple[str, ...]]:
    """Return the settings without those that do not go together, and why."""
    file = settings.metrics_file
    if file is None or not any(
        is_inside(bytes(file), directory) for directory in settings.directories
    ):
        return settings, ()
    problem = (
        f"TextFile={_start(str(file))}: it lies in a crash directory, where nothing is ever written"
    )
    return replace(settings, metrics_file=None), (problem,)


def _files(root: Path) -> Iterable[Path]:
    directories = [
        root / directory
        for directory in CONFIGURATION_DIRECTORIES
        if _is_owners(root / directory, root)
    ]
    main = [path for directory in directories if (path := directory / MAIN_FILE_NAME).is_file()]
    drop_ins: dict[str, Path] = {}
    for directory in directories:
        for path in sorted((directory / DROP_IN_DIRECTORY_NAME).glob("*.conf")):
            drop_ins.setdefault(path.name, path)
    return [*main[:1], *(path for _, path in sorted(drop_ins.items()))]


def _is_owners(directory: Path, root: Path) -> bool:
    """Return whether nobody but the machine's owner can have written into the directory.

    The daemon's own runtime directory is /run/kdumpd as well: whoever has taken it over must not be
    able to allow a crash.
    """
    try:
        status, owner = directory.stat(), root.stat().st_uid
    except OSError:
        return False
    return status.st_uid == owner and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _read(path: Path) -> str:
    """Return what the file says; nothing of a device, as /dev/null hides a file of its name."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    with os.fdopen(fd, encoding="utf-8") as file:
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode) or stat.S_ISFIFO(mode):
            raise IsADirectoryError(errno.EISDIR, "is no file")
        text = file.read(MAX_FILE_CHARACTERS + 1) if stat.S_ISREG(mode) else ""
    if len(text) > MAX_FILE_CHARACTERS:
        raise OSError(
            errno.EFBIG, f"is not read, as it has more than {MAX_FILE_CHARACTERS} characters"
        )
    return text
