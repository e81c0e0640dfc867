# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing on the page is there untried."""

import re

from tests.fleet.readme import FLEET, README, all_commands

# Each is run by the tests beside this one.
TRIED = {
    "install",
    "systemd-tmpfiles",
    "promtool",
    "/lib/systemd/systemd-journal-remote",
    "/lib/systemd/systemd-journal-upload",
    "journalctl",
    "mkdir",
    "ln",
}


def test_every_command_is_run_by_a_test() -> None:
    assert {command.split()[0] for command in all_commands()} == TRIED


def test_every_file_is_on_the_page_and_every_link_leads_somewhere() -> None:
    links = set(re.findall(r"\]\(([^)]+)\)", README))
    assert all((FLEET / link).exists() for link in links)
    assert {path.name for path in FLEET.iterdir()} <= links | {"README.md"}
