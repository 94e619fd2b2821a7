"""Ten thousand instances: how long lists and counts of them take, and what they cost the host in memory."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.machine import memory_mb
from benchmarks.numbers import p95
from benchmarks.options import Options
from benchmarks.report import Cell, Check, Figure, Table
from benchmarks.stage import AppHost, BenchmarkError, Emulator
from http_api.instance_ids import RANDOM_BYTES, instance_id
from tests.functions_host.harness import HostProcess

OTHERS_EVERY = 50
"""One instance in so many has an id of the platform's, as after a start over the Durable webhook."""

SECONDS_APART = 30
GOAL_SECONDS = 0.3
NOISE = 1.1
FAILED_EVERY = 20
FAILURE = "Orchestrator function 'agent_run' failed: timeout: not done within 60 s"
STOPPED = {"status": "Failed", "step": "done", "error": {"code": "timeout", "message": "not done within 60 s"}}


FILTERS = (
    ("first page", ""),
    ("100 runs", "?limit=100"),
    ("Failed", "?status=Failed"),
    ("of a thread that has none", "?thread_id=thread_of_nobody"),
    ("counts", "/counts"),
)


def measure(options: Options) -> Figure:
    """Fill the task hub of the local host with copies of a run that it has made, and list them."""
    few, many = options.pick(100, 1_000), options.pick(1_000, 10_000)
    looks = options.pick(3, 30)
    rows: list[list[Cell]] = []
    first: dict[int, float] = {}
    memory: dict[int, float] = {}
    with Emulator() as emulator, AppHost(emulator) as app:
        app.start(0.0)
        app.until_completed(1, patience=30)
        host = app.process
        for size in (few, many):
            host.stop()
            _fill(Path(host.db), size)
            host.start()
            for what, query in FILTERS:
                times = [_timed(host, query) for _ in range(looks)]
                rows.append([f"{size:,}: {what}", median(times), p95(times)])
                first.setdefault(size, p95(times))
            began = time.monotonic()
            if (found := _count(host)) != size:
                raise BenchmarkError(f"{found} of {size} runs were listed")
            rows.append([f"{size:,}: all of them, 100 at a time", time.monotonic() - began, None])
            memory[size] = memory_mb(host.pid) or 0.0
            options.say(f"{size:,} instances: first page {first[size]:.3f} s, {memory[size]:.0f} MB")
    return Figure(
        f"Lists of {many:,} instances",
        Table(("", "p50 [s]", "p95 [s]"), rows),
        [
            Check(f"first page of {many:,} instances, p95", first[many], GOAL_SECONDS, "s"),
            Check(f"memory with {many:,} instances to that with {few:,}", memory[many] / memory[few], NOISE),
        ],
        [
            (
                f"On the local host, with the app in its process. One id in {OTHERS_EVERY} is the platform's own. The "
                "filter by thread is one call, which reads five of the platform's pages."
            ),
            f"Memory of that process: {few:,} instances {memory[few]:.0f} MB, {many:,} {memory[many]:.0f} MB.",
        ],
    )


def _fill(path: Path, size: int) -> None:
    """Make so many instances of the one that is there, each older than the one before."""
    now = datetime.now(UTC)
    with closing(sqlite3.connect(path)) as connection, connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(instances)")]
        made = connection.execute(f"SELECT {', '.join(names)} FROM instances LIMIT 1").fetchone()  # noqa: S608 - names
        [present] = connection.execute("SELECT count(*) FROM instances").fetchone()
        for number in range(present, size):
            moment = now - timedelta(seconds=SECONDS_APART * number)
            ms = int(moment.timestamp() * 1000)
            is_ours = number % OTHERS_EVERY != 0
            given = instance_id(ms, number.to_bytes(RANDOM_BYTES, "big")) if is_ours else f"{number:032x}"
            change: dict[str, Any] = {"instance_id": given, "created": ms / 1000, "updated": ms / 1000}
            if number % FAILED_EVERY == 1:
                change |= {"status": "Failed", "output": json.dumps(FAILURE), "custom_status": json.dumps(STOPPED)}
            row = {**dict(zip(names, made, strict=True)), **change}
            marks = ", ".join("?" * len(names))
            connection.execute(f"INSERT INTO instances ({', '.join(names)}) VALUES ({marks})", [*row.values()])  # noqa: S608


def _timed(host: HostProcess, query: str) -> float:
    began = time.monotonic()
    _listed(host, query)
    return time.monotonic() - began


def _listed(host: HostProcess, query: str) -> Any:
    answer = host.request("GET", f"/api/runs{query}")
    if answer.status != 200:
        raise BenchmarkError(f"the list was answered with {answer.status}: {answer.text[:300]}")
    return answer.json


def _count(host: HostProcess) -> int:
    found, cursor = set[str](), ""
    while True:
        page = _listed(host, f"?limit=100{cursor}")
        found |= {run["instanceId"] for run in page["runs"]}
        if page["next_cursor"] is None:
            return len(found)
        cursor = f"&cursor={page['next_cursor']}"
