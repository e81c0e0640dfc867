# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands about what a crash left: where it lies, and that it was noted."""

import argparse
import sys

from kdumpd.client.output import print_json, tell
from kdumpd.client.selection import Properties, SelectionError, select, select_all
from kdumpd.client.summary import headline, new_word
from kdumpd.ctl.client import Daemon
from kdumpd.model.text import shown
from kdumpd.model.vocabulary import CaptureState


async def path(daemon: Daemon, options: argparse.Namespace) -> int:
    """Print the path of one capture's core, or of the newest's, byte for byte."""
    capture = select(await daemon.captures(), options.id)
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
        done = captures
        new = sum(new_word(capture) == "yes" for capture in captures)
        await daemon.acknowledge_all(interactive=interactive)
        tell(f"All crashes are acknowledged; {new or 'none'} had not been before.")
    else:
        done = select_all(captures, options.ids)
        for capture in done:
            await daemon.acknowledge(capture["Id"], interactive=interactive)
            before = "Was acknowledged before" if capture["Acknowledged"] else "Acknowledged"
            tell(f"{before}: {headline(capture)}")
    if options.json != "off":
        print_json({"acknowledged": [capture["Id"] for capture in done]}, options.json)
    return 0


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
