"""Throughput and processor time: many runs at once on the local host, beside as many SDK loops in threads; a queue."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median

from benchmarks.numbers import p95
from benchmarks.options import Options
from benchmarks.report import Cell, Check, Figure, Table
from benchmarks.stage import AppHost, Emulator, sdk_loops

ARRIVALS_A_SECOND = 100.0


@dataclass(frozen=True)
class Side:
    """What one side took."""

    lags: list[float]
    seconds: float
    cpu_per_run: float
    memory_mb: float


def measure(options: Options) -> Figure:
    """Run both sides one after the other (they would take each other's processor), then queue many short runs."""
    lasting, crowd, queued = options.pick(1.0, 5.0), options.pick(20, 500), options.pick(50, 5000)
    with Emulator((0.0, lasting)) as emulator:
        theirs = _sdk(emulator, crowd, lasting)
        options.say(f"SDK: {theirs.seconds:.0f} s")
        with AppHost(emulator) as host:
            ours = _app(emulator, host, crowd, lasting)
            options.say(f"the app: {ours.seconds:.0f} s")
        few = max(5, crowd // 10)
        with AppHost(emulator) as host:
            uncrowded = _app(emulator, host, few, lasting, every=lasting / few)
        with AppHost(emulator) as host:
            queue_seconds, memories = _queue(host, queued, options)
    rows: list[list[Cell]] = [
        [f"the app, {crowd} runs of {lasting:g} s at once", *_row(ours)],
        [f"the SDK, {crowd} threads", *_row(theirs)],
        [f"the app, {few} runs spread over {lasting:g} s", *_row(uncrowded)],
    ]
    memory = ", ".join(f"{done:,}: {mb:.0f} MB" for done, mb in memories)
    return Figure(
        "Throughput",
        Table(("", "lag p50 [s]", "lag p95 [s]", "all ended after [s]", "processor per run [ms]", "memory [MB]"), rows),
        [
            Check(f"p95 of the lag, {crowd} runs of {lasting:g} s at once", p95(ours.lags), 1.8, "s"),
            Check("processor time per run, app and local host to SDK's threads", ours.cpu_per_run / theirs.cpu_per_run,
                  0.5),
        ],
        [
            f"All {crowd} runs completed on both sides, all {queued:,} queued ones: {queued / queue_seconds:.0f}/s.",
            (
                f"Memory of the local host (with the app in it) after so many runs: {memory}. It keeps the histories "
                "of 1,000 instances on purpose; the worker's own memory is the figure `memory`."
            ),
            (
                "The local host stands in for the .NET host and the storage service, in the same process as the app "
                "and under one interpreter lock: the app's own share is in `poll_cpu`."
            ),
            "Five seconds suit the SDK's loop: its fifth look comes just after. `lag_measured` has any durations.",
        ],
        data={"queue_seconds": round(queue_seconds, 1), "queue_memory_mb": memories},
    )  # fmt: skip


def _row(side: Side) -> list[Cell]:
    lags = [median(side.lags), p95(side.lags)]
    return [*lags, side.seconds, 1000 * side.cpu_per_run, side.memory_mb]


def _sdk(emulator: Emulator, runs: int, lasting: float) -> Side:
    work = [(i / ARRIVALS_A_SECOND, lasting) for i in range(runs)]
    with sdk_loops(emulator, work, threads=runs) as loops:
        emulator.reset()
        began = time.monotonic()
        loops.go()
        found = loops.result()
        seconds = time.monotonic() - began
        created = emulator.run_starts()
    lags = [run.ended - created[run.run_id] - lasting for run in found.runs]
    return Side(lags, seconds, found.cpu_seconds / runs, found.memory_mb)


def _app(emulator: Emulator, host: AppHost, runs: int, lasting: float, *, every: float = 1 / ARRIVALS_A_SECOND) -> Side:
    _run_all(host, [0.0], every=0)  # warm
    emulator.reset()
    used, began = host.cpu(), time.monotonic()
    ids = _run_all(host, [lasting] * runs, every=every, before=1)
    seconds = time.monotonic() - began
    cpu = host.cpu() - used
    ends, created = host.ends(ids), emulator.run_starts()
    return Side([e.at - created[e.run_id] - lasting for e in ends.values()], seconds, cpu / runs, host.memory())


def _run_all(host: AppHost, durations: list[float], *, every: float, before: int = 0) -> list[str]:
    began, ids = time.monotonic(), []
    for number, duration in enumerate(durations):
        time.sleep(max(0.0, began + number * every - time.monotonic()))
        ids.append(host.start(duration))
    host.until_completed(before + len(ids), patience=300, every=0.5)
    return ids


def _queue(host: AppHost, runs: int, options: Options) -> tuple[float, list[tuple[int, float]]]:
    """Post faster than the host works; look at its memory on the way."""
    began, memories = time.monotonic(), []
    for number in range(runs):
        host.start(0.0)
        if (number + 1) % max(1, runs // 5) == 0:
            memories.append((number + 1, round(host.memory(), 1)))
            options.say(f"{number + 1} posted, {time.monotonic() - began:.0f} s")
    host.until_completed(runs, patience=600, every=1.0)
    return time.monotonic() - began, [*memories, (runs, round(host.memory(), 1))]
