# SPDX-License-Identifier: GPL-2.0-or-later
"""What a notification says, before it is known what the desktop can show."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from kdumpd.client.notify.wording import bold, escaped


class Urgency(IntEnum):
    """The levels of the Desktop Notifications Specification 1.2, in its hint urgency."""

    LOW = 0
    NORMAL = 1
    CRITICAL = 2  # does not go away by itself


class Category(StrEnum):
    """Which kind it is, of those in the same specification."""

    DEVICE = "device"
    DEVICE_ERROR = "device.error"


class Action(StrEnum):
    """What one can press on it."""

    DETAILS = "details"
    ACKNOWLEDGE = "acknowledge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One notification; its title, lines and facts are visible text of bounded length."""

    title: str
    lines: tuple[str, ...]
    command: tuple[str, ...]  # of kdumpdctl: what tells more
    urgency: Urgency = Urgency.CRITICAL
    category: Category = Category.DEVICE_ERROR
    keys: tuple[str, ...] = ()  # what is told by it, as it is remembered
    facts: tuple[str, ...] = ()  # what it says instead where no terminal can say more
    about: tuple[str, ...] = ()  # the ids of the captures that it tells of
    acknowledges: str = ""  # an id, --all, or nothing that could be acknowledged

    @property
    def actions(self) -> tuple[tuple[Action, str], ...]:
        """Return what can be pressed, and what is written on it."""
        label = "Acknowledge all" if self.acknowledges == "--all" else "Acknowledge"
        acknowledge = ((Action.ACKNOWLEDGE, label),) if self.acknowledges else ()
        return (*(() if self.is_full else ((Action.DETAILS, "Details"),)), *acknowledge)

    @property
    def is_full(self) -> bool:
        """Whether it says already what can be said in a notification."""
        return not self.facts

    def body(self, *, markup: bool) -> str:
        """Return its text, the command in bold letters where there may be markup."""
        typed = " ".join(("kdumpdctl", *self.command))
        if not markup:
            return "\n".join((*self.lines, f"Type: {typed}"))
        return "\n".join((*map(escaped, self.lines), f"Type: {bold(typed)}"))
