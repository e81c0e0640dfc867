# SPDX-License-Identifier: GPL-2.0-or-later
"""What is printed of each finding fits on a screen, and shows each command whole."""

import pytest

from kdumpd.model.readiness.report import (
    MAX_COLUMNS,
    Report,
    check_lines,
    checks_of,
    problem_lines,
)
from kdumpd.model.readiness.verdict import find
from tests.model.readiness.rules.broken_machine import Fault
from tests.model.readiness.rules.test_every_rule import ALL, NAMES


@pytest.mark.parametrize("fault", ALL, ids=NAMES)
def test_every_line_fits(fault: Fault) -> None:
    checks = checks_of(find(fault.facts))
    lines = list(check_lines(Report(summary="", checks=checks)))
    assert [line for line in lines if len(line) > MAX_COLUMNS] == []
    for one in checks:
        told = " ".join(line.strip() for line in problem_lines(one))
        remedy = f" what to do: {one.remedy}" if one.remedy else ""
        assert told == f"{one.outcome}: {one.message} [{one.code}]{remedy}"
