# SPDX-License-Identifier: GPL-2.0-or-later
"""What the daemon writes is what a real node_exporter serves, and never half of it."""

import asyncio
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fleet.readme import blocks, commands
from tests.support.cores import Crash, flattened
from tests.support.daemon import Setup, running, started
from tests.support.dbus_next import dbus_next_client
from tests.support.exposition import read_openmetrics, read_plain
from tests.support.machine import Machine
from tests.support.namespace import MOUNTS_AS_ROOT, needs_root
from tests.support.process import BOUND, ServiceError, end, output
from tests.support.prometheus import check_metrics, node_exporter
from tests.support.rights import as_root

pytestmark = pytest.mark.bus

READY = ("kdumpd_readiness", frozenset({("state", "ready")}))
COMPLETE = ("kdumpd_captures_unacknowledged", frozenset({("state", "complete")}))
TEXTS = ["one\n" * 100_000, "other\n" * 100_000]
WRITER = """
import sys
from pathlib import Path
from kdumpd.expose.textfile import write_whole
print("writes", flush=True)
while True:
    for word in ("one", "other"):
        write_whole(Path(sys.argv[1]), f"{word}\\n" * 100_000)
"""


def said(path: Path) -> str:
    """Return what a file says, nothing where there is none."""
    return path.read_text() if path.exists() else ""


def names(directory: Path) -> list[str]:
    """Return what lies in a directory."""
    return sorted(path.name for path in directory.iterdir())


async def wait_for(path: Path, words: str = "# EOF") -> str:
    """Return what a file says once the words stand in it."""
    text = ""
    try:
        async with asyncio.timeout(20):
            while words not in (text := said(path)):  # noqa: ASYNC110  # a file has no event
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise ServiceError(f"'{words}' is not in {text}") from None
    return text


async def test_a_real_node_exporter_serves_it(
    machine: Machine, setup: Setup, directory: Path
) -> None:
    path = directory / "kdumpd.prom"
    machine.kdump_tools("202611230113", flattened(Crash()))
    async with running(setup), node_exporter(directory) as exporter:
        text = await wait_for(path, 'kdumpd_captures_unacknowledged{state="complete"} 1')
        served = read_plain(await exporter.scrape())
        assert served["node_textfile_scrape_error", frozenset()] == 0
        assert served["node_textfile_mtime_seconds", frozenset({("file", str(path))})] > 0
        ours = {key: value for key, value in served.items() if key[0].startswith("kdumpd_")}
        assert ours == read_openmetrics(text) == read_plain(text)
        assert ours[READY] == ours[COMPLETE] == 1
        assert path.stat().st_mode & 0o7777 == 0o644


async def test_promtool_has_nothing_to_say(machine: Machine, setup: Setup, directory: Path) -> None:
    (command,) = [one for one in commands("promtool") if "check metrics" in one]
    assert command == "promtool check metrics < /run/kdumpd/kdumpd.prom"
    machine.kdump_tools("202611230113", flattened(Crash()))
    async with running(setup):
        text = await wait_for(directory / "kdumpd.prom", 'acknowledged{state="complete"} 1')
    assert await check_metrics(text) == ""


async def test_news_comes_at_once(machine: Machine, setup: Setup, directory: Path) -> None:
    path = directory / "kdumpd.prom"
    async with running(setup), dbus_next_client(setup.bus) as client:
        await wait_for(path, 'kdumpd_readiness{state="ready"} 1')
        machine.write("sys/kernel/kexec_crash_loaded", "0\n")
        await client.call("org.kdumpd1.Manager", "Revalidate")
        await wait_for(path, 'kdumpd_checks{code="crash-kernel-unloaded",outcome="fatal"} 1')


async def test_without_a_line_of_configuration_there_is_no_file(
    setup: Setup, directory: Path
) -> None:
    async with running(replace(setup, more="")):
        await asyncio.sleep(0.5)
    assert names(directory) == []


async def test_a_missing_directory_stops_nothing(setup: Setup, directory: Path) -> None:
    missing = replace(setup, more=f"[Metrics]\nTextFile={directory}/missing/kdumpd.prom\n")
    async with running(missing) as kdumpd, dbus_next_client(setup.bus) as client:
        await kdumpd.wait_until_logged("cannot be written, and is tried again: No such file")
        for _ in range(3):
            await client.call("org.kdumpd1.Manager", "Revalidate")
        assert kdumpd.log.count("cannot be written") == 1


@needs_root
@pytest.mark.parametrize(
    ("disk", "words"),
    [
        ('mount -t tmpfs -o ro tmpfs "$0"', "Read-only file system"),
        (
            'mount -t tmpfs -o size=8k tmpfs "$0" && head -c 8k /dev/zero >"$0/other"',
            "No space left on device",
        ),
    ],
)
async def test_a_disk_that_takes_nothing_stops_nothing(
    setup: Setup, directory: Path, disk: str, words: str
) -> None:
    prefix = (*MOUNTS_AS_ROOT, "sh", "-c", f'{disk} && exec "$@"', str(directory))
    async with running(replace(setup, prefix=prefix)) as kdumpd:
        await kdumpd.wait_until_logged(f"is tried again: {words}")
        seen = Path(f"/proc/{kdumpd.process.pid}/root{directory}")
        assert set(names(seen)) <= {"other"}
        async with dbus_next_client(setup.bus) as client:
            await client.call("org.kdumpd1.Manager", "Revalidate")
        assert kdumpd.log.count("cannot be written") == 1


# As Debian's prometheus-node-exporter leaves it: the directory belongs to root, the one above not.
OWNED = """
mount -t tmpfs tmpfs /var/lib
mkdir -p /var/lib/prometheus/node-exporter
chown 65534:65534 /var/lib/prometheus
"""


@as_root
async def test_the_link_of_the_page_leads_there(setup: Setup, tmp_path: Path) -> None:
    """As the page says it, where the directories belong to whom they belong to on a Debian."""
    (link,) = (one for one in commands("ln") if "node-exporter" in one)
    script = f"{OWNED}\n{link}\n{link}\nreadlink {link.split()[-1]}"
    made = await output(*MOUNTS_AS_ROOT, "sh", "-e", "-c", script)
    (configured,) = [block for block in blocks("ini") if "TextFile=" in block]
    target = configured.splitlines()[-1].removeprefix("TextFile=")
    assert made.decode() == f"{target}\n"
    # The target is absolute, and this machine is not at /.
    machine = tmp_path / "here"
    for directory in ("run/kdumpd", "var/lib/prometheus/node-exporter"):
        (machine / directory).mkdir(parents=True)
    collected = machine / "var/lib/prometheus/node-exporter"
    (collected / Path(target).name).symlink_to(machine / target.removeprefix("/"))
    more = configured.replace("TextFile=", f"TextFile={machine}")
    async with running(replace(setup, more=more)), node_exporter(collected) as exporter:
        await wait_for(machine / target.removeprefix("/"))
        assert read_plain(await exporter.scrape())[READY] == 1


@asynccontextmanager
async def read_all_the_time(path: Path, check: Callable[[str], bool]) -> AsyncIterator[None]:
    """Read the file again and again while the context lasts; it must always be as it should."""
    stop = asyncio.Event()

    async def go_on() -> int:
        times = 0
        while not stop.is_set():
            if text := said(path):
                assert check(text), text[:1000]
                times += 1
            await asyncio.sleep(0.001)
        return times

    reading = asyncio.create_task(go_on())
    try:
        yield
    finally:
        stop.set()
        assert await reading


MAX_KILLS = 250  # one in the middle of writing comes by chance


async def test_a_writer_killed_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    path, left = tmp_path / "kdumpd.prom", 0
    async with read_all_the_time(path, lambda text: text in TEXTS):
        for attempt in range(MAX_KILLS):
            writer = await writing(path)
            await asyncio.sleep(0.003 * (attempt % 25))
            await end(writer, signal.SIGKILL)
            left += ".kdumpd.prom.new" in names(tmp_path)
            assert set(names(tmp_path)) <= {"kdumpd.prom", ".kdumpd.prom.new"}
            if left and attempt >= 25:
                break
    assert left  # some were killed in the middle, or this test would say nothing


async def writing(path: Path) -> Process:
    process = await asyncio.create_subprocess_exec(
        *(*BOUND, sys.executable, "-c", WRITER, str(path)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"writes\n"
    return process


async def test_a_daemon_killed_at_any_moment_leaves_a_whole_file(
    machine: Machine, setup: Setup, directory: Path
) -> None:
    path = directory / "kdumpd.prom"
    async with read_all_the_time(path, lambda text: READY in read_openmetrics(text)):
        for attempt in range(6):
            machine.kdump_tools(f"{202611230000 + attempt}", flattened(Crash(crash_time=attempt)))
            async with started(setup) as kdumpd:
                await asyncio.sleep(0.4 + 0.15 * attempt)
                await kdumpd.kill()
        async with running(setup):
            await wait_for(path, 'acknowledged{state="complete"} 6')
    assert names(directory) == ["kdumpd.prom"]
