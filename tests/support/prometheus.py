# SPDX-License-Identifier: GPL-2.0-or-later
"""Prometheus' own programs, as setup/prometheus unpacks them or as they are installed."""

import asyncio
import shutil
import socket
import subprocess
import tempfile
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.process import BOUND, ServiceError, end, output, program

UNPACKED = Path(__file__).parents[2] / "build/prometheus/usr/bin"
QUIET = ("--log.level=error", "--web.disable-exporter-metrics", "--collector.disable-defaults")


def promtool() -> str:
    """Return the path of promtool."""
    return _found("promtool", "prometheus")


def _found(name: str, package: str) -> str:
    return shutil.which(name, path=UNPACKED) or program(name, package)


async def check_metrics(text: str) -> str:
    """Return what `promtool check metrics` has to say; ServiceError where it refuses the text."""
    with tempfile.TemporaryFile() as file:
        file.write(text.encode())
        file.seek(0)
        process = await asyncio.create_subprocess_exec(
            *(*BOUND, promtool(), "check", "metrics"),
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        said, _ = await process.communicate()
    if process.returncode:
        raise ServiceError(said.decode())
    return said.decode()


async def check_rules(path: Path) -> str:
    """Return what `promtool check rules` prints; ServiceError where it refuses them."""
    return (await output(promtool(), "check", "rules", str(path))).decode()


class NodeExporter:
    """A running node_exporter."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def scrape(self) -> str:
        """Return what a Prometheus would be given."""
        return await asyncio.to_thread(self._get)

    def _get(self) -> str:
        with urllib.request.urlopen(self._url, timeout=10) as answer:  # noqa: S310  # http, ours
            return str(answer.read().decode())


@asynccontextmanager
async def node_exporter(directory: Path) -> AsyncIterator[NodeExporter]:
    """Run node_exporter, which reads the text files in a directory, on a port of the loopback."""
    port = free_port()
    with tempfile.TemporaryFile() as words:
        process = await asyncio.create_subprocess_exec(
            *(*BOUND, _found("prometheus-node-exporter", "prometheus-node-exporter"), *QUIET),
            *("--collector.textfile", f"--collector.textfile.directory={directory}"),
            f"--web.listen-address=127.0.0.1:{port}",
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
        )
        try:
            await wait_for_port(port)
            yield NodeExporter(f"http://127.0.0.1:{port}/metrics")
        finally:
            await end(process)


def free_port() -> int:
    """Return a port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def wait_for_port(port: int, seconds: float = 20) -> None:
    """Return once somebody listens on a port of the loopback."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionRefusedError:
                    await asyncio.sleep(0.05)
                    continue
                writer.close()
                await writer.wait_closed()
                return
    except TimeoutError:
        raise ServiceError(f"nobody listens on port {port} within {seconds} s") from None
