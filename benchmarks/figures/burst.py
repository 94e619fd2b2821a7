"""A burst of starts: are new runs kept waiting by those that are watched?"""

from __future__ import annotations

import time
from statistics import median

from benchmarks.numbers import p95
from benchmarks.options import Options
from benchmarks.report import Cell, Check, Figure, Table
from benchmarks.stage import AppHost, Emulator
from contracts.runs import METADATA_INSTANCE

LASTING = 3.0


def measure(options: Options) -> Figure:
    """The same burst on the app with watches and without, one after the other."""
    starts = options.pick(20, 500)
    rows: list[list[Cell]] = []
    waits: dict[bool, list[float]] = {}
    with Emulator((0.0, LASTING)) as emulator:
        for watches in (True, False):
            with AppHost(emulator, watches=watches) as host:
                waits[watches], seconds = _burst(emulator, host, starts)
            name = "with watches" if watches else "without"
            rows.append([name, median(waits[watches]), p95(waits[watches]), max(waits[watches]), seconds])
            options.say(f"{name}: {seconds:.0f} s")
    ratio = median(waits[True]) / median(waits[False])
    return Figure(
        f"A burst of {starts} starts: from POST to the run's first request",
        Table(("", "p50 [s]", "p95 [s]", "longest [s]", "all ended after [s]"), rows),
        [Check("POST to first request, p50 with watches to that without", ratio, 1.0)],
        [f"Runs of {LASTING:g} s. The starts are posted one after the other, as fast as they are answered."],
    )


def _burst(emulator: Emulator, host: AppHost, starts: int) -> tuple[list[float], float]:
    host.start(0.0)  # warm
    host.until_completed(1, patience=30)
    emulator.reset()
    began, posted = time.monotonic(), {}
    for _ in range(starts):
        at = time.monotonic()
        posted[host.start(LASTING)] = at
    host.until_completed(starts + 1, patience=600, every=1.0)
    seconds = time.monotonic() - began
    first = emulator.thread_starts(METADATA_INSTANCE)
    return [first[instance] - at for instance, at in posted.items()], seconds
