# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio

import pytest

from tests.support.image_cache import Cache, default_cache
from tests.vm.corpus import Corpus, real_cores
from tests.vm.debian import DebianImage, build_debian
from tests.vm.image import GuestImage, build_image
from tests.vm.panics import Bench, build_bench


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, the boots of a whole Debian: all workers end together then."""
    items.sort(key=lambda item: "debian" not in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Cache:
    """The one cache, which knows what has already failed in any process of these tests."""
    mine = tmp_path_factory.getbasetemp()  # one of several below the session's, but for "master"
    session = mine if worker_id == "master" else mine.parent
    return Cache(default_cache(), failures=session / "not-made")


@pytest.fixture(scope="session")
def image(cache: Cache) -> GuestImage:
    return asyncio.run(build_image(cache))


@pytest.fixture(scope="session")
def bench(cache: Cache) -> Bench:
    return asyncio.run(build_bench(cache))


@pytest.fixture(scope="session")
def corpus(cache: Cache) -> Corpus:
    return asyncio.run(real_cores(cache))


@pytest.fixture(scope="session")
def debian(cache: Cache) -> DebianImage:
    return asyncio.run(build_debian(cache))
