# SPDX-License-Identifier: GPL-2.0-or-later
"""Who else would lose work by a crash. Where there is no logind, nothing is said."""

from collections.abc import Iterator

from kdumpd.model.readiness.finding import Finding, Unknown, unknown, warning
from kdumpd.trigger.facts import Facts

MOST_NAMES = 10


def others_logged_in(facts: Facts) -> Iterator[Finding]:
    """Object that others are logged in, who lose what they have not saved."""
    code, sessions = "others-logged-in", facts.people.sessions
    if isinstance(sessions, Unknown):
        yield unknown(code, sessions, "run loginctl, and see whether it answers")
        return
    names = sorted({one.name for one in sessions or () if one.uid != facts.uid})
    if names:
        yield warning(
            code,
            f"others are logged in, and lose what they have not saved: {_listed(names)}",
            "tell them, and wait until they have logged out: loginctl",
        )


def inhibited(facts: Facts) -> Iterator[Finding]:
    """Object that a program has asked for the machine not to be shut down now."""
    code, inhibitors = "inhibited", facts.people.inhibitors
    if isinstance(inhibitors, Unknown):
        yield unknown(code, inhibitors, "run systemd-inhibit, and see whether it answers")
    elif inhibitors:
        told = [f"{one.who} ({one.why})" for one in inhibitors or ()]
        yield warning(
            code,
            f"the machine is not to be shut down now: {_listed(told)}",
            "wait until it is done: systemd-inhibit --list",
        )


def _listed(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
