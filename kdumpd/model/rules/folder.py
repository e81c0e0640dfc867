# SPDX-License-Identifier: GPL-2.0-or-later
"""The folders in which captures are looked for."""

from collections.abc import Iterator

from kdumpd.model.formats.kdump_settings import DumpSettings
from kdumpd.model.mending import to_mend
from kdumpd.model.readiness.facts import MachineFacts
from kdumpd.model.readiness.finding import Finding, Unknown, info, unknown, warning
from kdumpd.model.text import shown

MADE = ": the capture tool makes it when it saves a dump"
FAILS = ": a dump may not be saved"
NOBODY = ", and no capture tool would make it"


def crash_folder_missing(machine: MachineFacts) -> Iterator[Finding]:
    """Report a crash folder that does not exist: some tools make it, others fail."""
    settings = machine.storage.settings
    made = isinstance(settings, DumpSettings) and settings.makes_folder
    report = info if made else warning
    for folder in machine.folders if machine.kernel.present else ():
        if not (folder.present or folder.problem or folder.optional):
            name = shown(folder.path)
            yield report(
                "crash-folder-missing",
                f"the crash folder '{name}' does not exist"
                + (MADE if made else FAILS if report is warning else NOBODY),
                f"mkdir -m 0700 '{name}', or mount what belongs there",
            )


def crash_folder_unreadable(machine: MachineFacts) -> Iterator[Finding]:
    """Report a crash folder whose captures could not be seen."""
    for folder in machine.folders:
        if folder.problem:
            yield unknown(
                "crash-folder-unreadable",
                Unknown(folder.problem),
                _to_see(folder.path) if folder.hidden else _to_read(folder.problem),
            )


def _to_see(path: bytes) -> str:
    return (
        f"systemctl edit kdumpd, and write there [Service] and BindReadOnlyPaths={shown(path)}, a"
        " line each, then systemctl restart kdumpd: see kdumpd.conf(5)"
    )


def _to_read(problem: str) -> str:
    if "cannot be" in problem:
        return to_mend(problem)
    if "does not answer" in problem:
        return "see whether its disk answers: journalctl -k -p err"
    return "name the folder where captures really are by CrashDirectories= in kdumpd.conf"
