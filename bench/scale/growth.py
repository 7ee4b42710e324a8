"""How a figure grows with a size: flat, linear, or worse."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

FLAT = "flat"
LINEAR = "linear"
WORSE = "worse"
_ORDER = (FLAT, LINEAR, WORSE)

# In a log-log diagram a line has the slope 1 and n log n about 1.1; noise adds some. A square
# that is a tenth of the whole at the end shows as 1.2 and more.
_FLAT_SLOPE = 0.25
_LINEAR_SLOPE = 1.2
# All of a curve within this factor of its smallest value is flat, whatever its slope.
_FLAT_FACTOR = 1.4


class Growth(NamedTuple):
    """What became of a figure over the upper half of the sizes."""

    verdict: str
    slope: float  # of the logarithms; 0 where there is too little growth to tell
    per_unit: float  # what one more costs, on the whole way from the first size to the last

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {"verdict": self.verdict, "slope": round(self.slope, 3), "per_unit": self.per_unit}


def is_worse(verdict: str, allowed: str) -> bool:
    """Whether something grows faster than it may."""
    return _ORDER.index(verdict) > _ORDER.index(allowed)


def growth(sizes: Sequence[int], values: Sequence[float], *, smallest: float) -> Growth:
    """The growth over the upper half of the sizes, at least three of them.

    What is there at the first size (a process that starts) is taken off, size and value: it would
    make every curve look flatter than it is. Differences below `smallest` are noise. The slope is
    the median of those between any two points: one point that is off does not move it.
    """
    per_unit = (values[-1] - values[0]) / (sizes[-1] - sizes[0])
    if max(values) <= _FLAT_FACTOR * min(values) or max(values) - values[0] < smallest:
        return Growth(FLAT, 0.0, per_unit)
    start = max(1, min(len(sizes) - 3, len(sizes) // 2))
    points = [
        (math.log(size - sizes[0]), math.log(value - values[0]))
        for size, value in zip(sizes[start:], values[start:], strict=True)
        if value - values[0] >= smallest
    ]
    if len(points) < 2:  # it only shows at the end: between a step and a line, and no worse
        return Growth(LINEAR, 1.0, per_unit)
    slope = statistics.median(
        (y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in itertools.combinations(points, 2)
    )
    if slope > _LINEAR_SLOPE:
        return Growth(WORSE, slope, per_unit)
    return Growth(FLAT if slope < _FLAT_SLOPE else LINEAR, slope, per_unit)
