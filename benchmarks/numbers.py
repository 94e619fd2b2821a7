"""The few statistics that the figures need. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of the values lie, between neighbours linearly."""
    if not values:
        raise ValueError("no values")
    if not 0 <= share <= 1:
        raise ValueError(f"a share is from 0 to 1, not {share}")
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low, high = math.floor(place), math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def median(values: Sequence[float]) -> float:
    """Return the value in the middle."""
    return percentile(values, 0.5)


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean."""
    if not values:
        raise ValueError("no values")
    return sum(values) / len(values)


def median_of_ratios(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of ours/theirs, pair by pair: each pair was measured in one round, so drift cancels out."""
    return median([mine / other for mine, other in zip(ours, theirs, strict=True)])


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the least-squares line through the points."""
    middle_x, middle_y = mean([x for x, _ in points]), mean([y for _, y in points])
    width = sum((x - middle_x) ** 2 for x, _ in points)
    if width == 0:
        raise ValueError("the points have one x only")
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / width


def mean_over(function: Callable[[float], float], low: float, high: float, *, points: int = 2000) -> float:
    """Return the mean of a function over an interval, sampled at the middle of so many equal parts."""
    width = (high - low) / points
    return mean([function(low + (i + 0.5) * width) for i in range(points)])
