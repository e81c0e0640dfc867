# SPDX-License-Identifier: GPL-2.0-or-later
import shutil
from pathlib import Path

from kdumpd.expose.journal_entries import MESSAGE_IDS
from tests.support.process import output, program

CATALOG = Path(__file__).parents[2] / "systemd/kdumpd.catalog"


async def test_journalctl_explains_every_message(tmp_path: Path) -> None:
    directory = tmp_path / "usr/lib/systemd/catalog"
    directory.mkdir(parents=True)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    shutil.copy(CATALOG, directory)
    journalctl = (program("journalctl", "systemd"), f"--root={tmp_path}")
    await output(*journalctl, "--update-catalog")
    listed = (await output(*journalctl, "--list-catalog")).decode().splitlines()
    assert {line.split()[0] for line in listed} == set(MESSAGE_IDS.values())
    assert all(line.split()[1] == "kdumpd:" for line in listed)


def test_every_kind_has_an_id_of_its_own() -> None:
    assert len(set(MESSAGE_IDS.values())) == len(MESSAGE_IDS)
