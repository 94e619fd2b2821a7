"""The few statistics that the figures need and `statistics` has under no name of its own. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean, median, quantiles


def p95(values: Sequence[float]) -> float:
    """Return the value below which 95 % of the values lie, between neighbours linearly."""
    several = [*values, *values] if len(values) == 1 else values  # Python 3.11 and 3.12 want two
    return quantiles(several, n=20, method="inclusive")[-1]


def median_of_ratios(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of ours/theirs, pair by pair: each pair was measured in one round, so drift cancels out."""
    return median([mine / other for mine, other in zip(ours, theirs, strict=True)])


def mean_over(function: Callable[[float], float], low: float, high: float, *, points: int = 2000) -> float:
    """Return the mean of a function over an interval, sampled at the middle of so many equal parts."""
    width = (high - low) / points
    return fmean(function(low + (i + 0.5) * width) for i in range(points))
