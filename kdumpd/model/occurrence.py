# SPDX-License-Identifier: GPL-2.0-or-later
"""Which time it is that a kernel has crashed in this way."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from kdumpd.model.captures.capture import Capture, by_time


def with_occurrences(captures: Mapping[str, Capture]) -> dict[str, Capture]:
    """Return the captures, each with its number among those of the same signature, from 1 on.

    The oldest crash is the first; a capture whose number stays is the same object.
    """
    alike: defaultdict[str, list[Capture]] = defaultdict(list)
    for capture in captures.values():
        if capture.crash.signature:
            alike[capture.crash.signature].append(capture)
    numbers = {
        capture.id: number
        for group in alike.values()
        for number, capture in enumerate(sorted(group, key=by_time), 1)
    }
    return {
        id_: capture
        if capture.occurrence == numbers.get(id_, 0)
        else replace(capture, occurrence=numbers.get(id_, 0))
        for id_, capture in captures.items()
    }
