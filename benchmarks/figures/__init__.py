"""One module per figure, each with `measure(options) -> Figure`. The order here is that of the report."""

from __future__ import annotations

NAMES = (
    "lag_virtual",
    "replay_cost",
    "storage_cost",
    "cold_start",
    "time_to_outcome",
    "requests_per_run",
    "poll_cpu",
    "lag_measured",
    "watches",
    "generations",
    "burst",
    "memory",
    "run_list",
    "throughput",
)
