# SPDX-License-Identifier: GPL-2.0-or-later
from dataclasses import replace

import pytest

from kdumpd.model.crashlog.lines import LogLine, TaskLine, parse_task_line

NEW = b" Not tainted 6.1.0-56-amd64 #1"


@pytest.mark.parametrize(
    ("text", "task"),
    [
        (b"CPU: 0 PID: 1 Comm: init" + NEW, TaskLine(0, 1, "init", "", armed=False)),
        (b"CPU: 0 PID: 1 Comm: init Kdump: loaded" + NEW, TaskLine(0, 1, "init", "", armed=True)),
        (
            b"CPU: 12 UID: 0 PID: 34 Comm: a b Kdump: loaded Tainted: G    B   W  OE   6.12.0",
            TaskLine(
                12,
                34,
                "a b",
                "bad page, warned before, out-of-tree module, unsigned module (G BWOE)",
                armed=True,
            ),
        ),
        (
            b"CPU: 0 PID: 1 Comm: init Tainted: G           OE  ------------ T 3.10.0-957.el7 #1",
            TaskLine(
                0,
                1,
                "init",
                "out-of-tree module, unsigned module, structure layout randomised (G OET)",
            ),
        ),
        (b"Pid: 14, comm: java Not tainted 2.6.32-573.el6 #1 VM", TaskLine(None, 14, "java")),
        (b"CPU: 0 PID: 1 Comm: init Not tainted 4.9.0 #1", TaskLine(0, 1, "init")),
        (b"CPU: 0 PID: 1 Comm: x Kdump: loaded" + NEW, TaskLine(0, 1, "x", "", armed=True)),
        # names that somebody chose
        (
            b"CPU: 0 PID: 1 Comm:  Not tainted 6. Tainted: P             6.1.0 #1",
            TaskLine(0, 1, " Not tainted 6.", "proprietary module (P)", armed=False),
        ),
        (b"CPU: 0 PID: 1 Comm: a Kdump: no" + NEW, TaskLine(0, 1, "a Kdump: no", "", armed=False)),
        (b"CPU: 0 PID: 1 Comm: \x1b[2J\xff" + NEW, TaskLine(0, 1, r"\x1b[2J\xff", "", armed=False)),
        # the end of the log, or of the name's first line
        (b"CPU: 0 PID: 1 Comm: in", TaskLine(0, 1, "in")),
        (b"CPU: 0 PID: 1 Comm: " + b"a" * 99, TaskLine(0, 1, "a" * 16)),
    ],
)
def test_task_line(text: bytes, task: TaskLine) -> None:
    parsed = parse_task_line(LogLine(text))
    assert parsed is not None
    assert replace(parsed, kernel_release="") == task
    assert parsed.kernel_release.encode() in text


@pytest.mark.parametrize(
    ("text", "release"),
    [
        (b"CPU: 0 PID: 1 Comm: init" + NEW, "6.1.0-56-amd64"),
        (
            b"CPU: 0 PID: 1 Comm:  Not tainted 6. Tainted: G   W   6.12.0+deb13 #1",
            "6.12.0+deb13",
        ),
        (b"CPU: 0 PID: 1 Comm: init", ""),
    ],
)
def test_kernel_release(text: bytes, release: str) -> None:
    parsed = parse_task_line(LogLine(text))
    assert parsed is not None
    assert parsed.kernel_release == release


@pytest.mark.parametrize(
    "text", [b"", b"CPU: 0", b"CPU: x PID: 1 Comm: a", b" CPU: 0 PID: 1 Comm: a"]
)
def test_another_line(text: bytes) -> None:
    assert parse_task_line(LogLine(text)) is None
