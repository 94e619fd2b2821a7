"""Time from POST to outcome, beside the SDK's `create_thread_and_process_run` and its list of messages."""

from __future__ import annotations

import time
from statistics import median

from benchmarks.numbers import median_of_ratios, p95
from benchmarks.options import Options
from benchmarks.report import Cell, Check, Figure, Table
from benchmarks.stage import AppHost, Emulator, agent_lasting, sdk_loops

AT_ONCE, SOON = 0.0, 0.02
"""Completed in the answer to its creation; and completed when first looked at (a real service answers `queued`)."""


def measure(options: Options) -> Figure:
    """Run one after the other, ours and the SDK's by turns."""
    rounds = options.pick(2, 12)
    rows: list[list[Cell]] = []
    checks: list[Check] = []
    with Emulator((AT_ONCE, SOON)) as emulator, AppHost(emulator) as storage:
        _ask(storage, AT_ONCE)
        with AppHost(emulator, exact_timers=True) as exact:
            _ask(exact, AT_ONCE)
            for seconds, name in (
                (AT_ONCE, "completed in the answer to its creation"),
                (SOON, "completed after 0.02 s"),
            ):
                with sdk_loops(emulator, [(0.0, seconds)] * rounds, threads=1) as loops:
                    loops.go()
                    theirs = [run.ended - run.began for run in loops.result().runs]
                sides = {"Azure Storage timers": storage, "exact timers": exact}
                if seconds == AT_ONCE or options.quick:
                    sides.pop("exact timers")
                for side, host in sides.items():
                    asked, there = zip(*[_ask(host, seconds) for _ in range(rounds)], strict=True)
                    for label, ours in (("outcome there", there), ("Prefer: wait answered", asked)):
                        rows.append([
                            f"{name}; {side}; {label}", median(ours), p95(ours), median(theirs),
                            median_of_ratios(ours, theirs),
                        ])  # fmt: skip
                    what = f"POST to outcome, run {name}, {side}"
                    checks.append(Check(f"{what}: ratio to the SDK", median_of_ratios(there, theirs), 1.0))
    return Figure(
        "Time from POST to outcome of a run that completes at once",
        Table(("", "ours, median [s]", "ours, p95 [s]", "SDK, median [s]", "ratio (median of pairs)"), rows),
        checks,
        [
            (
                "`outcome there` is the end of the orchestration by its history; `Prefer: wait` is what a caller "
                "sees that asked the start route to wait for the outcome."
            ),
            (
                "A run that completes in the answer to its creation costs the SDK two requests; durable are two "
                "activities, each stored before and after. The real service answers `queued` to a creation: then the "
                "SDK sleeps a second before its first look, and the app 0.4 s, without a timer."
            ),
        ],
    )


def _ask(host: AppHost, seconds: float) -> tuple[float, float]:
    """Run once, waiting in the POST; return when the answer came and when the outcome was there, since the POST."""
    began = time.monotonic()
    body = {"agent_id": agent_lasting(seconds), "user_message": "How long does this take?"}
    answer = host.request("POST", "/api/run_agent", body, {"Prefer": "wait=30"})
    answered = time.monotonic()
    instance_id = answer["instanceId"]
    return answered - began, host.ends([instance_id])[instance_id].at - began
