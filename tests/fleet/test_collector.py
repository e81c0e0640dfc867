# SPDX-License-Identifier: GPL-2.0-or-later
"""What kdumpd tells on one machine is found in the journal of another, with its fields."""

import asyncio
import json
import re
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kdumpd.expose.journal_entries import MESSAGE_IDS
from kdumpd.model.events import EventKind
from tests.fleet.readme import blocks, commands
from tests.support.cores import Crash, flattened
from tests.support.daemon import Setup, running
from tests.support.journal import Journal
from tests.support.machine import Machine
from tests.support.namespace import MOUNTS_AS_ROOT, needs_root
from tests.support.process import BOUND, Message, ServiceError, end, output, program
from tests.support.prometheus import free_port, wait_for_port

pytestmark = [pytest.mark.bus, needs_root]

COMPLETE = f"MESSAGE_ID={MESSAGE_IDS[EventKind.CAPTURE_COMPLETE]}"
PACKAGE = "systemd-journal-remote"
# Where what the page says lies in a test; no systemd runs there that would give units their names.
PORT, JOURNALS, STATE = "19532", "/var/log/journal/remote", "/var/lib/systemd/journal-upload/state"
UNIT = "_SYSTEMD_UNIT=kdumpd.service"
# Certificates as a fleet has them: an authority's own, and one that it signed for 127.0.0.1.
CERTIFICATES = """
set -e
cd "$0"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem
openssl req -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -keyout key.pem -out request.pem
printf 'subjectAltName=IP:127.0.0.1\\n' >extensions
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=other -keyout other.key -out other.pem
openssl x509 -req -days 2 -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial \
    -extfile extensions -out certificate.pem
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """The place that journals are sent to."""

    directory: Path
    port: int
    state: Path

    def here(self, command: str) -> list[str]:
        """Return a command of the page, with what lies elsewhere in a test."""
        for there, here in (
            (PORT, str(self.port)),
            (JOURNALS, str(self.directory)),
            (STATE, str(self.state)),
            (UNIT, "SYSLOG_IDENTIFIER=kdumpd"),
        ):
            command = command.replace(there, here)
        name, *arguments = command.split()
        return [program(Path(name).name, PACKAGE), *arguments]

    async def entries(self, command: str) -> list[Message]:
        """Return what a journalctl of the page finds there."""
        argv = [*self.here(command.partition(" --output=json")[0]), "--output=json", "--quiet"]
        return [json.loads(line) for line in (await output(*argv)).splitlines()]

    async def wait_for(self, count: int, command: str) -> list[Message]:
        """Return the entries once there are so many."""
        found: list[Message] = []
        try:
            async with asyncio.timeout(20):
                while len(found := await self.entries(command)) < count:  # noqa: ASYNC110  # as is
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise ServiceError(f"not {count} entries, but {found}") from None
        return found


@pytest.fixture
def collector(tmp_path: Path) -> Collector:
    directory = tmp_path / "remote"
    directory.mkdir()
    return Collector(directory=directory, port=free_port(), state=tmp_path / "cursor")


@pytest.fixture
def setup(setup: Setup, journal: Journal) -> Setup:
    return replace(setup, prefix=journal.prefix)


@asynccontextmanager
async def run(*argv: str) -> AsyncIterator[Callable[[], str]]:
    """Run a program while the context lasts; its words are the error when it ends before."""
    with tempfile.TemporaryFile() as file:

        def words() -> str:
            file.seek(0)
            return file.read().decode(errors="replace")

        process = await asyncio.create_subprocess_exec(
            *BOUND, *argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
        try:
            yield words
        finally:
            alone = process.returncode is not None
            await end(process)
            if alone:
                raise ServiceError(f"{argv[0]} ended: {words()}")


async def test_an_event_ends_in_the_other_journal(
    machine: Machine, setup: Setup, journal: Journal, collector: Collector
) -> None:
    """By the commands of the page, over an upload that is interrupted."""
    (remote,), (upload,) = commands("systemd-journal-remote"), commands("systemd-journal-upload")
    every, unready, incomplete, some = commands("journalctl")
    assert COMPLETE.partition("=")[2] not in incomplete
    assert MESSAGE_IDS[EventKind.CAPTURE_INCOMPLETE] in incomplete
    uploading = [*journal.prefix, *collector.here(upload)]
    machine.kdump_tools("202611230113", flattened(Crash()))
    async with run(*collector.here(remote)), running(setup):
        await wait_for_port(collector.port)
        (told,) = await journal.wait_for(1, COMPLETE)
        async with run(*uploading):
            (entry,) = await collector.wait_for(1, f"{every} {COMPLETE}")
        fields = {name: text for name, text in told.items() if name.startswith("KDUMPD_")}
        assert fields["KDUMPD_CORE"] == "/var/crash/202611230113/dump.202611230113"
        assert {name: entry.get(name) for name in fields} == fields
        assert (entry["MESSAGE"], entry["PRIORITY"]) == (told["MESSAGE"], "2")
        assert entry["_UID"] == told["_UID"]
        assert await collector.entries(unready) == await collector.entries(incomplete) == []

        machine.kdump_tools("202611230114", flattened(Crash(crash_time=1795396474))[:-5000])
        await journal.wait_for(1, f"MESSAGE_ID={MESSAGE_IDS[EventKind.CAPTURE_INCOMPLETE]}")
        async with run(*uploading):
            (entry,) = await collector.wait_for(1, incomplete)
        assert entry["KDUMPD_STATE"] == "incomplete"
        told_here = {
            one["KDUMPD_EVENT"] for one in await journal.entries("SYSLOG_IDENTIFIER=kdumpd")
        }
        assert {one["KDUMPD_EVENT"] for one in await collector.entries(every)} == told_here
        printed = json.loads((await output(*collector.here(some))).splitlines()[-1])
        names = re.findall(r"--output-fields=(\S+)", some)[0].split(",")
        assert set(names) - printed.keys() <= {"KDUMPD_CLASS"}  # nothing says what this one died of


async def test_the_configuration_of_the_page_is_understood(
    machine: Machine, setup: Setup, journal: Journal, collector: Collector, tmp_path: Path
) -> None:
    """With encryption; and nothing is sent to a collector that the authority does not know."""
    keys = tmp_path / "keys"
    keys.mkdir()
    await output("sh", "-c", CERTIFICATES, str(keys), seconds=60)
    for name in ("remote", "upload"):
        configure(tmp_path / f"journal-{name}.conf", collector.port, keys, name)
    remote = configured(
        tmp_path / "journal-remote.conf",
        program("systemd-journal-remote", PACKAGE),
        f"--listen-https=127.0.0.1:{collector.port}",
        f"--output={collector.directory}",
    )
    upload = configured(
        tmp_path / "journal-upload.conf",
        program("systemd-journal-upload", PACKAGE),
        f"--save-state={collector.state}",
    )
    every, *_ = commands("journalctl")
    machine.kdump_tools("202611230113", flattened(Crash()))
    async with run(*remote) as words, running(setup):
        await wait_for_port(collector.port)
        async with asyncio.timeout(20):
            # As the page says of Debian's; said when the port is open already.
            while "Certificate checking disabled" not in words():  # noqa: ASYNC110  # a file
                await asyncio.sleep(0.05)
        async with run(*journal.prefix, *upload):
            (entry,) = await collector.wait_for(1, f"{every} {COMPLETE}")
        assert entry["KDUMPD_STATE"] == "complete"
        conf = tmp_path / "journal-upload.conf"
        conf.write_text(conf.read_text().replace("ca.pem", "other.pem"))
        with pytest.raises(ServiceError, match="certificate"):
            await output(*journal.prefix, *upload)


def configure(path: Path, port: int, keys: Path, name: str) -> None:
    """Write a configuration of the page, with what lies elsewhere in a test."""
    (text,) = [block for block in blocks("ini") if block.startswith(f"[{name.capitalize()}]")]
    for there, here in (
        ("collector.example:19532", f"127.0.0.1:{port}"),
        (f"/etc/ssl/private/journal-{name}.pem", str(keys / "key.pem")),
        (f"/etc/ssl/certs/journal-{name}.pem", str(keys / "certificate.pem")),
        ("/etc/ssl/ca/trusted.pem", str(keys / "ca.pem")),
    ):
        text = text.replace(there, here)
    assert "/etc/" not in text
    path.write_text(text)


def configured(path: Path, *argv: str) -> list[str]:
    """Return a command that finds its configuration where it belongs."""
    mount = f'mount --bind "$0" /etc/systemd/{path.name} && exec "$@"'
    return [*MOUNTS_AS_ROOT, "sh", "-c", mount, str(path), *argv]
