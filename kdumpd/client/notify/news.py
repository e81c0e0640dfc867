# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user has not been told yet, out of what the daemon says."""

import re
from collections.abc import Collection, Iterator, Sequence

from kdumpd.client.notify.notice import Notice
from kdumpd.client.selection import Properties
from kdumpd.client.summary import was_intended
from kdumpd.notify.notices import (
    crash_notice,
    crashes_notice,
    intended_notice,
    lost_notice,
    lost_test_notice,
    unready_notice,
)

MOST_AT_ONCE = 3  # crashes; more are told of in one notification
NOT_READY = "not-ready"
CAPTURE_ID = r"[0-9a-f]{16}"
BOOT_ID = r"[0-9a-f-]{1,36}"


def news(
    manager: Properties,
    captures: Sequence[Properties],
    told: Collection[str],
    *,
    unready: bool,
) -> Iterator[Notice]:
    """Yield what is to be told, the oldest first.

    Captures come with the newest crash last. What was told is in `told`, by the keys of the
    notices. `unready` says that readiness is not-ready for good, and not for a moment.
    """
    boot = str(manager["BootId"]) if re.fullmatch(BOOT_ID, str(manager["BootId"])) else ""
    new = [
        capture
        for capture in captures
        if capture["Trusted"]
        and not capture["Acknowledged"]
        and re.fullmatch(CAPTURE_ID, capture["Id"])
        and capture_key(capture) not in told
    ]
    crashes = [capture for capture in new if not was_intended(capture)]
    intended = [capture for capture in new if was_intended(capture)]
    if boot and f"boot {boot} lost" not in told:
        yield from _lost(manager, f"boot {boot} lost")
    if len(crashes) > MOST_AT_ONCE:
        yield crashes_notice(crashes, tuple(map(capture_key, crashes)))
    else:
        yield from (crash_notice(capture, capture_key(capture)) for capture in crashes)
    if intended:
        yield intended_notice(intended[-1], tuple(map(capture_key, intended)))
    if boot and unready and f"boot {boot} unready" not in told:
        yield unready_notice(manager, f"boot {boot} unready")


def capture_key(capture: Properties) -> str:
    """Return what is remembered of a capture that was told of."""
    return f"capture {capture['Id']}"


def _lost(manager: Properties, key: str) -> Iterator[Notice]:
    # Absent where the daemon is older than these properties.
    reason = str(manager.get("PreviousBootReason", ""))
    match manager.get("PreviousBoot", ""):
        case "crash-not-captured":
            yield lost_notice(reason, key)
        case "test-not-captured":
            yield lost_test_notice(reason, key)
        case _:
            return
