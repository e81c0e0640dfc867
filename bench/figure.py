# SPDX-License-Identifier: GPL-2.0-or-later
"""A figure: what was measured of ours, and of something else in the same run."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Samples of ours and of something else, taken in turns; or the reason why there are none."""

    name: str
    against: str
    unit: str = "ms"
    ours: Sequence[float] = ()
    theirs: Sequence[float] = ()
    missing: str = ""

    @property
    def ratios(self) -> list[float]:
        """Ours by theirs, of each turn."""
        limit = zip(self.ours, self.theirs, strict=True)
        return sorted(ours / theirs for ours, theirs in limit if theirs > 0)

    @property
    def ratio(self) -> float | None:
        """The median of the ratios, None where there are none."""
        return median(self.ratios) if self.ratios else None

    @property
    def value(self) -> float | None:
        """What a target is about: the ratio, or ours itself where the bare thing does nothing."""
        if self.ratio is None and self.ours:
            return median(self.ours)
        return self.ratio

    def misses(self, most: float | None) -> bool:
        """Return whether the value is larger than it may be."""
        return most is not None and self.value is not None and self.value > most


def shown_median(samples: Sequence[float], unit: str) -> str:
    """Return the median of the samples for a table."""
    if not samples:
        return "–"
    middle = median(samples)
    digits = 0 if middle >= 100 else 1 if middle >= 10 else 2
    return f"{middle:.{digits}f} {unit}".rstrip()
