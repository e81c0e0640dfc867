# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpdctl info: all that is known of captures."""

import argparse

from kdumpd.client.answers import Answers
from kdumpd.client.output import print_json, print_lines
from kdumpd.client.selection import select_all
from kdumpd.ctl.describe import info_lines
from kdumpd.json_output import plain_record


async def info(answers: Answers, options: argparse.Namespace) -> int:
    """Print all that is known of some captures, or of the newest."""
    chosen = select_all(await answers.captures(), options.ids)
    if options.json == "off":
        for number, capture in enumerate(chosen):
            print_lines([*([""] if number else []), *info_lines(capture)])
    elif len(options.ids) > 1:
        print_json([plain_record(capture) for capture in chosen], options.json)
    else:
        print_json(plain_record(chosen[0]), options.json)
    return 0
