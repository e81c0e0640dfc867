# SPDX-License-Identifier: GPL-2.0-or-later
"""Which captures that are gone are still worth to be known.

Nobody can open them any more; what was told of them stays in the journal.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from kdumpd.model.captures.capture import Capture
from kdumpd.model.vocabulary import CaptureState

KEPT = timedelta(days=90)  # after it was found gone
MOST_GONE = 1000


def without_forgotten(
    captures: Mapping[str, Capture], wanted: Collection[str], at: datetime
) -> Mapping[str, Capture]:
    """Return the captures but for those that are gone since long, or are too many of the gone.

    One that waits for somebody to acknowledge it is kept, and those that are wanted.
    """
    gone = [_dated(one, at) for one in captures.values() if one.state is CaptureState.GONE]
    gone.sort(key=lambda one: (one.gone_at or at, one.id), reverse=True)
    kept = {
        one.id: one
        for number, one in enumerate(gone)
        if one.waits or one.id in wanted or not _is_past(one, at, among=number)
    }
    if all(captures[id_] is one for id_, one in kept.items()) and len(kept) == len(gone):
        return captures
    forgotten = {one.id for one in gone} - kept.keys()
    return {id_: kept.get(id_, one) for id_, one in captures.items() if id_ not in forgotten}


def _is_past(capture: Capture, at: datetime, *, among: int) -> bool:
    """Return whether it is gone for long, or so many are gone since; not before that was told."""
    age = at - (capture.gone_at or at)
    return age >= KEPT or (among >= MOST_GONE and age > timedelta())


def _dated(capture: Capture, at: datetime) -> Capture:
    # An older kdumpd did not keep the time.
    return capture if capture.gone_at else replace(capture, gone_at=at)
