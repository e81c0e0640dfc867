# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands of kdumpdctl, of which a run imports the one that is asked for."""

import argparse
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any, NamedTuple

# What answers, its first argument, depends on the command: the daemon, the trigger, or a look.
Run = Callable[[Any, argparse.Namespace], Awaitable[int]]


class Verb(NamedTuple):
    """A command, and what it does: in a few words, and in a sentence."""

    name: str
    module: str
    function: str
    help: str
    description: str


VERBS = (
    Verb(
        "status",
        "kdumpd.client.status",
        "status",
        "whether the next panic would leave a dump (the default)",
        "Print whether the next panic would leave a dump, and what was captured.",
    ),
    Verb(
        "check",
        "kdumpd.client.check",
        "check",
        "what was checked for that, a line each, and what to do",
        "Print what was checked of readiness, a line each, as it is now.",
    ),
    Verb(
        "list",
        "kdumpd.ctl.commands",
        "list_captures",
        "captures, the newest crash last",
        "Print captures, the newest crash last.",
    ),
    Verb(
        "info",
        "kdumpd.client.info",
        "info",
        "all that is known of captures",
        "Print all that is known of some captures, or of the newest.",
    ),
    Verb(
        "report",
        "kdumpd.ctl.report",
        "report",
        "one crash as a text to paste into a bug",
        "Print what is known of one crash, or of the newest, to paste it into a bug.",
    ),
    Verb(
        "dmesg",
        "kdumpd.ctl.dmesg",
        "dmesg",
        "the kernel log of one capture",
        "Print the kernel log of one capture, or of the newest: raw, or escaped on a terminal.",
    ),
    Verb(
        "path",
        "kdumpd.client.evidence",
        "path",
        "where the core of one capture lies",
        "Print the path of one capture's core, or of the newest's, byte for byte.",
    ),
    Verb(
        "watch",
        "kdumpd.ctl.watch",
        "watch",
        "what happens from now on, a line each",
        "Print what happens, a line each, until Ctrl-C; what was there before is not told.",
    ),
    Verb(
        "acknowledge",
        "kdumpd.client.evidence",
        "acknowledge",
        "take note of crashes",
        "Acknowledge crashes that somebody has taken note of: the newest, some, or all.",
    ),
    Verb(
        "test",
        "kdumpd.ctl.crash_test",
        "crash_test",
        "crash this machine to prove that a dump is saved",
        "Crash this machine on purpose after a countdown, to prove that a dump is saved.",
    ),
)
BY_NAME = {verb.name: verb for verb in VERBS}


def run_of(name: str) -> Run:
    """Return the function that runs the command of this name."""
    verb = BY_NAME[name]
    run: Run = getattr(import_module(verb.module), verb.function)
    return run
