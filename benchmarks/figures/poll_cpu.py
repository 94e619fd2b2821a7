"""Processor time per run and per look: the app in its worker, without a host, beside the SDK's loop."""

from __future__ import annotations

from benchmarks.options import Options
from benchmarks.report import Cell, Figure, Table
from benchmarks.stage import Emulator, sdk_loops
from benchmarks.worker_process import HOURS, Batch, Done, run_worker


def measure(options: Options) -> Figure:
    """Run the app's orchestrator and activities without a host; and the SDK's loops in threads."""
    looks = options.pick(2, 5)
    lasting = looks - 0.5  # costs the SDK's loop as many looks
    runs = options.pick(6, 60)
    with Emulator((0.0, lasting, HOURS)) as emulator:
        warm_up = Batch(3, 1)
        batches = [warm_up, Batch(runs, 0), Batch(runs, looks), Batch(runs // 2, 20)]
        _, none, five, twenty = run_worker(emulator, batches)
        fast = run_worker(emulator, [warm_up, Batch(runs, looks, fast_timestamps=True)])[1]
        with sdk_loops(emulator, [(0.0, 0.0)] * runs, threads=4) as loops:
            loops.go()
            sdk_none = loops.result().cpu_seconds / runs
        with sdk_loops(emulator, [(0.0, lasting)] * runs, threads=runs) as loops:
            emulator.reset()
            loops.go()
            sdk_five = loops.result().cpu_seconds / runs
            sdk_looks = len(emulator.requests("get_run")) / runs
    per_look = (five.seconds_per_run - none.seconds_per_run) / looks
    sdk_per_look = (sdk_five - sdk_none) / sdk_looks
    rows: list[list[Cell]] = [
        ["a run without a look", *_parts(none), none.seconds_per_run / sdk_none],
        [f"a run with {looks} looks", *_parts(five), five.seconds_per_run / sdk_five],
        ["... if the SDK parsed timestamps as the local host lets it", *_parts(fast), fast.seconds_per_run / sdk_five],
        ["a run with 20 looks", *_parts(twenty), None],
        [f"a look (of {looks})", None, None, 1000 * per_look, per_look / sdk_per_look],
        ["the SDK: a run without a look", None, None, 1000 * sdk_none, 1.0],
        [f"the SDK: a run with {sdk_looks:.1f} looks", None, None, 1000 * sdk_five, 1.0],
    ]
    return Figure(
        "Processor time per run and look",
        Table(("", "episodes [ms]", "activities [ms]", "together [ms]", "ratio to the SDK"), rows),
        notes=[
            (
                f"An episode of a run with {looks} looks: {1000 * five.episode_seconds / five.episodes:.2f} ms; an "
                f"activity: {1000 * five.activity_seconds / five.activities:.2f} ms."
            ),
            (
                f"Share of episodes that goes into the Durable SDK's parsing of timestamps (dateutil): "
                f"{1 - fast.episode_seconds / five.episode_seconds:.0%}."
            ),
            (
                "The host beside the worker is not in it, on neither side of the comparison: on Azure it is a .NET "
                "process."
            ),
        ],
    )


def _parts(done: Done) -> tuple[float, float, float]:
    episodes, activities = (1000 * s / done.runs for s in (done.episode_seconds, done.activity_seconds))
    return episodes, activities, episodes + activities
