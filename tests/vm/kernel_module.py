# SPDX-License-Identifier: GPL-2.0-or-later
"""The module that kills the guest, built from crasher/ for the kernel that the image has."""

import asyncio
import shutil
from hashlib import sha256
from inspect import getsource
from pathlib import Path

from tests.support.debian_packages import choose_packages, find, run, unpack
from tests.support.image_cache import Cache

SOURCE = Path(__file__).with_name("crasher")
# Of the libraries only libelf is fetched, which kbuild's own programs link to.
FETCHED = ("linux-headers-", "linux-kbuild-", "libelf1")


async def build_crasher(cache: Cache) -> Path:
    """Return crasher.ko from `cache`, where it is built first if need be.

    Its directory's name changes with its content.
    """
    packages = await asyncio.to_thread(_packages)
    name = f"crasher-{_key(packages)}"
    directory = await cache.make(name, lambda work: asyncio.to_thread(_build, work, packages))
    return directory / "crasher.ko"


def _packages() -> list[tuple[str, str]]:
    return choose_packages("linux-headers-amd64", named=FETCHED)


def _key(packages: list[tuple[str, str]]) -> str:
    key = sha256(repr((packages, getsource(_build))).encode())
    for part in sorted(SOURCE.iterdir()):
        key.update(sha256(part.read_bytes()).digest())
    return key.hexdigest()[:16]


def _build(work: Path, packages: list[tuple[str, str]]) -> Path:
    unpacked, source, made = unpack(packages, work), work / "crasher", work / "made"
    shutil.copytree(SOURCE, source)
    # The makefile of these headers includes that of the common ones by a name in /usr/src, where
    # nothing is installed: the common one is named outright. It wants to be run in the other.
    headers = find(unpacked / "usr/src", "Module.symvers").parent
    common = find(unpacked / "usr/src", "linux-headers-*-common") / "Makefile"
    libraries = ":".join(map(str, unpacked.glob("usr/lib/*-linux-gnu")))
    run(
        *("make", "-C", str(headers), "-f", str(common), f"M={source}", "modules"),
        LD_LIBRARY_PATH=libraries,
    )
    made.mkdir()
    shutil.copyfile(source / "crasher.ko", made / "crasher.ko")
    return made
