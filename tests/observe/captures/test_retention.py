# SPDX-License-Identifier: GPL-2.0-or-later
import os
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpd.model.captures.retention import Retention
from kdumpd.model.formats.kdump_settings import parse_assignment
from kdumpd.observe.captures.retention import (
    parse_age,
    parse_ages,
    parse_apport_job,
    parse_number,
    read_retention,
)
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.shared_files import SharedFiles
from tests.support.machine import Machine

# The lines of apport 2.28's /etc/cron.daily/apport that matter.
JOB = r"""#!/bin/sh -e
# clean all crash reports which are older than a week.
[ -d /var/crash ] || exit 0
find /var/crash/. ! -name . -prune -type f \( \( -size 0 -a \! -name '*.upload*' \) -o -mtime +7 \) -exec rm -f -- '{}' \;
find /var/crash/. ! -name . -prune -type d -regextype posix-extended -regex '.*/[0-9]{12}$' \( -mtime +7 \) -exec rm -Rf -- '{}' \;
"""  # noqa: E501  # as it is
AGES = ((b"/var/lib/systemd/pstore", timedelta(days=14)),)


def test_nothing_to_read(machine: Machine) -> None:
    assert read_retention(SharedFiles(Files(machine.root))) == Retention()
    assert read_retention(SharedFiles(Files(Path("/nowhere")))) == Retention()


def test_everything(machine: Machine) -> None:
    machine.write("etc/cron.daily/apport", JOB)
    (machine.root / "etc/cron.daily/apport").chmod(0o755)
    machine.write("etc/default/kdump-tools", 'KDUMP_NUM_DUMPS=5\nKDUMP_COREDIR="/srv/crash"\n')
    machine.write("etc/sysconfig/kdump", 'KDUMP_KEEP_OLD_DUMPS="3"\n')
    machine.write(
        "usr/lib/tmpfiles.d/pstore.conf", "d /var/lib/systemd/pstore 0755 root root 14d\n"
    )
    assert read_retention(SharedFiles(Files(machine.root))) == Retention(
        apport_days=7,
        apport_file_days=7,
        most_dumps=5,
        dump_directory=b"/srv/crash",
        suse_keeps=3,
        ages=AGES,
    )


def test_a_job_that_does_not_run(machine: Machine) -> None:
    """run-parts passes over what nobody may execute."""
    machine.write("etc/cron.daily/apport", JOB)
    (machine.root / "etc/cron.daily/apport").chmod(0o644)
    assert read_retention(SharedFiles(Files(machine.root))).apport_days is None


@pytest.mark.parametrize(
    ("script", "days"),
    [
        (JOB, {b"f": 7, b"d": 7}),
        (JOB.replace("+7", "+30"), {b"f": 30, b"d": 30}),
        (JOB.replace("\nfind", "\n# find"), {}),
        ("find /var/crashes -type d -mtime +7 -delete\n", {}),
        ("find /var/crash -type d -delete\n", {}),
    ],
)
def test_apport_job(script: str, days: dict[bytes, int]) -> None:
    assert parse_apport_job(script.encode()) == days


@pytest.mark.parametrize(
    ("script", "number"),
    [
        ("KDUMP_NUM_DUMPS=5", 5),
        ("#KDUMP_NUM_DUMPS=5", None),
        ("KDUMP_NUM_DUMPS='5'\n", 5),
        (' export KDUMP_NUM_DUMPS="5" # few\n', 5),
        ("KDUMP_NUM_DUMPS=5\nKDUMP_NUM_DUMPS=2\n", 2),
        ("KDUMP_NUM_DUMPS=5\nKDUMP_NUM_DUMPS=\n", None),
        ("KDUMP_NUM_DUMPS=$FEW", None),
        ("KDUMP_NUM_DUMPS=99999999999", None),
        ("OTHER_KDUMP_NUM_DUMPS=5", None),
        ("KDUMP_NUM_DUMPS = 5", None),
        ("KDUMP_NUM_DUMPS=-1", -1),
    ],
)
def test_assignment(script: str, number: int | None) -> None:
    assert parse_number(parse_assignment(script.encode(), b"KDUMP_NUM_DUMPS")) == number


@pytest.mark.parametrize(
    ("text", "keeps"), [("0", None), ("-1", 0), ("5", 5), ("many", None), ("", None)]
)
def test_what_suse_keeps(machine: Machine, text: str, keeps: int | None) -> None:
    machine.write("etc/sysconfig/kdump", f'KDUMP_KEEP_OLD_DUMPS="{text}"\n')
    assert read_retention(SharedFiles(Files(machine.root))).suse_keeps == keeps


@pytest.mark.parametrize(
    ("text", "days"),
    [
        (b"14d", 14.0),
        (b"2w", 14.0),
        (b"1d12h", 1.5),
        (b"86400", 1.0),
        (b"abcm:3d", 3.0),
        (b"~1d", 1.0),
        *(
            (text, None)
            for text in (b"-", b"", b"0", b"d", b"14x", b"-1d", b"1d x", b"9" * 9 + b"w")
        ),
    ],
)
def test_age(text: bytes, days: float | None) -> None:
    assert parse_age(text) == (None if days is None else timedelta(days=days))


def test_ages() -> None:
    text = (
        b"#d /a 0755 root root 1d\nd /b 0755 root root 1d\nd /c 0755 root root -\nd /d 0755\n"
        b"f /e 0644 root root 1d\ne /f/*/g - - - 1d\nD! /h 0755 root root 1d extra\nQ /i/ - - - 2d"
    )
    day = timedelta(days=1)
    assert list(parse_ages([text])) == [(b"/b", day), (b"/h", day), (b"/i", 2 * day)]


def test_a_file_hides_its_namesake(machine: Machine) -> None:
    name = "systemd-pstore.conf"
    machine.write(f"usr/lib/tmpfiles.d/{name}", "d /var/lib/systemd/pstore 0755 root root 14d\n")
    machine.write("usr/lib/tmpfiles.d/README", "d /x 0755 root root 14d\n")
    assert read_retention(SharedFiles(Files(machine.root))).ages == AGES
    machine.write(f"etc/tmpfiles.d/{name}", "")
    assert read_retention(SharedFiles(Files(machine.root))).ages == ()


def test_what_is_no_file(machine: Machine) -> None:
    (machine.root / "etc/default/kdump-tools").mkdir(parents=True)
    (machine.root / "etc/sysconfig").mkdir()
    os.mkfifo(machine.root / "etc/sysconfig/kdump")
    machine.write("etc/cron.daily", "no directory")
    machine.write("etc/tmpfiles.d", "no directory")
    assert read_retention(SharedFiles(Files(machine.root))) == Retention()


@given(text=st.binary())
def test_any_text(text: bytes) -> None:
    list(parse_ages([text, b"d /x - - - " + text]))
    parse_apport_job(text)
    parse_number(parse_assignment(b"A=" + text, b"A"))
    parse_age(text)
