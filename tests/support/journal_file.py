# SPDX-License-Identifier: GPL-2.0-or-later
"""Real journal files, made from text in the journal's export format."""

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.process import program

MACHINE_ID = "5b1e5f2d9c6c4d1f8b7a6e5d4c3b2a19"


def write_journal(
    directory: Path, boot_id: str, messages: Iterable[str], transport: str = "kernel"
) -> None:
    """Add a journal of one boot to a directory such as /var/log/journal, as journald does."""
    path = directory / MACHINE_ID / f"system@{boot_id}.journal"
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


Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Boot:
    """A boot as journald keeps it: when it began, and its entries by their second since then."""

    id: str  # 32 hexadecimal digits
    began: int  # seconds since 1970
    entries: Sequence[tuple[float, Fields]]
    machine_id: str = MACHINE_ID


def write_boots(directory: Path, *boots: Boot) -> Path:
    """Add a journal of several boots to a directory, in their order, and return the file."""
    name = f"{boots[0].id}-{boots[-1].id}"
    path = directory / boots[0].machine_id / f"system@{name}.journal"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(_export(boot, at, fields) for boot in boots for at, fields in boot.entries)
    subprocess.run(  # noqa: S603  # a program of systemd's, with arguments of our own
        [
            program("systemd-journal-remote", "systemd-journal-remote"),
            f"--output={path}",
            "--split-mode=none",
            "-",
        ],
        input=text.encode(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    return path


def _export(boot: Boot, at: float, fields: Fields) -> str:
    microseconds = int(at * 1_000_000)
    lines = {
        "__REALTIME_TIMESTAMP": str(boot.began * 1_000_000 + microseconds),
        "__MONOTONIC_TIMESTAMP": str(microseconds),
        "_BOOT_ID": boot.id,
        "_MACHINE_ID": boot.machine_id,
        **fields,
    }
    return "".join(f"{name}={value}\n" for name, value in lines.items()) + "\n"


def kernel(message: str) -> Fields:
    """Return an entry of the kernel's own."""
    return {
        "_TRANSPORT": "kernel",
        "SYSLOG_FACILITY": "0",
        "SYSLOG_IDENTIFIER": "kernel",
        "PRIORITY": "6",
        "MESSAGE": message,
    }


def opening(
    release: str = "6.1.0-56-amd64", command_line: str = "root=/dev/vda ro crashkernel=256M"
) -> list[tuple[float, Fields]]:
    """Return how a boot begins: the kernel's first words, and journald."""
    return [
        (0.0, kernel(f"Linux version {release} (debian-kernel@lists.debian.org) #1 SMP")),
        (0.1, kernel(f"Command line: BOOT_IMAGE=/boot/vmlinuz-{release} {command_line}")),
        (0.2, kernel("BIOS-provided physical RAM map:")),
        (0.3, kernel(f"Kernel command line: BOOT_IMAGE=/boot/vmlinuz-{release} {command_line}")),
        (0.4, kernel("Memory: 260916K/785908K available (14343K kernel code)")),
        (1.0, STARTED),
        (9.0, {"_TRANSPORT": "syslog", "_PID": "900", "_UID": "0", "MESSAGE": "at work"}),
    ]


_JOURNALD = {
    "_TRANSPORT": "driver",
    "_PID": "230",
    "_UID": "0",
    "_SYSTEMD_UNIT": "systemd-journald.service",
}
STARTED = {
    **_JOURNALD,
    "MESSAGE_ID": "f77379a8490b408bbe5f6940505a777b",
    "MESSAGE": "Journal started",
}
STOPPED = {
    **_JOURNALD,
    "MESSAGE_ID": "d93fb3c9c24d451a97cea615ce59c00b",
    "MESSAGE": "Journal stopped",
}
SHUTDOWN = {
    "_TRANSPORT": "journal",
    "_PID": "500",
    "_UID": "0",
    "_SYSTEMD_UNIT": "systemd-logind.service",
    "MESSAGE_ID": "98268866d1d54a499c4e98921d93bc40",
    "MESSAGE": "System is rebooting.",
}


def orderly(at: float) -> list[tuple[float, Fields]]:
    """Return how a boot ends in order, from this second on."""
    return [(at, SHUTDOWN), (at + 5, STOPPED)]
