"""The same figures for both generations of agents, on one host at the same time: lag, requests to Foundry, and what a
run costs at the storage.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.cost_model import Documents, scheduler_actions, storage_transactions
from benchmarks.figures.storage_cost import counted_app
from benchmarks.options import Options
from benchmarks.report import Cell, Figure, Table
from benchmarks.stage import AppHost, Emulator
from contracts.generations import CAPABILITIES, Generation
from local.blob_storage.endpoint import BlobEndpoint
from store.connection import StorageAccount, open_store

RUNS = {0.3: 9, 3.0: 15, 10.0: 7, 30.0: 3}
"""How many runs of about that duration, one after the other, of each generation."""

OFF = 0.15
"""Each duration is up to so much off, so that no schedule is favoured by whole seconds."""

AFTERWARDS = 2.5
COUNTED = 5
"""Runs by which the requests for documents on blobs are counted, one generation after the other."""

LOOKS = frozenset({"get_run", "get_response"})


@dataclass(frozen=True)
class Run:
    """What one run took."""

    lag: float
    looks: int
    requests: Counter[str]
    """To Foundry, on its thread or conversation, by operation; without the looks."""


def measure(options: Options) -> Figure:
    """Run the same durations in both generations, started at the same moments."""
    chance = options.random("generations")
    wanted = options.pick({0.3: 2}, RUNS)
    plan = {
        near: [round(near * chance.uniform(1 - OFF, 1 + OFF), 3) for _ in range(runs)] for near, runs in wanted.items()
    }
    lasting = [d for durations in plan.values() for d in durations]
    rows: list[list[Cell]] = []
    requests: dict[Generation, list[Run]] = {generation: [] for generation in CAPABILITIES}
    load_before = os.getloadavg()[0]
    with (
        Emulator((0.0, *lasting)) as emulator,
        BlobEndpoint(account="benchmarks") as storage,
        AppHost(emulator, storage=storage) as host,
    ):
        open_store(StorageAccount(connection_string=storage.connection_string)).check()
        documents = {generation: _documents(host, storage, generation) for generation in CAPABILITIES}
        for near, durations in plan.items():
            sides = _sides(emulator, host, durations)
            lags = {generation: median(run.lag for run in runs) for generation, runs in sides.items()}
            options.say(f"{near:g} s: " + ", ".join(f"{name} {lag:.2f} s of lag" for name, lag in lags.items()))
            for generation, runs in sides.items():
                requests[generation] += runs
                rows.append([near, generation, *_row(near, generation, runs, documents[generation])])
    load_after = os.getloadavg()[0]
    return Figure(
        "Both generations of agents",
        Table(
            ("duration [s]", "generation", "lag p50 [s]", "looks a run", "requests beyond looks", "transactions",
             "scheduler: actions"),
            rows,
        ),
        notes=[
            (
                f"Durations are up to {OFF:.0%} off; each was run in both generations at the same moment, on one host. "
                f"Lags and requests are medians. Load of the machine: {load_before:.1f} before, {load_after:.1f} after."
            ),
            *(f"Requests to Foundry beyond looks, {name}: {_named(runs)}." for name, runs in requests.items()),
            (
                "Transactions are those of the model (`storage_cost`), with what the orchestrator was counted to do in "
                "virtual time. Requests for documents on blobs are among them, and were counted: "
                + ", ".join(f"{name} {number}" for name, number in documents.items())
                + " a run."
            ),
        ],
    )  # fmt: skip


def _documents(host: AppHost, storage: BlobEndpoint, generation: Generation) -> int:
    """Count the requests for documents of a run, with nobody in its way."""
    done = host.completed()
    host.start(0.0, generation)  # what a worker asks once
    host.until_completed(done + 1, patience=30)
    before = storage.requests
    for number in range(COUNTED):
        host.start(0.0, generation)
        host.until_completed(done + 2 + number, patience=30)
    return round((storage.requests - before) / COUNTED)


def _sides(emulator: Emulator, host: AppHost, durations: Sequence[float]) -> Mapping[Generation, list[Run]]:
    emulator.reset()
    done = host.completed()
    started: dict[Generation, list[str]] = {generation: [] for generation in CAPABILITIES}
    for number, duration in enumerate(durations):
        order = list(CAPABILITIES)[:: 1 if number % 2 else -1]  # neither is always the second
        for generation in order:
            started[generation].append(host.start(duration, generation))
        time.sleep(duration + AFTERWARDS)
    host.until_completed(done + 2 * len(durations), patience=60)
    created, received = emulator.run_starts(), emulator.requests()
    sides: dict[Generation, list[Run]] = {}
    for generation, ids in started.items():
        ends = host.ends(ids)
        sides[generation] = []
        for instance, duration in zip(ids, durations, strict=True):
            end = ends[instance]
            own = Counter(
                str(entry["operation"])
                for entry in received
                if end.thread_id in (entry["thread_id"], entry["conversation_id"])
            )
            looks = sum(own.pop(name, 0) for name in LOOKS)
            sides[generation].append(Run(end.at - created[end.run_id] - duration, looks, own))
    return sides


def _row(near: float, generation: Generation, runs: Sequence[Run], documents: int) -> list[Cell]:
    counted = counted_app(near, exact_timers=False, generation=generation, documents=Documents(reads=documents))
    exact = counted_app(near, exact_timers=True, generation=generation)
    return [
        median(run.lag for run in runs),
        median(run.looks for run in runs),
        median(run.requests.total() for run in runs),
        round(storage_transactions(counted).total),
        scheduler_actions(exact),
    ]


def _named(runs: Sequence[Run]) -> str:
    total = Counter[str]()
    for run in runs:
        total.update(run.requests)
    shown = (f"{count / len(runs):.3g} {name}" for name, count in sorted(total.items()))
    return ", ".join(shown)
