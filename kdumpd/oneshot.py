# SPDX-License-Identifier: GPL-2.0-or-later
"""One look at a machine, without a daemon: is it ready, and what lies in its crash directories?"""

import asyncio
import logging
import sys
from collections.abc import Iterable

from kdumpd.arguments import EXIT_FAILURE, EXIT_IO, discard_stdout
from kdumpd.config import Configuration
from kdumpd.expose.dbus_properties import capture_properties, manager_properties
from kdumpd.json_output import plain_record, readiness_record, readiness_report, to_json
from kdumpd.model.readiness.report import EXIT_STATUS, check_lines
from kdumpd.model.readiness.verdict import Verdict
from kdumpd.model.state import Delays, Observation, State
from kdumpd.model.step import judged, step
from kdumpd.observe.files import Files
from kdumpd.observe.machine import Hints, Machine, Plan, Watchers
from kdumpd.observe.readiness.units import NoServiceManager

log = logging.getLogger(__name__)

# Who looks once waits for nothing: what does not prove complete now is shown as it is now.
NO_SETTLING = Delays(settle=0.0)


def check(
    files: Files, configuration: Configuration, json_mode: str, *, verbose: bool = False
) -> int:
    """Print readiness, and return the exit status that says it."""
    verdict = asyncio.run(look_once(files, configuration))
    manager = manager_properties(State(verdict=verdict)).known
    if json_mode == "off":
        lines = list(check_lines(readiness_report(manager), verbose=verbose))
    else:
        lines = [to_json(readiness_record(manager), pretty=json_mode == "pretty")]
    return EXIT_STATUS[verdict.readiness] if print_lines(lines) else EXIT_IO


def list_captures(files: Files, configuration: Configuration, json_mode: str) -> int:
    """Print the captures in the crash directories as JSON, and return 1 where there are none.

    No core is read through: whoever asks may be root, and the daemon, which does that, is not. So
    what can only be known in that way is missing, which the log then says.
    """
    seen = asyncio.run(observe_once(files, configuration))
    state, _ = step(State(), seen, NO_SETTLING)
    if state.settling:
        log.warning(
            "Captures that are not shown, as only the daemon unpacks them: %d", len(state.settling)
        )
    for directory in seen.directories:
        if directory.facts.problem:
            log.warning("%s", directory.facts.problem)
    # Whoever asks reads the files by rights of his own.
    captures = (capture_properties(one, state).known for one in state.captures.values())
    records = [plain_record(one) for one in captures]
    if not print_lines([to_json(records, pretty=json_mode != "short")]):
        return EXIT_IO
    return 0 if records else EXIT_FAILURE


async def look_once(files: Files, configuration: Configuration) -> Verdict:
    """Return readiness as one look at the machine tells it."""
    return judged(await observe_once(files, configuration), State())


async def observe_once(files: Files, configuration: Configuration) -> Observation:
    """Return one look at the machine."""
    plan = Plan(directories=configuration.settings.directories, problems=configuration.problems)
    machine = Machine(files, plan, Hints(), Watchers(), NoServiceManager())
    return await machine.look()


def print_lines(lines: Iterable[str]) -> bool:
    """Print the lines; where that fails, say why and return False."""
    if sys.stdout is None:  # closed by whoever started this
        return False
    try:
        sys.stdout.writelines(f"{line}\n" for line in lines)
        sys.stdout.flush()
    except OSError as error:
        log.error("kdumpd: cannot print: %s", error.strerror)  # noqa: TRY400  # no traceback
        discard_stdout()
        return False
    return True
