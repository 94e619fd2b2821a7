"""Storage transactions and money per thousand runs, by duration; and what an idle hub costs."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.cost_model import (
    OF_A_RUN,
    Counted,
    Documents,
    Prices,
    idle_transactions,
    scheduler_actions,
    scheduler_dollars,
    storage_dollars,
    storage_transactions,
)
from benchmarks.options import Options
from benchmarks.report import Cell, Chart, Check, Figure, Line, Table
from benchmarks.schedules import app_run, naive_looks
from contracts.durable import OLDER_VERSION, ORCHESTRATOR_VERSION
from contracts.generations import Generation
from local.services import APP_ROOT

ACTIVITY_SECONDS = 0.1
WATCHING, BEFORE, NAIVE = "the app", "the app before", "1 s durable timers"
NAIVE_STEPS = 4
"""Activities of the naive monitor beside its looks: thread, message, run, answer."""


def measure(options: Options) -> Figure:
    """Count what the real orchestrator does in virtual time, and put it into the model."""
    durations = options.pick((0.3, 30, 600), (0.3, 1, 3, 10, 30, 60, 120, 300, 600))
    prices = Prices()
    rows: list[list[Cell]] = []
    lines: dict[str, list[tuple[float, float]]] = {WATCHING: [], BEFORE: [], NAIVE: []}
    for duration in durations:
        sides = {
            WATCHING: counted_app(duration, exact_timers=False),
            BEFORE: counted_before(duration, exact_timers=False),
            NAIVE: counted_naive(duration, exact_timers=False),
        }
        totals = {name: storage_transactions(counted).total for name, counted in sides.items()}
        for name, total in totals.items():
            lines[name].append((float(duration), total))
        exact = counted_app(duration, exact_timers=True)  # the scheduler's timers are, Azure Storage's are not
        before = counted_before(duration, exact_timers=True)
        monitor = counted_naive(duration, exact_timers=True)
        rows.append(
            [
                duration,
                *totals.values(),
                totals[WATCHING] / totals[BEFORE],
                1000 * storage_dollars(storage_transactions(sides[WATCHING]), prices),
                scheduler_actions(exact),
                scheduler_actions(before),
                scheduler_actions(monitor),
                1000 * scheduler_dollars(scheduler_actions(exact), prices),
            ]
        )
    there, there_before = (
        count(0.3, exact_timers=False, thread_id="thread_x") for count in (counted_app, counted_before)
    )
    ratios = {row[0]: float(row[4] or 0) for row in rows}
    return Figure(
        "Transactions and money of a run",
        Table(
            ("duration [s]", "transactions", "... before", "... of the naive monitor", "now / before",
             "$ a 1,000 runs", "scheduler: actions", "... before", "... of the naive monitor",
             "$ a 1,000 runs (scheduler)"),
            rows,
        ),
        [
            *(
                Check(f"transactions to those before, {d:g} s", ratio, 0.5 if d <= 30 else 1.0)
                for d, ratio in ratios.items()
                if isinstance(d, (int, float)) and (d <= 30 or d == durations[-1])
            ),
            Check("naive monitor's transactions to the app's, 10 minutes, Azure Storage",
                  lines[NAIVE][-1][1] / lines[WATCHING][-1][1], 10, least=True),
            Check("naive monitor's actions to the app's, 10 minutes, Durable Task Scheduler",
                  float(rows[-1][8] or 0) / float(rows[-1][6] or 1), 10, least=True),
            Check("transactions of one look (timer, episode, activity, episode)", one_look(), 12),
        ],
        [
            (
                f"Before: version {OLDER_VERSION} of the orchestrator, an activity for each step, and durable timers "
                "alone pace the looks."
            ),
            (
                f"On a thread that exists a run of 0.3 s takes {storage_transactions(there).total:g} transactions, "
                f"before {storage_transactions(there_before).total:g}."
            ),
            *_idle_notes(prices),
            f"Prices are assumptions: {prices}.",
        ],
        data={"prices": prices.__dict__, "idle": idle_table(prices)},
        charts={
            "transactions": Chart(
                "Storage transactions of one run, Azure Storage", "duration of the run [s]", "transactions",
                [Line(name, points) for name, points in lines.items()], log_x=True, log_y=True,
            )
        },
    )  # fmt: skip


def counted_app(
    duration: float,
    *,
    exact_timers: bool,
    watches: bool = True,
    generation: Generation = "classic",
    documents: Documents = OF_A_RUN,
    version: str = ORCHESTRATOR_VERSION,
    thread_id: str | None = None,
) -> Counted:
    """Count what the real orchestrator does for a run of this duration; on a new thread, if none is named."""
    foundry, ended = app_run(
        duration,
        exact_timers=exact_timers,
        activity_seconds=ACTIVITY_SECONDS,
        watches=watches,
        generation=generation,
        version=version,
        thread_id=thread_id,
    )
    return Counted(
        episodes=ended.episodes,
        activities=len(foundry.simulation.calls),
        timers=len(ended.timers),
        cancelled_timers=ended.cancelled_timers if watches else 0,  # whoever does not watch needs no race
        generations=ended.generations,
        documents=documents,
    )


def counted_before(duration: float, *, exact_timers: bool, thread_id: str | None = None) -> Counted:
    """Count what it did when durable timers alone paced the looks, and each step was an activity of its own."""
    return counted_app(duration, exact_timers=exact_timers, watches=False, version=OLDER_VERSION, thread_id=thread_id)


def counted_naive(duration: float, *, exact_timers: bool) -> Counted:
    """Count what a monitor with a durable timer of one second does, without continue-as-new."""
    looks = naive_looks(duration, exact_timers=exact_timers, activity_seconds=ACTIVITY_SECONDS).count(duration)
    activities = NAIVE_STEPS + looks
    return Counted(episodes=1 + activities + looks, activities=activities, timers=looks)


def one_look() -> float:
    """Return the transactions of one more look: the difference that a timer, an activity and two episodes make."""
    few, more = Counted(episodes=10, activities=4), Counted(episodes=12, activities=5, timers=1)
    return storage_transactions(more).total - storage_transactions(few).total


def idle_table(prices: Prices) -> list[dict[str, Any]]:
    """Return what an idle hub costs for usual values of its two settings."""
    table = []
    for partitions in (1, 4, 8, 16):
        for seconds in (1, 5, 30):
            a_day = idle_transactions(partitions=partitions, polling_seconds=seconds)
            dollars = 30 * a_day * prices.queue_per_10_000 / 10_000
            table.append({
                "partitionCount": partitions, "maxQueuePollingInterval": seconds, "transactions_a_day": a_day,
                "dollars_a_month": round(dollars, 2),
            })  # fmt: skip
    return table


def defaults_of_host_json() -> tuple[int, float]:
    """Return partitionCount and maxQueuePollingInterval in seconds, as host.json has them."""
    host = json.loads((APP_ROOT / "host.json").read_text(encoding="utf-8"))
    provider = host["extensions"]["durableTask"]["storageProvider"]
    hours, minutes, seconds = (int(part) for part in provider["maxQueuePollingInterval"].split(":"))
    return provider["partitionCount"], hours * 3600 + minutes * 60 + seconds


def _idle_notes(prices: Prices) -> list[str]:
    partitions, seconds = defaults_of_host_json()
    a_day = idle_transactions(partitions=partitions, polling_seconds=seconds)
    cost = 30 * a_day * prices.queue_per_10_000 / 10_000
    quicker = 30 * idle_transactions(partitions=partitions, polling_seconds=1) * prices.queue_per_10_000 / 10_000
    fewer = 30 * idle_transactions(partitions=4, polling_seconds=seconds) * prices.queue_per_10_000 / 10_000
    return [
        (
            f"Idle, with host.json's partitionCount {partitions} and maxQueuePollingInterval {seconds:g} s: "
            f"{a_day:,.0f} transactions a day, ${cost:.2f} a month. One second would cost ${quicker:.2f}, four "
            f"partitions ${fewer:.2f}."
        ),
        (
            f"On a quiet hub a timer is noticed up to {seconds:g} s late (durable-protocol.md, rule 16): the polling "
            "interval, not the schedule, then bounds the lag of a lone run. Under load the queues are polled without "
            "pause."
        ),
    ]
