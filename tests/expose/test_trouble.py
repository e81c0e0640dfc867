# SPDX-License-Identifier: GPL-2.0-or-later
import logging

import pytest

from kdumpd.expose.systemd import RecurringProblem


def test_it_is_said_when_it_begins_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    trouble = RecurringProblem(
        logging.getLogger("there"), "'100%' cannot be written", "it can again"
    )
    lasted = []
    for problem in (None, OSError("full"), OSError("still full"), None, None, "other", None):
        trouble.note(problem)
        lasted.append(trouble.lasts)
    assert lasted == [False, True, True, False, False, True, False]
    assert caplog.record_tuples == [
        ("there", logging.WARNING, "'100%' cannot be written: full"),
        ("there", logging.WARNING, "it can again"),
        ("there", logging.WARNING, "'100%' cannot be written: other"),
        ("there", logging.WARNING, "it can again"),
    ]
