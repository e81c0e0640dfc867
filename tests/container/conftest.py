# SPDX-License-Identifier: GPL-2.0-or-later
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.container.container import DBUS_DAEMON, Container, booted
from tests.container.root import BOOKWORM, TRIXIE, build_root
from tests.support.deb import build_package
from tests.support.image_cache import default_cache
from tests.support.leftovers import check, descendants


@pytest.fixture(autouse=True)
async def leave_nothing(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Let the processes of the container come and go, as it is gone as a whole."""
    before = descendants()
    yield
    spared = (
        request.getfixturevalue("installed").leader if "installed" in request.fixturenames else None
    )
    check(before, spared=spared)


@pytest.fixture(scope="session", params=[BOOKWORM, TRIXIE])
def root(request: pytest.FixtureRequest) -> Path:
    """A Debian of each release that the package is for."""
    return build_root(default_cache(), request.param)


@pytest.fixture(scope="session", params=[DBUS_DAEMON])
def bus(request: pytest.FixtureRequest) -> str:
    """The message bus; what depends on it is tested on both: see test_bus."""
    return str(request.param)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of this tree."""
    return build_package(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="session")
def installed(
    root: Path, bus: str, package: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Container]:
    """A container in which the package is installed and its daemon runs."""
    with booted(root, tmp_path_factory.mktemp("installed") / "container", bus) as container:
        container.install(package)
        container.run(
            "mkdir /etc/kdumpd/kdumpd.conf.d;"
            " printf '[Manager]\\nSettleSec=1s\\n' >/etc/kdumpd/kdumpd.conf.d/tests.conf;"
            " systemctl reload kdumpd"
        )
        yield container
