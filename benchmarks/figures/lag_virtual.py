"""Completion lag and number of looks over the run's duration, in virtual time, under both timer modes."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from statistics import fmean

from benchmarks.numbers import mean_over
from benchmarks.options import Options
from benchmarks.report import Cell, Chart, Check, Figure, Line, Table
from benchmarks.schedules import Looks, app_looks, naive_looks, sdk_looks

LONGEST = 600.0
REQUEST_SECONDS = 0.05
"""What a request to the service takes, on every side: an assumption."""

ACTIVITY_SECONDS = 0.1
"""What an activity with one request takes. On Azure its result alone takes 0.1 to 0.3 s (durable-protocol.md, rule 16);
the notes have other values.
"""

SHORT, LIMIT_SHORT, LIMIT_LONG = 10.0, 0.8, 5.0
MOST_LOOKS = 1.3
"""Times those of the SDK's loop."""

STORAGE, EXACT = "the app, Azure Storage", "the app, exact timers"
ONE_LOOK = "the app without watches, Azure Storage"
SDK, NAIVE_STORAGE, NAIVE_EXACT = "SDK's 1 s loop", "1 s timers, Azure Storage", "1 s timers, exact"


def measure(options: Options) -> Figure:
    """Find out when each side would look, and from that its lag for every duration."""
    horizon = LONGEST + 60
    sides = {
        STORAGE: _app(horizon, exact_timers=False),
        EXACT: _app(horizon, exact_timers=True),
        ONE_LOOK: _app(horizon, exact_timers=False, watches=False),
        SDK: sdk_looks(horizon, request_seconds=REQUEST_SECONDS),
        NAIVE_STORAGE: naive_looks(horizon, exact_timers=False, activity_seconds=ACTIVITY_SECONDS),
        NAIVE_EXACT: naive_looks(horizon, exact_timers=True, activity_seconds=ACTIVITY_SECONDS),
    }
    rows: list[list[Cell]] = [_row(name, looks) for name, looks in sides.items()]
    checks = [check for name in (STORAGE, EXACT) for check in _checks(name, sides[name], sides[SDK])]
    notes = [
        (
            f"A request takes {REQUEST_SECONDS} s, an activity {ACTIVITY_SECONDS} s with its request. The app's look "
            "that sees the end fetches the answer with one request more; the others ask for it afterwards."
        ),
        *(_bound(options, exact_timers=exact) for exact in (False, True)),
    ]
    return Figure(
        "Completion lag and looks, in virtual time",
        Table(
            ("", "mean lag 0.3-10 s [s]", "10-20 s [%]", "20-60 s [%]", "60-600 s [%]", "10-600 s [%]",
             "looks 10 s", "looks 60 s", "looks 600 s", "shortest gap [s]"),
            rows,
        ),
        checks,
        notes,
        data={name: [round(at, 3) for at in sides[name].at] for name in (STORAGE, EXACT)},
        charts={"lag": _lag_chart(sides, points=options.pick(40, 160)), "looks": _looks_chart(sides)},
    )  # fmt: skip


def _app(
    longest: float, *, exact_timers: bool, activity_seconds: float = ACTIVITY_SECONDS, watches: bool = True
) -> Looks:
    """Return the app's looks; half an activity is its request."""
    return app_looks(
        longest,
        exact_timers=exact_timers,
        activity_seconds=activity_seconds,
        request_seconds=activity_seconds / 2,
        watches=watches,
    )


def share_of(looks: Looks) -> Callable[[float], float]:
    """Return the function from a duration to the lag's share of it, in percent."""
    return lambda duration: 100 * looks.lag(duration) / duration


def _row(name: str, looks: Looks) -> list[Cell]:
    shares = [mean_over(share_of(looks), low, high) for low, high in ((10, 20), (20, 60), (60, 600), (10, 600))]
    counts = [looks.count(duration) for duration in (10, 60, LONGEST)]
    return [name, mean_over(looks.lag, 0.3, SHORT), *shares, *counts, looks.shortest_gap]


def _checks(name: str, looks: Looks, sdk: Looks) -> list[Check]:
    durations = [low + (high - low) * (i + 0.5) / 400 for low, high in ((2, 60), (60, LONGEST)) for i in range(400)]
    ratio = sum(looks.count(d) for d in durations) / sum(sdk.count(d) for d in durations)
    return [
        Check(f"{name}: mean lag of runs of 0.3 to 10 s", mean_over(looks.lag, 0.3, SHORT), LIMIT_SHORT, "s"),
        Check(f"{name}: mean lag beyond 10 s", mean_over(share_of(looks), SHORT, LONGEST), LIMIT_LONG, "%"),
        Check(f"{name}: looks to those of the SDK's loop, runs of 2 s to 10 min", ratio, MOST_LOOKS),
        Check(f"{name}: looks in a second", _most_in_a_second(looks), 3),
    ]


def _most_in_a_second(looks: Looks) -> int:
    return max(sum(at <= other < at + 1 for other in looks.at) for at in looks.at)


def _bound(options: Options, *, exact_timers: bool) -> str:
    """Say what the lag of short runs consists of: half the gap between looks, and the activities."""
    lags = {
        seconds: mean_over(
            _app(12, exact_timers=exact_timers, activity_seconds=seconds).lag, 0.3, SHORT
        )
        for seconds in options.pick((0.0, 0.1), (0.0, 0.02, 0.1, 0.2))
    }  # fmt: skip
    listed = ", ".join(f"{lag:.2f} s with activities of {seconds:g} s" for seconds, lag in lags.items())
    kind = "exact timers" if exact_timers else "Azure Storage"
    return f"Mean lag of runs of 0.3 to 10 s by what an activity takes, {kind}: {listed}."


def _lag_chart(sides: dict[str, Looks], *, points: int) -> Chart:
    edges = [0.3 * (LONGEST / 0.3) ** (i / points) for i in range(points + 1)]
    lines = []
    for name, looks in sides.items():
        curve = [(math.sqrt(low * high), mean_over(looks.lag, low, high, points=50)) for low, high in pairwise(edges)]
        lines.append(Line(name, _smoothed(curve, 9)))
    lines.append(Line("5 % of the duration", [(x, 0.05 * x) for x in (4.0, LONGEST)]))
    return Chart(
        "Mean completion lag over the run's duration", "duration of the run [s]", "lag [s]", lines,
        log_x=True, log_y=True,
    )  # fmt: skip


def _smoothed(curve: list[tuple[float, float]], width: int) -> list[tuple[float, float]]:
    """Average over neighbours: the saw teeth between two looks are not what the curve is about."""
    half = width // 2
    ranges = [curve[max(0, i - half) : i + half + 1] for i in range(len(curve))]
    return [(x, fmean(y for _, y in r)) for (x, _), r in zip(curve, ranges, strict=True)]


def _looks_chart(sides: dict[str, Looks]) -> Chart:
    durations = [1.0 * (LONGEST / 1.0) ** (i / 80) for i in range(81)]
    lines = [Line(name, [(d, looks.count(d)) for d in durations]) for name, looks in sides.items()]
    return Chart(
        "Looks at a run over its duration", "duration of the run [s]", "looks", lines, log_x=True, log_y=True
    )  # fmt: skip
