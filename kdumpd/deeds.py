# SPDX-License-Identifier: GPL-2.0-or-later
"""What the daemon does when a caller with the right to it asks."""

import asyncio
import os
from collections.abc import Awaitable, Collection
from datetime import UTC, datetime

from kdumpd.engine import Flow
from kdumpd.expose.dbus_methods import (
    ActionError,
    BusyError,
    MissingError,
    Objections,
    UnreadyError,
)
from kdumpd.ledger.database import LedgerError
from kdumpd.model.captures.capture import Capture, Layout
from kdumpd.model.captures.inspection import Inspected, InspectionError
from kdumpd.model.crash_test import Intent
from kdumpd.model.formats.mounts import is_inside
from kdumpd.observe.captures.apport_report import MOST_REPORT, ReportError, parse_report
from kdumpd.observe.captures.core_reader import Inspect
from kdumpd.observe.captures.open_files import Evidence, EvidenceError, NoEvidenceError, sealed

READING_SECONDS = 24.0  # a caller waits for 25 (libdbus, sd-bus)


class Deeds:
    """Looks, acknowledges, and opens what a capture holds."""

    def __init__(self, flow: Flow, evidence: Evidence, inspect: Inspect) -> None:
        self._flow = flow
        self._evidence = evidence
        self._inspect = inspect
        self._inspecting = asyncio.Lock()

    async def look(self) -> None:
        """Look at the machine now; returns when the state tells of it."""
        await self._flow.look()

    async def acknowledge(self, ids: Collection[str]) -> None:
        """Acknowledge the captures of these ids; returns when the state tells of it."""
        await self._flow.acknowledge(ids)

    async def record_test(self, id_: str, uid: int, objections: Objections) -> None:
        """Write down that the kernel is about to be crashed; returns when that is on disk."""
        overridden = [code for code, *_ in objections]
        intent = Intent(id=id_, uid=uid, overridden=overridden, at=datetime.now(UTC))
        try:
            await self._flow.record_test(intent)
        except LedgerError as error:
            raise UnreadyError(f"The test cannot be recorded: {error}.") from error

    async def open_core(self, id_: str) -> int:
        """Return a read-only descriptor of the capture's core, which the caller closes."""
        folder, capture = self._found(id_)
        return await _opened(self._evidence.open_core(folder, capture))

    async def open_dmesg(self, id_: str) -> int:
        """Return a read-only descriptor of its kernel log, which the caller closes.

        It is that of the file beside the core, else of memory with what was read out of the core.
        """
        folder, capture = self._found(id_)
        if not capture.dmesg_file:
            return await self._log_of_the_core(id_)
        fd = await _opened(self._evidence.open_dmesg(folder, capture))
        if _is_report(capture):
            return await asyncio.to_thread(_log_in_report, fd)
        if os.fstat(fd).st_size or not capture.core_file:
            return fd
        os.close(fd)
        return await self._log_of_the_core(id_)

    async def _log_of_the_core(self, id_: str) -> int:
        try:
            async with asyncio.timeout(READING_SECONDS), self._inspecting:
                inspected = await self._read(id_)
        except TimeoutError as error:
            raise BusyError("The kernel log takes long to be read. Try again later.") from error
        if inspected.log is None:
            raise MissingError(f"The core gives no kernel log: it {inspected.log_problem}.")
        return sealed(inspected.log)

    async def _read(self, id_: str) -> Inspected:
        fd = await self.open_core(id_)
        try:
            return await self._inspect(fd)
        except InspectionError as error:
            raise ActionError(f"The core gives no kernel log: {error}.") from error
        finally:
            os.close(fd)

    def _found(self, id_: str) -> tuple[bytes, Capture]:
        """Return a capture, and the crash folder that it lies in."""
        state = self._flow.state
        capture = state.captures.get(id_)
        for folder in state.folders:
            if capture is not None and is_inside(capture.directory, folder):
                return folder, capture
        raise MissingError(f"There is no capture {id_} any more.")


def _is_report(capture: Capture) -> bool:
    return capture.layout is Layout.APPORT


def _log_in_report(fd: int) -> int:
    try:
        return sealed(parse_report(os.pread(fd, MOST_REPORT, 0)))
    except (ReportError, OSError) as error:
        raise ActionError(f"apport's report gives no kernel log: {error}.") from error
    finally:
        os.close(fd)


async def _opened(opening: Awaitable[int]) -> int:
    try:
        return await opening
    except NoEvidenceError as error:
        raise MissingError(str(error)) from error
    except EvidenceError as error:
        raise ActionError(str(error)) from error
