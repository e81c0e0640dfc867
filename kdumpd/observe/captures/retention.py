# SPDX-License-Identifier: GPL-2.0-or-later
"""Read what the machine's own jobs remove: of cron, of systemd-tmpfiles, of the writers."""

import os
import re
from collections.abc import Iterable, Iterator
from datetime import timedelta

from kdumpd.model.captures.retention import KDUMP_TOOLS_CRASH_DIRECTORY, Retention
from kdumpd.model.formats.kdump_settings import (
    ShellSettings,
    parse_assignment,
    parse_shell_settings,
)
from kdumpd.model.text import parse_span
from kdumpd.observe.files import KDUMP_SYSCONFIG, Files
from kdumpd.observe.readiness.shared_files import SharedFiles

APPORT_JOB = "etc/cron.daily/apport"
# a file hides its namesakes
TMPFILES_DIRECTORIES = ("etc/tmpfiles.d", "run/tmpfiles.d", "usr/lib/tmpfiles.d")
TMPFILES_TYPES_WITH_AGE = b"dDevqQxC"  # types of tmpfiles.d(5) whose age is looked at
TMPFILES_PATH_FIELD, TMPFILES_AGE_FIELD = 1, 5  # the fields' places in a line
MAX_CONFIG_BYTES = 1 << 16
MAX_AGE = timedelta(days=36_500)
FIND_LINE = rb"[ \t]*find[ \t]+/var/crash\b"
FIND_TYPE_PATTERN = rb"-type[ \t]+([df])\b"
FIND_DAYS_PATTERN = rb"-mtime[ \t]+\+(\d{1,5})\b"


def read_retention(shared: SharedFiles) -> Retention:
    """Return what the machine's own jobs remove; nothing is raised for what is wrong.

    What cannot be read or understood removes nothing, as far as is known.
    """
    files, debian = shared.files, shared.kdump_tools
    days = parse_apport_job(_read(files, APPORT_JOB)) if _is_executable(files, APPORT_JOB) else {}
    settings = debian if isinstance(debian, ShellSettings) else parse_shell_settings(b"")
    keeps = parse_number(parse_assignment(_read(files, KDUMP_SYSCONFIG), b"KDUMP_KEEP_OLD_DUMPS"))
    return Retention(
        apport_days=days.get(b"d"),
        apport_file_days=days.get(b"f"),
        most_dumps=parse_number(settings.plain(b"KDUMP_NUM_DUMPS")) or None,
        dump_directory=settings.plain(b"KDUMP_COREDIR") or KDUMP_TOOLS_CRASH_DIRECTORY,
        suse_keeps=None if not keeps else max(0, keeps),
        ages=tuple(parse_ages(_read(files, name) for name in files.drop_ins(TMPFILES_DIRECTORIES))),
    )


def parse_apport_job(script: bytes) -> dict[bytes, int]:
    """Return how many days apport's daily job keeps files (f) and directories (d) in /var/crash."""
    found = {}
    for line in script.split(b"\n"):
        kind = re.search(FIND_TYPE_PATTERN, line) if re.match(FIND_LINE, line) else None
        days = re.compile(FIND_DAYS_PATTERN).search(line, kind.end()) if kind else None
        if kind and days:
            found[kind[1]] = int(days[1])
    return found


def parse_number(text: bytes) -> int | None:
    """Return the whole number, None for anything else."""
    return int(text) if re.fullmatch(rb"-?\d{1,6}", text) else None


def parse_ages(files: Iterable[bytes]) -> Iterator[tuple[bytes, timedelta]]:
    """Yield each path of these files of tmpfiles.d(5) whose contents are removed, and their age."""
    for text in files:
        for line in text.split(b"\n"):
            fields = line.split()
            if len(fields) <= TMPFILES_AGE_FIELD or fields[0][:1] not in TMPFILES_TYPES_WITH_AGE:
                continue
            path, span = (
                fields[TMPFILES_PATH_FIELD].rstrip(b"/"),
                parse_age(fields[TMPFILES_AGE_FIELD]),
            )
            if span is not None and path.startswith(b"/") and not re.search(rb"[*?\[%]", path):
                yield path, span


def parse_age(text: bytes) -> timedelta | None:
    """Return the time span of an age field such as 14d or 1d12h, None where it is none."""
    text = text.rpartition(b":")[2].removeprefix(b"~")
    span = parse_span(text.decode("utf-8", "replace"))
    return span if span is not None and timedelta() < span < MAX_AGE else None


def _is_executable(files: Files, name: str) -> bool:
    status = files.status(name)
    return isinstance(status, os.stat_result) and bool(status.st_mode & 0o111)


def _read(files: Files, name: str) -> bytes:
    """Return the beginning of a regular file, nothing where there is none."""
    content = files.head(name, MAX_CONFIG_BYTES)
    return content if isinstance(content, bytes) else b""
