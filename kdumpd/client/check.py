# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpdctl check: what was checked of readiness, as it is now."""

import argparse

from kdumpd.client.answers import Answers
from kdumpd.client.output import print_json, print_lines, tell
from kdumpd.dbus.messages import CallError
from kdumpd.json_output import readiness_record, readiness_report
from kdumpd.model.readiness.report import EXIT_STATUS, check_lines
from kdumpd.model.vocabulary import Readiness


async def check(answers: Answers, options: argparse.Namespace) -> int:
    """Print what was checked of readiness, a line each, as it is now."""
    try:
        await answers.revalidate()
    except CallError as error:
        tell(f"What was known before: {error}")
    manager = await answers.manager()
    if options.json == "off":
        print_lines(check_lines(readiness_report(manager)))
    else:
        print_json(readiness_record(manager), options.json)
    return EXIT_STATUS[Readiness(manager["Readiness"])]
