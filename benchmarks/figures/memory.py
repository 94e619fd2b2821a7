"""Memory of the worker after many runs, beside what it was after a tenth of them."""

from __future__ import annotations

from statistics import linear_regression

from benchmarks.options import Options
from benchmarks.report import Cell, Chart, Check, Figure, Line, Table
from benchmarks.stage import Emulator
from benchmarks.worker_process import HOURS, Batch, run_worker

LOOKS = 1
NOISE = 1.02
"""A growth by two percent is taken for noise: the allocator's pools differ as much from run to run."""


def measure(options: Options) -> Figure:
    """Run the app's orchestrator and activities in one worker process, and look at its memory after each batch."""
    size = options.pick(3, 200)
    with Emulator((0.0, HOURS)) as emulator:
        done = run_worker(emulator, [Batch(size, LOOKS)] * 10)
    points = [(float((number + 1) * size), batch.memory_mb) for number, batch in enumerate(done)]
    growth = points[-1][1] / points[0][1]
    slope = linear_regression(*zip(*points[1:], strict=True)).slope
    rows: list[list[Cell]] = [[f"after {round(runs)} runs", mb, mb / points[0][1]] for runs, mb in points]
    return Figure(
        "Memory of the worker",
        Table(("", "resident [MB]", f"relative to after {size}"), rows),
        [Check(f"memory after {size * 10} runs to after {size}", growth, NOISE)],
        [f"Slope over all but the first batch: {1024 * slope:.2f} KB a run."],
        charts={"memory": Chart("Memory of the worker", "runs", "resident [MB]", [Line("the app", points)])},
    )
