# SPDX-License-Identifier: GPL-2.0-or-later
"""The descriptor is taken as systemd passes it, and as nothing else."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from kdumpd.trigger.sysrq import DescriptorError, passed_descriptor

PID = 4711
# What the shell line of the unit's drop-in passes, and OpenFile= of a newer systemd would.
PASSED = {"LISTEN_FDS": "1", "LISTEN_PID": str(PID), "LISTEN_FDNAMES": "sysrq"}
# The program that takes a descriptor and says what it got, where nothing of pytest's is open.
TAKE = """
import fcntl, os
from kdumpd.trigger.sysrq import DescriptorError, passed_descriptor
try:
    fd = passed_descriptor(os.environ, os.getpid())
except DescriptorError as error:
    print(error)
else:
    print(fd, fcntl.fcntl(fd, fcntl.F_GETFD) == fcntl.FD_CLOEXEC)
"""


def taken(shell: str, stdout: int | Path) -> None:
    """Run a shell line that begins the program, with this for its stdout."""
    out = stdout if isinstance(stdout, int) else os.open(stdout, os.O_WRONLY | os.O_CREAT)
    subprocess.run(  # noqa: S603  # ours
        ["sh", "-c", shell, "sh", sys.executable, "-c", TAKE],  # noqa: S607
        stdout=out,
        check=True,
        timeout=60,
    )


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    with closing(os.fdopen(read, "rb")), closing(os.fdopen(write, "wb")):
        yield read, write


LISTEN = "LISTEN_FDS=1 LISTEN_PID=$$ LISTEN_FDNAMES=sysrq exec"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {**PASSED, "LISTEN_PID": "1"},
        {**PASSED, "LISTEN_PID": ""},
        {**PASSED, "LISTEN_FDS": "0", "LISTEN_FDNAMES": ""},
        {**PASSED, "LISTEN_FDS": "2"},
        {**PASSED, "LISTEN_FDS": "one"},
        {**PASSED, "LISTEN_FDS": "-1"},
        {**PASSED, "LISTEN_FDS": "99999", "LISTEN_FDNAMES": "sysrq:" + "x:" * 99_998},
        {**PASSED, "LISTEN_FDNAMES": "unknown"},
        {**PASSED, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "sysrq:sysrq"},
        {name: value for name, value in PASSED.items() if name != "LISTEN_FDNAMES"},
    ],
)
def test_what_was_not_passed(environment: dict[str, str]) -> None:
    with pytest.raises(DescriptorError, match=r"The unit has it from its drop-in sysrq.conf"):
        passed_descriptor(environment, PID)


def test_as_systemd_passes_it(tmp_path: Path) -> None:
    said = tmp_path / "said"
    with pipe() as (_, write):
        taken(f'exec 3>&1 1>{said}; {LISTEN} "$@"', write)
    assert said.read_text() == "3 True\n"


def test_as_systemd_opens_it_for_openfile(tmp_path: Path) -> None:
    said, trigger = tmp_path / "said", tmp_path / "trigger"
    trigger.touch()
    taken(f'exec 3<>{trigger} 1>{said}; {LISTEN} "$@"', subprocess.DEVNULL)
    assert said.read_text() == "3 True\n"


def test_which_of_several_is_named(tmp_path: Path) -> None:
    said = tmp_path / "said"
    listen = "LISTEN_FDS=2 LISTEN_PID=$$ LISTEN_FDNAMES=other:sysrq exec"
    with pipe() as (_, write):
        taken(f'exec 3</dev/null 4>&1 1>{said}; {listen} "$@"', write)
    assert said.read_text() == "4 True\n"


@pytest.mark.parametrize(
    ("opened", "words"),
    [
        ("exec 3>&-", "descriptor 3 is not open"),
        ("exec 3</dev/null", "is not open for writing"),
    ],
)
def test_a_descriptor_that_is_none(tmp_path: Path, opened: str, words: str) -> None:
    said = tmp_path / "said"
    taken(f'{opened} 1>{said}; {LISTEN} "$@"', subprocess.DEVNULL)
    assert words in said.read_text()


def test_one_that_is_stdout_as_well_is_refused_and_printed_to_by_nobody() -> None:
    """As when the shell line forgets to move it away: print() would be a command."""
    with pipe() as (read, write):
        taken(f'exec 3>&1; {LISTEN} "$@"', write)
        os.set_blocking(read, False)
        with pytest.raises(BlockingIOError):
            os.read(read, 1)
