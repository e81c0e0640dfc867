# SPDX-License-Identifier: GPL-2.0-or-later
"""polkit understands our actions, and asks persons in words."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from kdumpd.dbus.polkit import ACTION_PURPOSES, CRASH_TEST_ACTION
from tests.support.process import output, program

POLICY = Path(__file__).parents[2] / "dbus/org.kdumpd1.policy"
DTD = Path("/usr/share/polkit-1/policyconfig-1.dtd")  # of the package polkitd
PASSWORD = {"auth_admin", "auth_admin_keep"}


def actions() -> dict[str, ET.Element]:
    root = ET.fromstring(POLICY.read_text())  # noqa: S314  # our own document
    return {action.get("id", ""): action for action in root.iter("action")}


async def test_valid_by_polkits_own_definition() -> None:
    xmllint = program("xmllint", "libxml2-utils")
    await output(xmllint, "--noout", "--nonet", "--dtdvalid", str(DTD), str(POLICY))


def test_every_right_is_an_action() -> None:
    assert ACTION_PURPOSES.keys() <= actions().keys()


@pytest.mark.parametrize("action", actions().values(), ids=lambda action: action.get("id"))
def test_nobody_is_let_in_without_a_password(action: ET.Element) -> None:
    defaults = {one.tag: one.text for one in action.iterfind("defaults/*")}
    assert defaults.keys() == {"allow_any", "allow_inactive", "allow_active"}
    assert set(defaults.values()) <= PASSWORD | {"no"}
    if action.get("id") != CRASH_TEST_ACTION:
        assert defaults["allow_any"] == "auth_admin"


def test_a_crash_is_for_who_sits_at_the_machine_and_asked_for_each_time() -> None:
    defaults = {one.tag: one.text for one in actions()[CRASH_TEST_ACTION].iterfind("defaults/*")}
    assert defaults == {
        "allow_any": "no",
        "allow_inactive": "no",
        "allow_active": "auth_admin",
    }


@pytest.mark.parametrize("action", actions().values(), ids=lambda action: action.get("id"))
def test_the_daemons_user_may_ask_and_a_person_understands(action: ET.Element) -> None:
    notes = {note.get("key"): note.text for note in action.iterfind("annotate")}
    # Without it, polkit answers nobody but root.
    asking = "kdumpd-trigger" if action.get("id") == CRASH_TEST_ACTION else "kdumpd"
    assert notes["org.freedesktop.policykit.owner"] == f"unix-user:{asking}"
    assert (action.findtext("message") or "").startswith("Authentication is required to ")
    assert action.findtext("description")
