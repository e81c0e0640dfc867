# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel logs that tell of a crash which was captured otherwise too."""

from collections.abc import Iterable, Iterator

from kdumpd.model.captures.capture import Capture, Layout, Sighting
from kdumpd.model.crash import Crash

# apport copies the kernel log of kdump-tools' captures into reports of its own. The kernel itself
# writes its log to pstore as well where crash_kexec_post_notifiers is set, as on Hyper-V.
COPIED_TO = frozenset({Layout.APPORT, Layout.PSTORE})


def without_copies(sightings: Iterable[Sighting], known: Iterable[Capture]) -> list[Sighting]:
    """Return the sightings without the logs of crashes that have a capture of their own.

    Such a log may outlive the capture: it is no other crash when that is gone.
    """
    seen = list(sightings)
    marks: set[tuple[object, ...]] = set()
    for original in seen:
        if original.layout not in COPIED_TO:
            marks.update(_marks(original.log_id, original.crash))
    for capture in known:
        if capture.layout not in COPIED_TO:
            marks.update(_marks(capture.log_id, capture.crash))
    return [
        one
        for one in seen
        if one.layout not in COPIED_TO or marks.isdisjoint(_marks(one.log_id, one.crash))
    ]


def _marks(log_id: str, crash: Crash | None) -> Iterator[tuple[object, ...]]:
    """Yield what no other crash shares: its log, and the microsecond in which it began."""
    if log_id:
        yield (log_id,)
    if crash is not None and crash.moment is not None and crash.kernel_release:
        yield crash.moment, crash.kernel_release, crash.class_, crash.function
