# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of the captures is meant."""

from collections.abc import Mapping, Sequence
from typing import Any

from kdumpd.model.vocabulary import CaptureState

Properties = Mapping[str, Any]


class SelectionError(Exception):
    """The capture that was asked for is not there, or not just one."""


def select(captures: Sequence[Properties], id_: str | None) -> Properties:
    """Return the capture whose id begins so, without one the newest; SelectionError for none.

    What a stranger put there is meant only by its id, and so is what is gone. A crash without a
    known time counts as older than those with one.
    """
    if not captures:
        raise SelectionError("No captures found.")
    if id_ is None:
        return _newest(captures)
    matching = [capture for capture in captures if capture["Id"].startswith(id_.lower())]
    if not matching:
        raise SelectionError(f"No capture with the id '{id_}'. See: kdumpdctl list")
    if len(matching) > 1:
        ids = " ".join(capture["Id"] for capture in matching)
        raise SelectionError(f"'{id_}' is the beginning of several ids: {ids}")
    return matching[0]


def _newest(captures: Sequence[Properties]) -> Properties:
    there = [capture for capture in captures if capture["State"] != CaptureState.GONE]
    if not there:
        raise SelectionError(
            "All captures are gone. To see what is known of one, name its id: kdumpdctl list"
        )
    trusted = [capture for capture in there if capture["Trusted"]]
    if not trusted:
        raise SelectionError(
            "No captures found but what is not to be trusted: name its id, see kdumpdctl list"
        )
    return ([capture for capture in trusted if capture["CrashedAt"]] or trusted)[-1]


def select_all(captures: Sequence[Properties], ids: Sequence[str]) -> list[Properties]:
    """Return the captures whose ids begin so, the newest without any; SelectionError for none."""
    return [select(captures, id_) for id_ in ids or (None,)]


def age(capture: Properties) -> tuple[bool, int, str]:
    """Return what sorts captures: the newest crash last, and what a stranger put there first."""
    return capture["Trusted"], capture["CrashedAt"] or capture["FoundAt"], capture["Id"]
