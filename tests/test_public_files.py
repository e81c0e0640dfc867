# SPDX-License-Identifier: GPL-2.0-or-later
"""Which files are written for others to read."""

from pathlib import Path

import pytest

from kdumpd.config import Settings
from kdumpd.daemon import arguments_parser, public_files
from kdumpd.expose.motd import Motd
from kdumpd.expose.prometheus import Metrics

ASKED = Settings(metrics_file=Path("/srv/kdumpd.prom"))
SERVICE = {"RUNTIME_DIRECTORY": "/run/kdumpd"}


@pytest.mark.parametrize(
    ("settings", "environment", "kinds"),
    [
        (Settings(), {}, []),
        (ASKED, {}, [Metrics]),
        (Settings(), SERVICE, [Motd]),
        (ASKED, SERVICE, [Metrics, Motd]),
    ],
)
async def test_those_that_are_asked_for(
    settings: Settings, environment: dict[str, str], kinds: list[type]
) -> None:
    options = arguments_parser().parse_args([])
    assert [type(one) for one in public_files(options, settings, environment)] == kinds


async def test_an_image_does_not_say_what_is_written_here(tmp_path: Path) -> None:
    of_an_image = arguments_parser().parse_args([f"--root={tmp_path}"])
    assert public_files(of_an_image, ASKED, {}) == []
    named = tmp_path / "kdumpd.conf"
    named.touch()
    of_ours = arguments_parser().parse_args([f"--root={tmp_path}", f"--config={named}"])
    assert [type(one) for one in public_files(of_ours, ASKED, {})] == [Metrics]
