# SPDX-License-Identifier: GPL-2.0-or-later
"""Gather what the objections follow from: files, kdumpd and logind, each within a bound."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from kdumpd.dbus.messages import BusError, CallError
from kdumpd.observe.files import Files
from kdumpd.observe.threads import PatientThread, StuckError, ThreadError
from kdumpd.trigger.facts import Facts, MachineFacts
from kdumpd.trigger.kdumpd import Kdumpd
from kdumpd.trigger.logind import Logind
from kdumpd.trigger.machine import read_machine

FILES_SECONDS = 5.0


class Survey(Protocol):
    """Somebody who knows what there is to know before a crash."""

    async def look(self, uid: int) -> Facts:
        """Return what is known now, for a crash that this user asks for."""

    async def look_anew(self, uid: int) -> Facts:
        """Return the same, after kdumpd has looked at the machine once more."""


class MachineSurvey:
    """The machine below one root, and who answers on the bus."""

    def __init__(self, root: Path, kdumpd: Kdumpd, logind: Logind) -> None:
        self._files = Files(root)
        self._kdumpd = kdumpd
        self._logind = logind
        self._thread = self._new_thread()

    async def look(self, uid: int) -> Facts:
        """Return what is known now, for a crash that this user asks for."""
        machine, kdumpd, people = await asyncio.gather(
            self._machine(), self._kdumpd.read(), self._logind.read()
        )
        at = datetime.now(UTC)
        return Facts(at=at, uid=uid, machine=machine, kdumpd=kdumpd, people=people)

    async def look_anew(self, uid: int) -> Facts:
        """Return the same, after kdumpd has looked at the machine once more."""
        outdated = ""
        try:
            await self._kdumpd.look()
        except (BusError, CallError) as error:
            outdated = str(error)
        facts = await self.look(uid)
        return replace(facts, kdumpd=replace(facts.kdumpd, outdated=outdated))

    async def _machine(self) -> MachineFacts:
        try:
            return await self._thread.run(lambda: read_machine(self._files))
        except (StuckError, ThreadError) as error:
            return MachineFacts(
                problem=f"the machine's files do not tell what they should: {error}"
            )

    def _renew(self) -> None:
        """Have the next look read all anew: what came too late is no answer to it."""
        self._thread = self._new_thread()

    def _new_thread(self) -> PatientThread[MachineFacts]:
        return PatientThread(FILES_SECONDS, self._renew)
