"""`cancel_orphaned_runs`: stops the Foundry runs of instances that can no longer do it themselves.

Where a caller uses the Durable `terminatePostUri`, no user code runs any more; an instance may also fail with its run
still active, because Foundry refused to stop it. Their custom status names thread and run. Only runs that carry the
instance's stamp are touched.

A hanging Foundry takes half a minute for each request, and a function that exceeds `functionTimeout` (host.json, five
minutes) costs its worker everything in flight: so a few are looked at at once, each step has its limit, and what is
left over comes first in the next scan.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from activities.orphans import cancel_runs_of_instance
from app_log import log_event
from contracts import ORCHESTRATOR
from maintenance.instances import instances_created_between
from settings import orphan_scan_schedule

blueprint = df.Blueprint()
_log = logging.getLogger("agent_run.maintenance")

LOOK_BACK = timedelta(hours=3)
"""A generation of an instance lasts far less, and Foundry itself expires a run ten minutes after its creation."""

SETTLED_AFTER = timedelta(minutes=10)
"""A run may still be on its way to Foundry when its instance ends, so a clean look soon after the end is not enough."""

AT_ONCE = 4
"""asyncio's threads are five on a machine with one core."""

LISTING_SECONDS = 150.0
"""The SDK itself gives up after four minutes for each page."""

START_NONE_AFTER_SECONDS = 180.0
LOOK_SECONDS = 90.0
"""A look makes up to three requests of half a minute. With the limit above a scan ends before `functionTimeout`."""

_MOST_REMEMBERED = 10_000
_ENDED_STATUSES = {"completed", "failed", "cancelled", "expired", "incomplete"}
_UNFINISHED = (df.OrchestrationRuntimeStatus.Terminated, df.OrchestrationRuntimeStatus.Failed)


@dataclass(frozen=True)
class Suspect:
    """An instance that has ended and may have left a run active on the thread."""

    instance_id: str
    thread_id: str
    ended_at: datetime


class Memory:
    """What scans tell the next one: which instances have left nothing, and whose turn it is. Lost with the worker,
    which costs another look at each.
    """

    def __init__(self) -> None:
        self._settled: dict[str, None] = {}
        self._looks: dict[str, int] = {}
        self._look = 0

    def settle(self, instance_id: str) -> None:
        """Ask Foundry about this instance no more; forget the oldest one where there are too many."""
        self._settled[instance_id] = None
        if len(self._settled) > _MOST_REMEMBERED:
            del self._settled[next(iter(self._settled))]

    def looking_at(self, instance_id: str) -> None:
        """Remember that the instance has had its turn."""
        self._look += 1
        self._looks[instance_id] = self._look

    def in_turn(self, suspects: Iterable[Suspect]) -> list[Suspect]:
        """Return those that are not settled: never looked at first, the first ended of them before the others, then
        by the last look. So whatever a scan leaves over comes first in the next one, and those that fail again and
        again keep nobody waiting.
        """
        left = [s for s in suspects if s.instance_id not in self._settled]
        self._looks = {s.instance_id: self._looks[s.instance_id] for s in left if s.instance_id in self._looks}
        return sorted(left, key=lambda s: (self._looks.get(s.instance_id, 0), s.ended_at))


_memory = Memory()


@blueprint.timer_trigger(arg_name="timer", schedule=orphan_scan_schedule())
@blueprint.durable_client_input(client_name="client")
async def cancel_orphaned_runs(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:  # noqa: ARG001
    """Look for orphaned runs and cancel them; one failure keeps none of the others from being cancelled."""
    await scan(client, _memory)


async def scan(client: df.DurableOrchestrationClient, memory: Memory) -> dict[str, int]:
    """Scan once; return, and log in one line, how many instances were looked at, runs cancelled, looks that failed,
    and how many instances are left for the next scan.
    """
    counts = {"scanned": 0, "cancelled": 0, "failed": 0, "left": 0}
    now, began = datetime.now(UTC), monotonic()
    try:
        listing = instances_created_between(client, now - LOOK_BACK, now + timedelta(days=1), _UNFINISHED)
        payloads = await asyncio.wait_for(listing, LISTING_SECONDS)
    except Exception as error:  # noqa: BLE001 - whatever keeps us from listing, the next scan tries again
        log_event(_log, "agent_run.orphans", level=logging.ERROR, **counts, error=type(error).__name__)
        return counts
    waiting = deque(memory.in_turn(filter(None, map(suspect_of, payloads))))

    async def look_at_one_after_the_other() -> None:
        while waiting and monotonic() - began < START_NONE_AFTER_SECONDS:
            suspect = waiting.popleft()
            memory.looking_at(suspect.instance_id)
            counts["scanned"] += 1
            cancelled = await _cancel_runs_of(suspect)
            if cancelled is None:
                counts["failed"] += 1
                continue
            counts["cancelled"] += cancelled
            if cancelled == 0 and suspect.ended_at < now - SETTLED_AFTER:
                memory.settle(suspect.instance_id)

    await asyncio.gather(*(look_at_one_after_the_other() for _ in range(AT_ONCE)))
    counts["left"] = len(waiting)
    level = logging.WARNING if counts["failed"] or counts["left"] else logging.INFO
    log_event(_log, "agent_run.orphans", level=level, **counts)
    return counts


async def _cancel_runs_of(suspect: Suspect) -> int | None:
    """Return how many runs were cancelled, None where that failed."""
    try:
        # Foundry is called in a thread: its client blocks, and this function shares the loop with all others.
        look = asyncio.to_thread(cancel_runs_of_instance, suspect.thread_id, suspect.instance_id)
        return await asyncio.wait_for(look, LOOK_SECONDS)
    except Exception as error:  # noqa: BLE001 - one bad thread must not keep the others' runs alive
        log_event(
            _log,
            "agent_run.orphan_not_cancelled",
            level=logging.WARNING,
            instance_id=suspect.instance_id,
            thread_id=suspect.thread_id,
            error=getattr(error, "code", type(error).__name__),
        )
        return None


def suspect_of(payload: Mapping[str, Any]) -> Suspect | None:
    """Return what an ended instance may have left behind, from its Durable status payload; None if nothing."""
    custom = payload.get("customStatus")
    if payload.get("name") != ORCHESTRATOR or not isinstance(custom, Mapping):
        return None
    thread_id, run_status = custom.get("thread_id"), custom.get("run_status")
    # The step that the custom status shows, and the one after it, may have been executed although the instance was
    # terminated.
    started = custom.get("run_requested") or custom.get("step") in {"create_message", "create_run"}
    if not isinstance(thread_id, str) or not started or run_status in _ENDED_STATUSES:
        return None
    ended_at = datetime.fromisoformat(str(payload["lastUpdatedTime"])).replace(tzinfo=UTC)
    return Suspect(instance_id=str(payload["instanceId"]), thread_id=thread_id, ended_at=ended_at)
