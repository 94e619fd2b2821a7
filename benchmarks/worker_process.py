"""A process of `benchmarks.worker`: `python -m benchmarks.worker_process`, driven by `run_worker`.

Reads a job as one line of JSON: the batches to run one after the other. Writes a line for each: what it cost and how
much memory the process has then.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.machine import python
from benchmarks.stage import ONE_LOOK, BenchmarkError, Emulator, agent_lasting
from local.blob_storage.endpoint import BlobEndpoint
from local.services import APP_ROOT

HOURS = 36_000.0
"""The duration of a run that does not end by itself while it is measured: its emulator must have that agent."""


@dataclass(frozen=True)
class Batch:
    """So many runs with so many looks each. `fast_timestamps` replaces the SDK's parser from then on."""

    runs: int
    polls: int
    fast_timestamps: bool = False


@dataclass(frozen=True)
class Done:
    """What a batch cost, and the process's resident memory after it."""

    runs: int
    polls: int
    episodes: int
    episode_seconds: float
    activities: int
    activity_seconds: float
    memory_mb: float

    @property
    def seconds_per_run(self) -> float:
        """Processor seconds of one run: episodes and activities."""
        return (self.episode_seconds + self.activity_seconds) / self.runs


def run_worker(emulator: Emulator, batches: Sequence[Batch]) -> list[Done]:
    """Run the batches in a fresh process; return what each was."""
    job = json.dumps([[b.runs, b.polls, b.fast_timestamps] for b in batches])
    with BlobEndpoint() as storage:
        found = subprocess.run(  # noqa: S603 - our own module
            python("-m", "benchmarks.worker_process"),
            cwd=APP_ROOT,
            env={**os.environ, **emulator.environment, "AzureWebJobsStorage": storage.connection_string, **ONE_LOOK},
            input=job,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
    if found.returncode:
        raise BenchmarkError("the worker failed; its message is above")
    return [Done(**json.loads(line)) for line in found.stdout.splitlines()]


def main() -> int:
    """Run one job."""
    from benchmarks.worker import Spent, Worker, memory_now  # noqa: PLC0415 - imports the app, with our environment
    from local.functions_host.speedup import install_fast_timestamps  # noqa: PLC0415

    worker, number = Worker(), 0
    for runs, polls, fast in json.loads(sys.stdin.readline()):
        if fast:
            install_fast_timestamps()
        worker.spent = Spent()
        for _ in range(runs):
            number += 1
            worker.run(agent_lasting(HOURS if polls else 0.0), polls=polls, instance_id=f"bench-{number}")
        done: dict[str, Any] = {"runs": runs, "polls": polls, **worker.spent.to_json(), "memory_mb": memory_now()}
        print(json.dumps(done), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
