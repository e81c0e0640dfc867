# SPDX-License-Identifier: GPL-2.0-or-later
"""The codes of what may speak against a crash test, as kdumpd-trigger(8) explains them."""

from collections.abc import Iterable

from kdumpd.model.text import shown

MOST_TOLD, LONGEST = 5, 40  # of what a caller made up
CODES = (
    "kdumpd-absent",
    "container",
    "live-system",
    "capture-kernel-running",
    "unsupported",
    "crash-kernel-unloaded",
    "would-hang",
    "not-ready",
    "not-judged-anew",
    "too-little-space",
    "capture-being-written",
    "test-recently",
    "boot-loop",
    "machine-unread",
    "just-booted",
    "busy",
    "pressure",
    "dirty-pages",
    "md-rebuilding",
    "btrfs-busy",
    "zfs-degraded",
    "packages-changing",
    "others-logged-in",
    "inhibited",
)


def unheard_of(codes: Iterable[str]) -> str:
    """Return in a sentence which of these codes there is not; empty where all are known."""
    unknown = [code for code in codes if code not in CODES]
    if not unknown:
        return ""
    words = ", ".join(f"'{_word(code)}'" for code in unknown[:MOST_TOLD])
    return f"No objection has the code {words}. The codes are: {', '.join(CODES)}."


def _word(code: str) -> str:
    return shown(code.encode("utf-8", "surrogateescape"))[:LONGEST]
