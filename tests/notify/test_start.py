# SPDX-License-Identifier: GPL-2.0-or-later
"""How the program is started: by the user's service manager, else by the desktop."""

import configparser
from pathlib import Path
from xml.etree import ElementTree as ET

from kdumpd.notify.desktop import DESKTOP_ENTRY, ICON
from tests.support.process import output, program

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd/user/kdumpd-notify.service"
ENTRY = ROOT / "desktop/kdumpd-notify.desktop"
SVG = "{http://www.w3.org/2000/svg}svg"


async def test_unit_is_clean_to_systemd(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/bin/kdumpd-notify", "/usr/bin/true"))
    analyze = program("systemd-analyze", "systemd")
    verify = ("verify", "--user", "--man=no", str(unit))
    assert await output("env", f"XDG_RUNTIME_DIR={tmp_path}", analyze, *verify) == b""


def test_desktop_starts_what_the_service_manager_does_not() -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # keys keep their case
    parser.read(ENTRY)
    entry = parser["Desktop Entry"]
    assert ENTRY.stem == DESKTOP_ENTRY
    assert (entry["Type"], entry["Exec"], entry["Icon"]) == ("Application", "kdumpd-notify", ICON)
    assert entry["X-systemd-skip"] == "true"


def test_icon_is_a_square() -> None:
    icon = ET.parse(ROOT / f"icons/{ICON}.svg").getroot()  # noqa: S314  # ours
    assert icon.tag == SVG
    assert icon.attrib["width"] == icon.attrib["height"]
    assert icon.attrib["viewBox"] == f"0 0 {icon.attrib['width']} {icon.attrib['height']}"
