# SPDX-License-Identifier: GPL-2.0-or-later
"""Ask for all that readiness is judged from; a group of facts that hangs holds up no other."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from kdumpd.model.readiness.facts import (
    CaptureKernelFacts,
    MachineFacts,
    NextBootFacts,
    PolicyFacts,
    ReservationFacts,
    StorageFacts,
    SurroundingsFacts,
)
from kdumpd.observe.files import Files
from kdumpd.observe.policy import read_policy
from kdumpd.observe.readiness.crash_kernel import read_capture_kernel
from kdumpd.observe.readiness.kernel import read_kernel_facts, unread_kernel
from kdumpd.observe.readiness.next_boot import read_next_boot
from kdumpd.observe.readiness.reservation import ReservationReader
from kdumpd.observe.readiness.storage import read_storage
from kdumpd.observe.readiness.system import read_surroundings
from kdumpd.observe.threads import PatientThread, Start, StuckError
from kdumpd.observe.watcher import Watcher

PATIENCE = 5.0  # seconds; a caller waits for these and for captures
WATCHED = (
    "boot",
    "boot/grub",
    "boot/grub2",
    "boot/loader/entries",
    "etc/default",
    "etc/default/grub.d",
    "etc/sysconfig",
    "var/lib/kdump",
)
T = TypeVar("T")
Unread = Callable[[str], T]  # returns the facts of what could not be asked, given why


def watch_folders(files: Files, watcher: Watcher) -> None:
    """Have the folders watched in which kernels, initrds and their configuration are installed."""
    for name in WATCHED:
        try:
            fd = os.open(files.resolve(name), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            watcher.folder(fd)
        finally:
            os.close(fd)
    watcher.forget_others()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How questions are asked, and who is told on the loop when an answer comes too late."""

    start: Start
    on_late: Callable[[], object]


class Question(Generic[T]):
    """One group of facts: how it is read, and what stands for it when nothing answers in time."""

    def __init__(
        self,
        read: Callable[[], T],
        unread: Unread[T],
        asking: Asking,
        patience: float = PATIENCE,
    ) -> None:
        self._read = read
        self._unread = unread
        self._thread = PatientThread[T](patience, asking.on_late, asking.start)

    async def ask(self) -> T:
        """Return the facts."""
        try:
            return await self._thread.run(self._read)
        except StuckError as error:
            return self._unread(f"the machine's files do not answer: {error}")


class Conditions:
    """All groups of facts of the machine below one root."""

    def __init__(self, files: Files, watcher: Watcher, asking: Asking) -> None:
        self._watching = Question(lambda: watch_folders(files, watcher), lambda _: None, asking)
        self._kernel = Question(lambda: read_kernel_facts(files.root), unread_kernel, asking)
        self._reservation = Question(
            ReservationReader(files).read, lambda why: ReservationFacts(problem=why), asking
        )
        self._capture_kernel = Question(
            lambda: read_capture_kernel(files), lambda why: CaptureKernelFacts(problem=why), asking
        )
        self._next_boot = Question(
            lambda: read_next_boot(files), lambda why: NextBootFacts(problem=why), asking
        )
        self._storage = Question(
            lambda: read_storage(files), lambda why: StorageFacts(problem=why), asking
        )
        self._policy = Question(
            lambda: read_policy(files), lambda why: PolicyFacts(problem=why), asking
        )
        self._surroundings = Question(
            lambda: read_surroundings(files), lambda why: SurroundingsFacts(problem=why), asking
        )

    async def ask(self) -> MachineFacts:
        """Return what is known of the machine now, but for its crash folders and its services.

        What does not answer says so.
        """
        async with asyncio.TaskGroup() as group:
            # First: a change during the look brings another one.
            group.create_task(self._watching.ask())
            kernel = group.create_task(self._kernel.ask())
            reservation = group.create_task(self._reservation.ask())
            capture_kernel = group.create_task(self._capture_kernel.ask())
            next_boot = group.create_task(self._next_boot.ask())
            storage = group.create_task(self._storage.ask())
            policy = group.create_task(self._policy.ask())
            surroundings = group.create_task(self._surroundings.ask())
        return MachineFacts(
            kernel=kernel.result(),
            folders=(),
            reservation=reservation.result(),
            capture_kernel=capture_kernel.result(),
            next_boot=next_boot.result(),
            storage=storage.result(),
            policy=policy.result(),
            surroundings=surroundings.result(),
        )
