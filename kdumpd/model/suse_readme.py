# SPDX-License-Identifier: GPL-2.0-or-later
"""SUSE's README.txt beside a core: what its writer says of its own work (kdump, kdump-save)."""

import re
from dataclasses import dataclass, replace

from kdumpd.model.captures.core import CoreFacts
from kdumpd.model.text import printable

LONGEST = 4096  # bytes that are read
LONGEST_VALUE = 128
PLACEHOLDER = b"the crash dump is likely incomplete"
UNFINISHED = "its writer has not finished: README.txt is still the placeholder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Readme:
    """What a README.txt says; an unknown text is empty."""

    finished: bool  # whether it was written again after the core
    status: str = ""  # of the core, in the writer's words; older writers say none
    host: str = ""
    kernel_release: str = ""


def parse_readme(text: bytes) -> Readme:
    """Return what the text says; nothing is wrong with any."""
    lines = (line.partition(b":") for line in text[:LONGEST].splitlines())
    values = {key.strip().lower(): _value(value) for key, _, value in lines}
    return Readme(
        finished=PLACEHOLDER not in re.sub(rb"\s+", b" ", text[:LONGEST]),
        status=values.get(b"vmcore status", ""),
        host=values.get(b"host", ""),
        kernel_release=values.get(b"kernel version", ""),
    )


def with_readme(facts: CoreFacts, readme: Readme, *, has_core: bool) -> CoreFacts:
    """Return the facts and what the README.txt adds: a core that proves whole is whole."""
    facts = replace(
        facts,
        host=facts.host or readme.host,
        kernel_release=facts.kernel_release or readme.kernel_release,
    )
    if facts.complete:
        return facts
    said = f"README.txt says '{readme.status}'" if readme.status else ""
    return replace(
        facts,
        problem="; ".join(
            filter(
                None,
                (
                    facts.problem if has_core else "has no core",
                    said if readme.finished else UNFINISHED,
                ),
            )
        ),
    )


def _value(value: bytes) -> str:
    return printable(value.strip())[:LONGEST_VALUE]
