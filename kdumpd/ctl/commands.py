# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpdctl list: captures on a line each, by their time."""

import argparse
import os
import sys
from collections.abc import Sequence

from kdumpd.arguments import EXIT_FAILURE
from kdumpd.client.answers import Answers
from kdumpd.client.output import print_json, print_lines, tell
from kdumpd.client.selection import Properties
from kdumpd.client.summary import state_word
from kdumpd.client.table import list_lines
from kdumpd.ctl.terminal import read_screen
from kdumpd.json_output import plain_record
from kdumpd.model.readiness.finding import Severity
from kdumpd.model.time import microseconds


async def list_captures(answers: Answers, options: argparse.Namespace) -> int:
    """Print captures, the newest crash last."""
    captures = await answers.captures()
    chosen = chosen_of(captures, options)
    if options.json != "off":
        print_json([plain_record(capture) for capture in chosen], options.json)
    elif chosen:
        screen = read_screen(sys.stdout, os.environ)
        print_lines(list_lines(chosen, screen, legend=options.legend))
    elif captures:
        tell("No captures match.")
    else:
        tell(await none_found(answers))
    return 0 if chosen else EXIT_FAILURE


def chosen_of(captures: Sequence[Properties], options: argparse.Namespace) -> list[Properties]:
    """Return the captures that were asked for, by time; of too many the newest.

    One without a known time of its crash is of the time when it was found.
    """
    since, until = microseconds(options.since), microseconds(options.until)
    chosen = [
        capture
        for capture in sorted(captures, key=_time)
        if _time(capture)[0] >= since
        and (options.until is None or _time(capture)[0] <= until)
        and (not options.states or {capture["State"], state_word(capture)} & {*options.states})
        and (not options.classes or capture["Class"] in options.classes)
    ]
    newest = chosen if options.lines is None else chosen[max(0, len(chosen) - options.lines) :]
    return newest[::-1] if options.reverse else newest


async def none_found(answers: Answers) -> str:
    """Return the sentence for an empty list: none there, or none that could be read."""
    unread = [
        message
        for code, outcome, message, _ in (await answers.manager())["Checks"]
        if code == "crash-folder-unreadable" and outcome != Severity.OK
    ]
    return "\n".join(["No captures found.", *unread])


def _time(capture: Properties) -> tuple[int, str]:
    return capture["CrashedAt"] or capture["FoundAt"], capture["Id"]
