# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpd as its clients see it, over D-Bus or by one look without the daemon, as plain values."""

import asyncio
import json
import os
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from kdumpd.arguments import CHILD_ENVIRONMENT, isolated
from kdumpd.dbus.connection import Connection
from kdumpd.dbus.messages import (
    ALL_OBJECTS_BYTES,
    BUS_SENTENCES,
    CAPTURE_INTERFACE,
    CAPTURES_PATH,
    CRASH_TEST_INTERFACE,
    KDUMPD_BUS_NAME,
    KDUMPD_PATH,
    MANAGER_INTERFACE,
    OBJECT_MANAGER_INTERFACE,
    PEER_INTERFACE,
    PROPERTIES_INTERFACE,
    BusError,
    CallError,
    CallOptions,
    Target,
)
from kdumpd.json_output import properties_of
from kdumpd.model.readiness.report import EXIT_STATUS
from kdumpd.model.vocabulary import CaptureState, Readiness

MASKED_ERROR = "org.freedesktop.systemd1.UnitMasked"
# It was there, or was started for the question, and is gone: its log says why.
ENDED_ERROR = "org.freedesktop.DBus.Error.NoReply"
NOT_RUNNING_ERRORS = {
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    "org.freedesktop.DBus.Error.TimedOut",
}
# What the bus says where it could not start the service: itself, or systemd for it (sd-bus,
# bus-common-errors.h: disabled, unreadable, broken, masked).
ACTIVATION_ERROR_PREFIXES = ("org.freedesktop.DBus.Error.Spawn.", "org.freedesktop.systemd1.")


MASK_PATHS = (Path("/etc/systemd/system"), Path("/run/systemd/system"))


def is_masked(unit: str) -> bool:
    """Return whether an administrator has masked the unit (systemd.unit(5)).

    The bus says so only of one that is enabled, too: the name it starts is an alias.
    """
    return any(
        (directory / f"{unit}.service").resolve() == Path(os.devnull) for directory in MASK_PATHS
    )


class AbsentError(Exception):
    """Nobody answers for the service; the text says so, without the bus and a full stop."""

    def __init__(self, words: str, *, is_masked: bool = False) -> None:
        super().__init__(words)
        self.is_masked = is_masked  # an administrator does not want it to be started


def _is_of_a_start(error: CallError) -> bool:
    """Return whether the bus says that nobody serves the name, or that it cannot be started.

    Of a unit that cannot be loaded systemd gives an errno, so any name may stand there: an alias of
    a unit that is masked is org.freedesktop.DBus.Error.FileExists (core/dbus-unit.c).
    """
    if error.name in NOT_RUNNING_ERRORS or error.name.startswith(ACTIVATION_ERROR_PREFIXES):
        return True
    return error.of_the_bus and error.name not in BUS_SENTENCES


@contextmanager
def absence(words: str, name: str) -> Iterator[None]:
    """Turn the bus's errors that say so into an AbsentError with these words, or of this name."""
    try:
        yield
    except CallError as error:
        if error.name == MASKED_ERROR:
            raise AbsentError(words, is_masked=True) from error
        if error.name == ENDED_ERROR:
            raise AbsentError(f"{name} ended before it answered") from error
        if _is_of_a_start(error):
            raise AbsentError(words) from error
        raise


T = TypeVar("T")
SILENCE_S = 1.0  # without an answer, after which systemd is asked about the unit
UNIT_INTERFACE = "org.freedesktop.systemd1.Unit"
# Where the unit NAME.service is to be found (sd_bus_path_encode(3)).
UNIT_PATHS = {
    "kdumpd": "/org/freedesktop/systemd1/unit/kdumpd_2eservice",
    "kdumpd-trigger": "/org/freedesktop/systemd1/unit/kdumpd_2dtrigger_2eservice",
}


async def answer_of(
    connection: Connection, bus_name: str, unit: str, call: Coroutine[Any, Any, T]
) -> T:
    """Return the answer to a call that may start the unit; AbsentError once the start has failed.

    systemd does not tell dbus-daemon of a unit that fails after its start began: the bus then waits
    for the name as long as for a start that succeeds.
    """
    asking = asyncio.create_task(call)
    failure = asyncio.create_task(_failure(connection, bus_name, unit))
    try:
        await asyncio.wait([asking, failure], return_when=asyncio.FIRST_COMPLETED)
        if not asking.done() and failure.result():
            raise AbsentError(f"{unit} ended before it answered")
        return await asking
    finally:
        asking.cancel()
        failure.cancel()
        await asyncio.wait([asking, failure])


async def _failure(connection: Connection, bus_name: str, unit: str) -> bool:
    """Return True once the unit has failed and nobody has the name; False without systemd.

    A unit that is still to be started has a job.
    """
    target = Target("org.freedesktop.systemd1", UNIT_PATHS[unit], PROPERTIES_INTERFACE)
    try:
        while True:
            await asyncio.sleep(SILENCE_S)
            if await connection.owner(bus_name):
                continue
            (properties,) = await connection.call(target, "GetAll", "s", [UNIT_INTERFACE])
            job, _ = properties["Job"]
            failed = properties["ActiveState"] == "failed"
            if not job and (failed or "auto-restart" in properties["SubState"]):
                return True
    except (BusError, CallError):
        return False


Properties = Mapping[str, Any]


class SelectionError(Exception):
    """The capture that was asked for is not there, or not just one."""


def select(captures: Sequence[Properties], id_: str | None) -> Properties:
    """Return the capture whose id begins so, without one the newest; SelectionError for none.

    What a stranger put there is meant only by its id, and so is what is gone. A crash without a
    known time counts as older than those with one.
    """
    if not captures:
        raise SelectionError("No captures found.")
    if id_ is None:
        return _newest(captures)
    matching = [capture for capture in captures if capture["Id"].startswith(id_.lower())]
    if not matching:
        raise SelectionError(f"No capture with the id '{id_}'. See: kdumpdctl list")
    if len(matching) > 1:
        ids = " ".join(capture["Id"] for capture in matching)
        raise SelectionError(f"'{id_}' is the beginning of several ids: {ids}")
    return matching[0]


def _newest(captures: Sequence[Properties]) -> Properties:
    there = [capture for capture in captures if capture["State"] != CaptureState.GONE]
    if not there:
        raise SelectionError(
            "All captures are gone. To see what is known of one, name its id: kdumpdctl list"
        )
    trusted = [capture for capture in there if capture["Trusted"]]
    if not trusted:
        raise SelectionError(
            "No captures found but what is not to be trusted: name its id, see kdumpdctl list"
        )
    return ([capture for capture in trusted if capture["CrashedAt"]] or trusted)[-1]


def select_all(captures: Sequence[Properties], ids: Sequence[str]) -> list[Properties]:
    """Return the captures whose ids begin so, the newest without any; SelectionError for none."""
    return [select(captures, id_) for id_ in ids or (None,)]


def age(capture: Properties) -> tuple[bool, int, str]:
    """Return what sorts captures: the newest crash last, and what a stranger put there first."""
    return capture["Trusted"], capture["CrashedAt"] or capture["FoundAt"], capture["Id"]


# Objections of kdumpd-trigger that are fatal, by the findings that are their cause.
OBSTACLE_SENTENCES = {
    "container": "the kernel is that of the container's host",
    "crash-kernel-running": "the crash kernel runs, and has a dump to save",
    "live-system": "a live system forgets the dump at the reboot",
}


def obstacle_line(manager: Properties) -> str:
    """Return why a crash test is refused whatever is done, empty where one can be made."""
    codes = [code for code, *_ in manager["Findings"]]
    why = next((why for code, why in OBSTACLE_SENTENCES.items() if code in codes), "")
    if not why and manager["Readiness"] == Readiness.UNSUPPORTED:
        why = "the kernel cannot capture its own crash"
    return f"Crash test: not possible here, as {why}" if why else ""


KDUMPD_ABSENT = "kdumpd does not run"
# kdumpd connects to the bus anew while somebody floods it, and what it was asked before is lost.
REPEATS = 60
# Longer than the daemon takes to ask polkit and open a file, with and without a person's password.
PASSWORD_CALL_OPTIONS = CallOptions(seconds=180.0, interactive=True, repeats=REPEATS)
# On a busy machine 10,000 captures take long to be put into one message, and to be read out of it.
LIST_CALL_OPTIONS = CallOptions(seconds=120.0, max_answer_bytes=ALL_OBJECTS_BYTES, repeats=REPEATS)
PLAIN_CALL_OPTIONS = CallOptions(seconds=60.0, repeats=REPEATS)


class Daemon:
    """The daemon at the other end of a connection. AbsentError where there is none.

    The bus starts it for each question, or for `start` only.
    """

    def __init__(self, connection: Connection, *, starts: bool = True) -> None:
        self._connection = connection
        self._read_call_options = CallOptions(repeats=REPEATS, starts=starts)

    async def start(self) -> None:
        """Have the bus start the daemon where it does not run, once."""
        target = Target(KDUMPD_BUS_NAME, KDUMPD_PATH, PEER_INTERFACE)
        await self._ask(target, "Ping", call_options=CallOptions())

    async def manager(self) -> Properties:
        """Return the properties of org.kdumpd1.Manager."""
        return await self.properties(KDUMPD_PATH, MANAGER_INTERFACE)

    async def crash_test(self) -> Properties:
        """Return the properties of org.kdumpd1.CrashTest."""
        return await self.properties(KDUMPD_PATH, CRASH_TEST_INTERFACE)

    async def revalidate(self) -> None:
        """Have readiness judged now."""
        await self._ask(Target(KDUMPD_BUS_NAME, KDUMPD_PATH, MANAGER_INTERFACE), "Revalidate")

    async def captures(self) -> list[Properties]:
        """Return the properties of every capture, the newest crash last, strangers' files first."""
        target = Target(KDUMPD_BUS_NAME, KDUMPD_PATH, OBJECT_MANAGER_INTERFACE)
        (objects,) = await self._ask(target, "GetManagedObjects", call_options=LIST_CALL_OPTIONS)
        found = [
            interfaces[CAPTURE_INTERFACE]
            for interfaces in objects.values()
            if CAPTURE_INTERFACE in interfaces
        ]
        return sorted(found, key=age)

    async def open_dmesg(self, id_: str, *, interactive: bool) -> int:
        """Return a descriptor of the capture's kernel log, which the caller closes."""
        call_options = PASSWORD_CALL_OPTIONS if interactive else PLAIN_CALL_OPTIONS
        call = self._connection.call_for_descriptor(_capture(id_), "OpenDmesg", call_options)
        with absence(KDUMPD_ABSENT, "kdumpd"):
            return await answer_of(self._connection, KDUMPD_BUS_NAME, "kdumpd", call)

    async def acknowledge(self, id_: str, *, interactive: bool) -> None:
        """Acknowledge one capture."""
        await self._order(_capture(id_), "Acknowledge", interactive=interactive)

    async def acknowledge_all(self, *, interactive: bool) -> None:
        """Acknowledge all captures."""
        await self._order(
            Target(KDUMPD_BUS_NAME, KDUMPD_PATH, MANAGER_INTERFACE),
            "AcknowledgeAll",
            interactive=interactive,
        )

    async def properties(self, path: str, interface: str) -> Properties:
        """Return the properties of one interface of an object."""
        target = Target(KDUMPD_BUS_NAME, path, PROPERTIES_INTERFACE)
        (properties,) = await self._ask(target, "GetAll", "s", interface)
        return dict(properties)

    async def _order(self, target: Target, member: str, *, interactive: bool) -> None:
        await self._ask(
            target,
            member,
            call_options=PASSWORD_CALL_OPTIONS if interactive else PLAIN_CALL_OPTIONS,
        )

    async def _ask(
        self,
        target: Target,
        member: str,
        signature: str = "",
        *body: object,
        call_options: CallOptions | None = None,
    ) -> list[Any]:
        call = self._connection.call(
            target, member, signature, list(body), call_options or self._read_call_options
        )
        with absence(KDUMPD_ABSENT, "kdumpd"):
            return await answer_of(self._connection, KDUMPD_BUS_NAME, "kdumpd", call)


def _capture(id_: str) -> Target:
    return Target(KDUMPD_BUS_NAME, f"{CAPTURES_PATH}/{id_}", CAPTURE_INTERFACE)


class Answers(Protocol):
    """The daemon, or a look without it."""

    async def manager(self) -> Properties:
        """Return the properties of org.kdumpd1.Manager, or those that are known."""

    async def revalidate(self) -> None:
        """Have readiness judged now."""

    async def captures(self) -> list[Properties]:
        """Return the properties of every capture, the newest crash last, strangers' files first."""


ONESHOT_TIMEOUT_S = 60.0  # more than a look takes where a crash directory does not answer
EXIT_NO_CAPTURES = 1
KDUMPD_COMMAND = isolated("kdumpd.daemon")


class LookError(Exception):
    """There is no answer without the daemon either; the text says why."""


class LookWithoutDaemon:
    """What the machine below a root is, and what lies in its crash directories."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def manager(self) -> Properties:
        """Return those properties of org.kdumpd1.Manager that are about readiness."""
        return properties_of(await self._ask("--check", *EXIT_STATUS.values()))

    async def revalidate(self) -> None:
        """Do nothing: whoever asks has the machine looked at."""

    async def captures(self) -> list[Properties]:
        """Return the properties of every capture, the newest crash last, strangers' files first.

        That one is gone, was acknowledged, or was found before, nobody knows.
        """
        records = await self._ask("--list", 0, EXIT_NO_CAPTURES)
        return sorted((properties_of(record) for record in records), key=age)

    async def _ask(self, question: str, *answered: int) -> Any:  # noqa: ANN401  # any JSON
        """Return the answer; LookError where there is none in time. No process is left."""
        child = await asyncio.create_subprocess_exec(
            *KDUMPD_COMMAND,
            *(question, "--json=short", "--root", str(self._root)),
            stdin=DEVNULL,
            stdout=PIPE,
            env=CHILD_ENVIRONMENT,
        )
        try:
            async with asyncio.timeout(ONESHOT_TIMEOUT_S):
                out, _ = await child.communicate()
        except TimeoutError as error:
            raise LookError(
                f"kdumpd {question} had no answer after {ONESHOT_TIMEOUT_S:g} s"
            ) from error
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode not in answered:
            raise LookError(f"kdumpd {question} failed with exit status {child.returncode}")
        return json.loads(out)
