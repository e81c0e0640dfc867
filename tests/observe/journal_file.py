# SPDX-License-Identifier: GPL-2.0-or-later
"""Real journal files, made from text in the journal's export format."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.services.process import program

MACHINE_ID = "5b1e5f2d9c6c4d1f8b7a6e5d4c3b2a19"


def write_journal(
    folder: Path, boot_id: str, messages: Iterable[str], transport: str = "kernel"
) -> None:
    """Add a journal of one boot to a folder such as /var/log/journal, as journald lays it out."""
    path = folder / MACHINE_ID / f"system@{boot_id}.journal"
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = "".join(
        f"__REALTIME_TIMESTAMP={1700000000000000 + number}\n"
        f"__MONOTONIC_TIMESTAMP={number}\n"
        f"_BOOT_ID={boot_id}\n_TRANSPORT={transport}\nPRIORITY=6\nMESSAGE={message}\n\n"
        for number, message in enumerate(messages)
    )
    subprocess.run(  # noqa: S603  # a program of systemd's, with arguments of our own
        [
            program("systemd-journal-remote", "systemd-journal-remote"),
            f"--output={path}",
            "--split-mode=none",
            "-",
        ],
        input=entries.encode(),
        capture_output=True,
        check=True,
        timeout=60,
    )
