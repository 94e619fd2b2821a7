"""Completion lag and looks, measured end to end: the real app on the local host, the SDK's loop, the naive monitor."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import fmean, median

from benchmarks.numbers import p95
from benchmarks.options import Options
from benchmarks.report import Cell, Check, Figure, Table
from benchmarks.stage import NAIVE_APP, AppHost, Emulator, Ended, agent_lasting, sdk_loops, together

SPREAD_SECONDS = 20.0
"""The runs begin within this time: each side has a few in flight, no crowd (that is `throughput`)."""

NAIVE = "1 s timers, Azure Storage"
NAIVE_SHARE = 8
"""Of so many runs one has the naive monitor beside it: five looks a second each would crowd the others out."""

BANDS = ((0.0, 3.0), (3.0, 10.0), (10.0, 30.5))
Sample = tuple[float, float, int | None]
"""Duration, lag, looks."""


def measure(options: Options) -> Figure:
    """Run the same durations on all sides at the same time, on one emulator."""
    chance = options.random("lag_measured")
    short = [round(chance.uniform(0.3, 10.0), 2) for _ in range(options.pick(8, 48))]
    if options.quick:
        short = [duration / 4 for duration in short]
    durations = [*short, *options.pick([], [round(chance.uniform(10.0, 30.0), 2) for _ in range(16)])]
    starts = [(chance.uniform(0, options.pick(1.0, SPREAD_SECONDS)), duration) for duration in durations]
    with (
        Emulator((0.0, *durations)) as emulator,
        AppHost(emulator) as storage,
        AppHost(emulator, exact_timers=True) as exact,
        AppHost(emulator, app=NAIVE_APP) as naive,
        sdk_loops(emulator, sorted(starts), threads=len(starts)) as loops,
    ):
        begin: dict[str, Callable[[float], str]] = {
            "the app, Azure Storage timers": storage.start,
            "the app, exact timers": exact.start,
            NAIVE: lambda duration: _start_naive(naive, duration),
        }
        hosts = dict(zip(begin, (storage, exact, naive), strict=True))
        started: dict[str, list[tuple[str, float]]] = {name: [] for name in begin}
        loops.go()
        together(
            *(_starter(begin[name], starts[:: NAIVE_SHARE if name == NAIVE else 1], started[name]) for name in begin)
        )
        for name, host in hosts.items():
            host.until_completed(len(started[name]), patience=90, every=0.5)
        theirs = loops.result().runs
        created = emulator.run_starts()
        sides = {name: _samples(host.ends([i for i, _ in started[name]]), started[name], created)
                 for name, host in hosts.items()}  # fmt: skip
        looks = emulator.looks()
    lasting = dict(zip((run.run_id for run in theirs), (duration for _, duration in sorted(starts)), strict=True))
    sides["SDK's 1 s loop"] = [
        (lasting[r.run_id], r.ended - created[r.run_id] - lasting[r.run_id], looks.get(r.run_id, 0)) for r in theirs
    ]
    rows: list[list[Cell]] = [[name, *_row(samples)] for name, samples in sides.items()]
    app = [sides[name] for name in hosts if name.startswith("the app")]
    checks = [
        Check(f"{name}: mean lag of runs up to 10 s", fmean(lag for d, lag, _ in samples if d <= 10), 0.8, "s")
        for name, samples in zip(hosts, app, strict=False)
    ]
    if not options.quick:
        checks += [
            Check(f"{name}: mean lag of runs of 10 to 30 s", fmean(100 * lag / d for d, lag, _ in s if d > 10), 5, "%")
            for name, s in zip(hosts, app, strict=False)
        ]
    return Figure(
        "Completion lag, measured end to end",
        Table(
            ("", *(f"mean lag, {low:g}-{high:g} s [s]" for low, high in BANDS), "median [s]", "p95 [s]", "looks a run"),
            rows,
        ),
        checks,
        [
            (
                f"{len(durations)} runs on each side (naive monitor: one of {NAIVE_SHARE}), at the same time, on one "
                "emulator. A run's end is its creation (by the emulator's ledger) and its duration; the answer is "
                "available when the history says that the orchestration has completed, or the SDK's caller holds it."
            ),
            "An activity takes some 10 to 20 ms here and 100 to 300 ms on Azure; what that adds is in `lag_virtual`.",
        ],
        data={name: [[d, round(lag, 4), n] for d, lag, n in sorted(samples)] for name, samples in sides.items()},
    )


def _start_all(start: Callable[[float], str], starts: list[tuple[float, float]]) -> list[tuple[str, float]]:
    began, found = time.monotonic(), []
    for after, duration in sorted(starts):
        time.sleep(max(0.0, began + after - time.monotonic()))
        found.append((start(duration), duration))
    return found


def _starter(
    start: Callable[[float], str], starts: list[tuple[float, float]], found: list[tuple[str, float]]
) -> Callable[[], None]:
    return lambda: found.extend(_start_all(start, starts))


def _start_naive(host: AppHost, duration: float) -> str:
    path = "/runtime/webhooks/durabletask/orchestrators/naive_monitor"
    return str(host.request("POST", path, {"agent_id": agent_lasting(duration)})["id"])


def _samples(ends: dict[str, Ended], started: list[tuple[str, float]], created: dict[str, float]) -> list[Sample]:
    return [
        (duration, ends[i].at - created[ends[i].run_id] - duration, ends[i].polls) for i, duration in started
    ]  # fmt: skip


def _row(samples: list[Sample]) -> list[Cell]:
    lags = [lag for _, lag, _ in samples]
    bands = [[lag for duration, lag, _ in samples if low < duration <= high] for low, high in BANDS]
    looks = [n for _, _, n in samples if n is not None]
    return [*(fmean(b) if b else None for b in bands), median(lags), p95(lags), fmean(looks)]
