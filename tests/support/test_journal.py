# SPDX-License-Identifier: GPL-2.0-or-later
import json
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.journal import Journal, private_journal
from tests.support.namespace import ROOT, needs_root
from tests.support.process import ServiceError, output

pytestmark = needs_root

QUEUE = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())  # datagrams in a socket

SEND = """
import json, sys
from systemd import journal
for fields in json.load(open(sys.argv[1])):
    try:
        print(journal.send(fields.pop("MESSAGE"), **fields))
    except OSError as error:
        print(type(error).__name__)
"""


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with private_journal(tmp_path) as journal:
        yield journal


async def send(
    journal: Journal, directory: Path, *entries: dict[str, Any], seconds: float = 10
) -> str:
    """Send from a program started with the prefix; return what each send returned or raised."""
    path = directory / "entries.json"
    path.write_text(json.dumps(entries))
    argv = [*journal.prefix, sys.executable, "-c", SEND, str(path)]
    return (await output(*argv, seconds=seconds)).decode().strip()


async def test_entries_come_back(journal: Journal, tmp_path: Path) -> None:
    sent = {"MESSAGE": "one\ntwo", "KDUMPD_EVENT": "a", "PRIORITY": 2}
    assert await send(journal, tmp_path, sent) == "None"
    (entry,) = await journal.wait_for(1, "KDUMPD_EVENT=a")
    assert entry["MESSAGE"] == "one\ntwo"
    assert entry["PRIORITY"] == "2"
    assert entry["_TRANSPORT"] == "journal"
    assert await journal.entries("KDUMPD_EVENT=b") == []
    assert await journal.entries("_TRANSPORT=kernel") == []


async def test_binary_and_repeated_fields(journal: Journal, tmp_path: Path) -> None:
    native = tmp_path / "native"
    raw = b"KDUMPD_CORE\n" + (2).to_bytes(8, "little") + b"\xff\x01\n"
    native.write_bytes(b"MESSAGE=raw\n" + raw + b"KDUMPD_CLASS=a\nKDUMPD_CLASS=b\n")
    script = (
        "import socket, sys;"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM);"
        "s.sendto(open(sys.argv[1], 'rb').read(), '/run/systemd/journal/socket')"
    )
    await output(*journal.prefix, sys.executable, "-c", script, str(native))
    (entry,) = await journal.wait_for(1, "MESSAGE=raw")
    assert entry["KDUMPD_CORE"] == b"\xff\x01"
    assert sorted(entry["KDUMPD_CLASS"]) == ["a", "b"]


async def test_large_value(journal: Journal, tmp_path: Path) -> None:
    await send(journal, tmp_path, {"MESSAGE": "x" * (1 << 20), "KDUMPD_EVENT": "large"})
    (entry,) = await journal.wait_for(1, "KDUMPD_EVENT=large")
    assert len(entry["MESSAGE"]) == 1 << 20


async def test_absent_then_there(tmp_path: Path) -> None:
    async with private_journal(tmp_path, started=False) as journal:
        # without a socket file a message is lost and systemd-python says nothing
        assert await send(journal, tmp_path, {"MESSAGE": "early"}) == "None"
        assert await journal.entries() == []
        await journal.start()
        await send(journal, tmp_path, {"MESSAGE": "late", "KDUMPD_EVENT": "b"})
        await journal.wait_for(1, "KDUMPD_EVENT=b")
        assert await journal.entries("MESSAGE=early") == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_socket_of_a_stopped_journald_refuses(
    journal: Journal, tmp_path: Path, number: signal.Signals
) -> None:
    await send(journal, tmp_path, {"MESSAGE": "first", "KDUMPD_EVENT": "a"})
    await journal.wait_for(1, "KDUMPD_EVENT=a")
    await journal.stop(number)
    await output(*journal.prefix, "test", "-S", "/run/systemd/journal/socket")
    assert await send(journal, tmp_path, {"MESSAGE": "lost"}) == "ConnectionRefusedError"
    assert len(await journal.entries("KDUMPD_EVENT=a")) == 1
    await journal.start()
    await send(journal, tmp_path, {"MESSAGE": "second", "KDUMPD_EVENT": "a"})
    assert [e["MESSAGE"] for e in await journal.wait_for(2, "KDUMPD_EVENT=a")] == [
        "first",
        "second",
    ]
    assert await journal.entries("MESSAGE=lost") == []


async def test_hung_journald_blocks_and_loses_nothing(journal: Journal, tmp_path: Path) -> None:
    journal.pause()
    entries = [{"MESSAGE": str(number), "KDUMPD_EVENT": "hung"} for number in range(5)]
    await send(journal, tmp_path, *entries)  # the queue of the socket has room for these
    with pytest.raises(ServiceError, match="no answer"):
        await send(journal, tmp_path, *entries * QUEUE, seconds=1)
    assert await journal.entries("KDUMPD_EVENT=hung") == []
    journal.resume()
    assert len(await journal.wait_for(5, "KDUMPD_EVENT=hung")) >= 5


async def test_killing_a_hung_journald_loses_its_queue(journal: Journal, tmp_path: Path) -> None:
    journal.pause()
    assert await send(journal, tmp_path, {"MESSAGE": "queued", "KDUMPD_EVENT": "q"}) == "None"
    await journal.stop(signal.SIGKILL)
    await journal.start()
    assert await journal.entries("KDUMPD_EVENT=q") == []


async def test_wait_is_bounded(journal: Journal) -> None:
    before = time.monotonic()
    with pytest.raises(ServiceError, match=r"not 1 entries in 0\.2 s"):
        await journal.wait_for(1, "KDUMPD_EVENT=never", timeout=0.2)
    assert time.monotonic() - before < 5


async def test_prefix_keeps_the_directory(journal: Journal, tmp_path: Path) -> None:
    argv = ("sh", "-c", 'cd "$0" && exec "$@"', str(tmp_path), *journal.prefix, "pwd", "-P")
    assert (await output(*argv)).decode().strip() == str(tmp_path)


async def test_two_journals_are_apart(journal: Journal, tmp_path: Path) -> None:
    directory = tmp_path / "other"
    directory.mkdir()
    async with private_journal(directory) as other:
        await send(other, tmp_path, {"MESSAGE": "there", "KDUMPD_EVENT": "o"})
        await other.wait_for(1, "KDUMPD_EVENT=o")
        assert await journal.entries("KDUMPD_EVENT=o") == []


async def test_entries_outlive_the_namespace(tmp_path: Path) -> None:
    async with private_journal(tmp_path) as first:
        await send(first, tmp_path, {"MESSAGE": "kept", "KDUMPD_EVENT": "k"})
        await first.wait_for(1, "KDUMPD_EVENT=k")
    async with private_journal(tmp_path) as second:
        assert len(await second.entries("KDUMPD_EVENT=k")) == 1


@pytest.mark.skipif(not ROOT, reason="only root may read /dev/kmsg")
async def test_kernel_log(tmp_path: Path) -> None:
    async with private_journal(tmp_path, kernel_log=True) as journal:
        assert await journal.wait_for(1, "_TRANSPORT=kernel")
