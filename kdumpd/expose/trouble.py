# SPDX-License-Identifier: GPL-2.0-or-later
"""Say what goes wrong for a while when it begins, and that it is over; not each time between."""

import logging


class RecurringProblem:
    """Something that can go wrong again and again."""

    def __init__(self, log: logging.Logger, wrong: str, well: str) -> None:
        self._log = log
        self._wrong = wrong
        self._well = well
        self._lasts = False

    @property
    def lasts(self) -> bool:
        """Whether it went wrong the last time."""
        return self._lasts

    def note(self, problem: object | None) -> None:
        """Take note of what kept it from going well this time, None when nothing did."""
        if problem is not None and not self._lasts:
            self._log.warning("%s: %s", self._wrong, problem)
        elif problem is None and self._lasts:
            self._log.warning("%s", self._well)
        self._lasts = problem is not None
