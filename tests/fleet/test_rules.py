# SPDX-License-Identifier: GPL-2.0-or-later
"""The alert rules and the dashboard ask for what kdumpd tells, in a language Prometheus knows."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from kdumpd.expose.prometheus import METRIC_PREFIX, measures
from kdumpd.model.state import State
from tests.fleet.readme import FLEET, PROJECT, commands, rows
from tests.support.process import output
from tests.support.prometheus import check_rules, promtool

RULES = (FLEET / "kdumpd.rules.yml").read_text()
TESTS = "".join(path.read_text() for path in sorted(FLEET.glob("*.test.yml")))
DASHBOARD: dict[str, Any] = json.loads((FLEET / "dashboard.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
COLUMNS = 24  # of a dashboard in Grafana
TOLD = {METRIC_PREFIX + one.name for one in measures(State())}


def names_in(text: str) -> set[str]:
    return set(re.findall(r"\bkdumpd_\w+", text))


@pytest.mark.parametrize(
    "command", [one for one in commands("promtool") if " rules " in one], ids=lambda one: one[:20]
)
async def test_promtool_says_yes(command: str) -> None:
    program, *words = command.split()
    assert program == "promtool"
    files = [str(PROJECT / word) if "/" in word else word for word in words]
    assert "SUCCESS" in (await output(promtool(), *files, seconds=60)).decode()


def test_every_alert_is_tested_and_explained() -> None:
    alerts = re.findall(r"^ +- alert: (\w+)$", RULES, re.MULTILINE)
    assert list(rows("alert")) == alerts
    fired = re.findall(r"alertname: (\w+)\n +exp_alerts:", TESTS)
    assert set(fired) == set(alerts)


def test_every_metric_is_explained_once_and_no_other() -> None:
    assert set(rows("metric")) == TOLD
    assert list(rows("metric")) == [METRIC_PREFIX + one.name for one in measures(State())]


def test_they_ask_for_what_is_told() -> None:
    assert names_in(RULES) <= TOLD
    assert names_in("\n".join(EXPRESSIONS)) <= TOLD
    assert names_in(TESTS) <= TOLD


async def test_prometheus_knows_the_language_of_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$instance", ".*")}
        for number, expression in enumerate(EXPRESSIONS)
    ]
    file = tmp_path / "panels.yml"
    # JSON is YAML.
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"SUCCESS: {len(EXPRESSIONS)} rules found" in await check_rules(file)


def test_the_dashboard_chooses_its_data_source_and_machines() -> None:
    assert {one["name"] for one in DASHBOARD["templating"]["list"]} == {"datasource", "instance"}
    assert DASHBOARD["uid"]
    assert DASHBOARD["schemaVersion"] >= 36
    source = {"type": "prometheus", "uid": "${datasource}"}
    for panel in PANELS:
        assert panel["datasource"] == source
        assert panel["title"]
        assert panel["type"] in {"stat", "table", "timeseries"}
        assert all(target["datasource"] == source for target in panel["targets"])
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters)
    assert all('instance=~"$instance"' in one for one in EXPRESSIONS)


def test_no_panel_lies_on_another() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        taken |= cells
