# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpdctl status: what is true, on one screen."""

import argparse
import os
import sys
from datetime import UTC, datetime

from kdumpd.client.output import print_json, print_lines
from kdumpd.ctl.client import Daemon
from kdumpd.ctl.describe import overview_lines
from kdumpd.ctl.overview import screen_lines
from kdumpd.ctl.terminal import read_screen
from kdumpd.json_output import plain_record
from kdumpd.model.readiness.report import EXIT_STATUS
from kdumpd.model.vocabulary import Readiness


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
    else:
        print_lines(overview_lines(manager, captures, test, now))
    return EXIT_STATUS[Readiness(manager["Readiness"])]
