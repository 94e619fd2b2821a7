"""`cancel_orphaned_runs`: stops the Foundry runs of instances that can no longer do it themselves.

Where a caller uses the Durable `terminatePostUri`, no user code runs any more; an instance may also fail with its run
still active, because Foundry refused to stop it. Their custom status names thread and run. Only runs that carry the
instance's stamp are touched.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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

_MOST_REMEMBERED = 10_000
_ENDED_STATUSES = {"completed", "failed", "cancelled", "expired", "incomplete"}
_UNFINISHED = (df.OrchestrationRuntimeStatus.Terminated, df.OrchestrationRuntimeStatus.Failed)


@dataclass(frozen=True)
class Suspect:
    """An instance that has ended and may have left a run active on the thread."""

    instance_id: str
    thread_id: str
    ended_at: datetime


class Settled:
    """Remembers which instances have left nothing, so that every scan asks Foundry only about new ones."""

    def __init__(self) -> None:
        self._instances: dict[str, None] = {}

    def add(self, instance_id: str) -> None:
        """Remember the instance, and forget the oldest one where there are too many."""
        self._instances[instance_id] = None
        if len(self._instances) > _MOST_REMEMBERED:
            del self._instances[next(iter(self._instances))]

    def __contains__(self, instance_id: str) -> bool:
        return instance_id in self._instances


_settled = Settled()


@blueprint.timer_trigger(arg_name="timer", schedule=orphan_scan_schedule())
@blueprint.durable_client_input(client_name="client")
async def cancel_orphaned_runs(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:  # noqa: ARG001
    """Look for orphaned runs and cancel them; one failure keeps none of the others from being cancelled."""
    await scan(client, _settled)


async def scan(client: df.DurableOrchestrationClient, settled: Settled) -> dict[str, int]:
    """Scan once; return, and log in one line, how many instances were looked at, runs cancelled, and looks that
    failed.
    """
    counts = {"scanned": 0, "cancelled": 0, "failed": 0}
    now = datetime.now(UTC)
    try:
        payloads = await instances_created_between(client, now - LOOK_BACK, now + timedelta(days=1), _UNFINISHED)
    except Exception as error:  # noqa: BLE001 - whatever keeps us from listing, the next scan tries again
        log_event(_log, "agent_run.orphans", level=logging.ERROR, **counts, error=type(error).__name__)
        return counts
    for suspect in filter(None, map(suspect_of, payloads)):
        if suspect.instance_id in settled:
            continue
        counts["scanned"] += 1
        try:
            # Foundry is called in a thread: its client blocks, and this function shares the loop with all others.
            cancelled = await asyncio.to_thread(cancel_runs_of_instance, suspect.thread_id, suspect.instance_id)
        except Exception as error:  # noqa: BLE001 - one bad thread must not keep the others' runs alive
            counts["failed"] += 1
            log_event(
                _log,
                "agent_run.orphan_not_cancelled",
                level=logging.WARNING,
                instance_id=suspect.instance_id,
                thread_id=suspect.thread_id,
                error=getattr(error, "code", type(error).__name__),
            )
            continue
        counts["cancelled"] += cancelled
        if cancelled == 0 and suspect.ended_at < now - SETTLED_AFTER:
            settled.add(suspect.instance_id)
    log_event(_log, "agent_run.orphans", level=logging.WARNING if counts["failed"] else logging.INFO, **counts)
    return counts


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
