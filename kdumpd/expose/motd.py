# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell whoever logs in of a crash that nobody has acknowledged, and of a machine not ready for one.

pam_motd shows the files in /run/motd.d, also where one is a link, and is silent about a link that
leads nowhere (Linux-PAM 1.5.2, modules/pam_motd/pam_motd.c). It reads them as the user who logs in,
so the file is one that everybody may read.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from kdumpd.expose.journal_entries import entry_of, public_message
from kdumpd.expose.textfile import TextFile
from kdumpd.model.captures.capture import by_time
from kdumpd.model.events import capture_event, unacknowledged
from kdumpd.model.readiness.report import sentence
from kdumpd.model.state import State
from kdumpd.model.vocabulary import Readiness

MOTD_FILE_NAME = "motd"


class Motd:
    """The file with a word for whoever logs in; there is none while all is well."""

    def __init__(self, file: TextFile) -> None:
        self._file = file

    async def show(self, state: State) -> None:
        """Tell what a person should know."""
        self._file.put("".join(f"{line}\n" for line in lines(state)))

    async def run(self) -> None:
        """Write what is told, for ever."""
        await self._file.run()


def motd_path(environment: Mapping[str, str]) -> Path | None:
    """Return where the file belongs: in the directory that systemd made for it to die with us.

    Without RuntimeDirectory= in the unit there is none (systemd.exec(5)).
    """
    directory = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(directory, MOTD_FILE_NAME) if directory.startswith("/") else None


def lines(state: State) -> Iterator[str]:
    """Yield what a person who logs in should know, a line each; nothing while all is well."""
    waiting = [state.captures[id_] for id_ in unacknowledged(state)]
    if waiting:
        last = max(waiting, key=by_time)
        event = capture_event(last, last.found_at)
        hidden = state.log_restricted or not last.listable
        yield public_message(event) if hidden else entry_of(event).message
        yield f"{_count(len(waiting))}: see kdumpdctl list, and kdumpdctl acknowledge"
    verdict = state.verdict
    # A change that has not stood yet, such as at boot before anything is loaded, is no news.
    if verdict and verdict.readiness is Readiness.NOT_READY and state.change is None:
        yield f"{sentence(verdict.readiness, verdict.findings)} See kdumpdctl check"


def _count(crashes: int) -> str:
    if crashes == 1:
        return "Nobody has acknowledged this crash yet"
    return f"Nobody has acknowledged this crash and {crashes - 1} more"
