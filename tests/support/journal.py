# SPDX-License-Identifier: GPL-2.0-or-later
"""A real systemd-journald in a mount namespace of its own."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.namespace import ENTER, MOUNTS_AS_ROOT
from tests.support.process import BOUND, Json, Message, ServiceError, end, output, program

# journald reads the machine's kernel log and, worse, writes its own words into it: hence
# /dev/null, which it accepts. "Audit=" leaves the kernel's auditing as it is. An existing
# /run/log is hidden, because journalctl would show the machine's own journal from there.
SETUP = """
set -e
[ -d /run/systemd ] || mkdir /run/systemd
mount -t tmpfs tmpfs /run/systemd
mkdir /run/systemd/journal /run/systemd/journald.conf.d
printf '[Journal]\\nAudit=\\n' >/run/systemd/journald.conf.d/tests.conf
: >/run/systemd/journal/flushed
[ ! -d /run/log ] || mount -t tmpfs tmpfs /run/log
[ -d /var/log/journal ] || { mount -t tmpfs tmpfs /var/log; mkdir /var/log/journal; }
mount --bind "$1" /var/log/journal
[ "$2" = kernel ] || mount --bind /dev/null /dev/kmsg
echo ready
exec sleep infinity >&- 2>&-
"""


class Journal:
    """A journald that can be absent, there, hung and gone; its namespace stays."""

    def __init__(self, namespace: int) -> None:
        self._namespace = namespace  # the pid of a process in it
        self._journald: asyncio.subprocess.Process | None = None
        self._paused = False

    @property
    def prefix(self) -> tuple[str, ...]:
        """Put before a command: this journal is its system's; pid and directory stay the same."""
        return (*ENTER, str(self._namespace))

    async def start(self) -> None:
        """Start journald and wait until it says that it is ready."""
        if self._journald is not None:
            raise ServiceError("journald runs already")
        name = f"kdumpd-test-{uuid.uuid4()}"  # abstract: no path to grow too long
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify,
            tempfile.TemporaryFile() as words,
        ):
            notify.settimeout(0)
            notify.bind(f"\0{name}")
            self._journald = await asyncio.create_subprocess_exec(
                *self.prefix,
                *BOUND,
                program("systemd-journald", "systemd"),
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                env={"PATH": os.environ["PATH"], "NOTIFY_SOCKET": f"@{name}"},
            )
            loop = asyncio.get_running_loop()
            try:
                async with asyncio.timeout(10):
                    while b"READY=1" not in (await loop.sock_recv(notify, 4096)).split(b"\n"):
                        pass
            except TimeoutError:
                await self.stop()
                words.seek(0)
                raise ServiceError(f"journald is not ready: {words.read()!r}") from None

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End journald, paused or not, if it runs. Its socket file stays and refuses."""
        if self._journald is None:
            return
        process, self._journald = self._journald, None
        if self._paused and number is not signal.SIGKILL:
            process.send_signal(signal.SIGCONT)
        self._paused = False
        await end(process, number)

    def pause(self) -> None:
        """Make journald hang: its socket takes messages until the queue is full."""
        assert self._journald is not None
        self._journald.send_signal(signal.SIGSTOP)
        # It stops a little later. A dead one must not block us; WNOWAIT leaves it to asyncio.
        os.waitid(os.P_PID, self._journald.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        self._paused = True

    def resume(self) -> None:
        """Let a paused journald go on, with what was sent meanwhile."""
        assert self._journald is not None
        self._journald.send_signal(signal.SIGCONT)
        self._paused = False

    async def entries(self, *matches: str) -> list[Message]:
        """Return the entries that match (FIELD=value, as for journalctl), oldest first.

        A value is a str, bytes where it is not printable UTF-8, a list where a field is repeated.
        """
        if self._journald is not None and not self._paused:
            await output(*self.prefix, "journalctl", "--sync")
        printed = await output(
            *self.prefix, "journalctl", "--quiet", "--output=json", "--all", "--merge", *matches
        )
        return [
            {field: _value(value) for field, value in json.loads(line).items()}
            for line in printed.splitlines()
        ]

    async def wait_for(
        self,
        count: int,
        *matches: str,
        timeout: float = 10,  # noqa: ASYNC109 -- not to be forgotten, and it says what was there
    ) -> list[Message]:
        """Return the entries that match once there are `count` of them or more."""
        found: list[Message] = []
        try:
            async with asyncio.timeout(timeout):
                while True:
                    found = await self.entries(*matches)
                    if len(found) >= count:
                        return found
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise ServiceError(f"not {count} entries in {timeout} s, but {found}") from None


def _value(value: Json) -> Json:
    if not isinstance(value, list):
        return value
    if all(isinstance(item, int) for item in value):
        return bytes(value)
    return [_value(item) for item in value]


@asynccontextmanager
async def private_journal(
    directory: Path, *, started: bool = True, kernel_log: bool = False
) -> AsyncIterator[Journal]:
    """Make a namespace whose journal files are in `directory`, with journald in it if `started`.

    With `kernel_log` the machine's kernel log is read into the journal, as it usually is.
    """
    holder = await asyncio.create_subprocess_exec(
        *MOUNTS_AS_ROOT,
        *BOUND,
        *("sh", "-c", SETUP, "sh", str(directory), "kernel" if kernel_log else "-"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    journal = Journal(holder.pid)
    try:
        async with asyncio.timeout(10):
            assert holder.stdout is not None
            words = await holder.stdout.read()
        if words != b"ready\n":
            raise ServiceError(f"cannot make a namespace: {words.decode(errors='replace')}")
        if started:
            await journal.start()
        yield journal
    finally:
        try:
            await journal.stop()
        finally:
            await end(holder)
