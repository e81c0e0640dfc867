# SPDX-License-Identifier: GPL-2.0-or-later
"""Chance that can be had again: ENDURANCE_SEED=NUMBER makes a run choose as another one did."""

import os
from random import Random, SystemRandom

VARIABLE = "ENDURANCE_SEED"


def chosen_seed() -> int:
    """Return the seed that is asked for, or else a new one."""
    return int(os.environ.get(VARIABLE) or SystemRandom().randrange(1 << 32))


def chance(seed: int, test: str) -> Random:
    """Return what chooses for a test; it does not matter which others run."""
    return Random(f"{seed}/{test}")  # noqa: S311 - no secret
