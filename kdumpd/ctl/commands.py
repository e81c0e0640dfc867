# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands of kdumpdctl that only ask: status, check, list, info, path, acknowledge."""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain

from kdumpd.arguments import EXIT_FAILURE
from kdumpd.ctl.client import Answers, Daemon, Properties, SelectionError, select, select_all
from kdumpd.ctl.describe import (
    UNTRUSTED,
    crowd_lines,
    crowds_of,
    headline,
    hidden_sentence,
    info_lines,
    new_word,
    overview_lines,
    state_word,
    unread_hint,
)
from kdumpd.ctl.overview import list_lines, screen_lines
from kdumpd.ctl.terminal import print_json, print_lines, print_paged, read_screen, tell
from kdumpd.dbus.messages import CallError
from kdumpd.json_output import plain_record, readiness_record, readiness_report
from kdumpd.model.readiness.finding import Severity
from kdumpd.model.readiness.report import EXIT_STATUS, check_lines, text_columns
from kdumpd.model.text import microseconds, shown
from kdumpd.model.vocabulary import CaptureState, Readiness


async def list_captures(answers: Answers, options: argparse.Namespace) -> int:
    """Print captures, the newest crash last."""
    captures = await answers.captures()
    wanted = chosen_of(captures, options)
    each = options.untrusted or UNTRUSTED in options.states or options.json != "off"
    crowds = () if each else crowds_of(wanted)
    crowded = {capture["Id"] for crowd in crowds for capture in crowd}
    chosen = newest_of([one for one in wanted if one["Id"] not in crowded], options)
    if options.json != "off":
        print_json([plain_record(capture) for capture in chosen], options.json)
    elif chosen or crowds:
        screen = read_screen(sys.stdout, os.environ)
        if chosen:
            await print_paged(list_lines(chosen, screen, legend=options.legend), options)
        if hint := unread_hint(chosen):
            tell(hint)
        _tell_hidden(*chosen)
        for line in crowd_lines(crowds):
            tell(line)
    elif captures:
        tell("No captures match.")
    else:
        tell(await none_found(answers))
    return 0 if chosen or crowds else EXIT_FAILURE


def chosen_of(captures: Sequence[Properties], options: argparse.Namespace) -> list[Properties]:
    """Return the captures that were asked for, by time.

    One without a known time of its crash is of the time when it was found.
    """
    since, until = microseconds(options.since), microseconds(options.until)
    return [
        capture
        for capture in sorted(captures, key=_time)
        if _time(capture)[0] >= since
        and (options.until is None or _time(capture)[0] <= until)
        and (not options.states or {capture["State"], state_word(capture)} & {*options.states})
        and (not options.classes or capture["Class"] in options.classes)
    ]


def newest_of(chosen: list[Properties], options: argparse.Namespace) -> list[Properties]:
    """Return the captures in the order that was asked for; of too many the newest."""
    newest = chosen if options.lines is None else chosen[max(0, len(chosen) - options.lines) :]
    return newest[::-1] if options.reverse else newest


async def none_found(answers: Answers) -> str:
    """Return the sentence for an empty list: none there, or none that could be read."""
    unread = [
        message
        for code, outcome, message, _ in (await answers.manager())["Checks"]
        if code == "crash-directory-unreadable" and outcome != Severity.OK
    ]
    return "\n".join(["No captures found.", *unread])


def _time(capture: Properties) -> tuple[int, str]:
    return capture["CrashedAt"] or capture["FoundAt"], capture["Id"]


async def status(daemon: Daemon, options: argparse.Namespace) -> int:
    """Print whether the next panic would leave a dump, and what was captured."""
    manager = await daemon.manager()
    captures = await daemon.captures()
    test = await daemon.crash_test()
    screen = read_screen(sys.stdout, os.environ)
    now = datetime.now(UTC)
    if options.json != "off":
        more = {"captures": len(captures), "crash_test": plain_record(test)}
        print_json(plain_record(manager) | more, options.json)
    elif screen.is_terminal:
        print_lines(screen_lines(manager, captures, test, now, screen))
        _tell_hidden(manager, test, *captures)
    else:
        print_lines(overview_lines(manager, captures, test, now))
        _tell_hidden(manager, test, *captures)
    return EXIT_STATUS[Readiness(manager["Readiness"])]


async def info(answers: Answers, options: argparse.Namespace) -> int:
    """Print all that is known of some captures, or of the newest."""
    chosen = select_all(await answers.captures(), options.ids)
    if options.json == "off":
        blocks = (
            [*([""] if number else []), *info_lines(one)] for number, one in enumerate(chosen)
        )
        await print_paged(chain.from_iterable(blocks), options)
        _tell_hidden(*chosen)
    elif len(options.ids) > 1:
        print_json([plain_record(capture) for capture in chosen], options.json)
    else:
        print_json(plain_record(chosen[0]), options.json)
    return 0


async def check(answers: Answers, options: argparse.Namespace) -> int:
    """Check readiness now, and print how to fix what is wrong."""
    try:
        await answers.revalidate()
    except CallError as error:
        tell(f"What was known before: {error}")
    manager = await answers.manager()
    if options.json == "off":
        report, screen = readiness_report(manager), read_screen(sys.stdout, os.environ)
        width = text_columns(screen.width)
        await print_paged(check_lines(report, width, verbose=options.verbose), options)
        _tell_hidden(manager)
    else:
        print_json(readiness_record(manager), options.json)
    return EXIT_STATUS[Readiness(manager["Readiness"])]


async def path(daemon: Daemon, options: argparse.Namespace) -> int:
    """Print the path of one capture's core, or of the newest's, byte for byte."""
    capture = select(await daemon.captures(), options.id)
    if {"Directory", "CoreFile"} & {*capture.get("Hidden", ())}:
        raise SelectionError(hidden_sentence(capture))
    place = bytes(capture["Directory"] if options.directory else core_path(capture))
    if options.json == "off":
        print_path(place)
    else:
        text = place.decode("utf-8", "surrogateescape")
        print_json({"capture": capture["Id"], "path": text}, options.json)
    return 0


async def acknowledge(daemon: Daemon, options: argparse.Namespace) -> int:
    """Acknowledge crashes that somebody has taken note of: the newest, some, or all."""
    interactive = sys.stdin.isatty()
    captures = await daemon.captures()
    if options.all:
        new = sum(new_word(capture) == "yes" for capture in captures)
        await daemon.acknowledge_all(interactive=interactive)
        # Those of strangers, and crashes that were intended, are left as they are.
        done = [capture for capture in await daemon.captures() if capture["Acknowledged"]]
        if done:
            tell(f"All crashes are acknowledged; {new or 'none'} had not been before.")
        else:
            tell("There is no crash to acknowledge.")
    else:
        done = select_all(captures, options.ids)
        for capture in done:
            await daemon.acknowledge(capture["Id"], interactive=interactive)
            before = "Was acknowledged before" if capture["Acknowledged"] else "Acknowledged"
            tell(f"{before}: {headline(capture)}")
    if options.json != "off":
        print_json({"acknowledged": [capture["Id"] for capture in done]}, options.json)
    return 0


def _tell_hidden(*objects: Properties) -> None:
    """Say what is hidden, beside what is printed."""
    if sentence := hidden_sentence(*objects):
        tell(sentence)


def core_path(capture: Properties) -> bytes:
    """Return the core's path; SelectionError where it leads nowhere."""
    core, id_ = bytes(capture["CoreFile"]), capture["Id"]
    if capture["State"] == CaptureState.GONE:
        raise SelectionError(f"Capture {id_} is gone. It was '{shown(core)}'.")
    if not core:
        raise SelectionError(f"Capture {id_} has no core. See: kdumpdctl info {id_}")
    return core


def print_path(name: bytes) -> None:
    """Print a file name as it is, whatever its bytes."""
    sys.stdout.buffer.write(name + b"\n")
    sys.stdout.flush()
