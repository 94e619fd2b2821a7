"""Threads that go with the history of the last instance that ran on them: what `delete_thread: with_history` asks for.

Once an instance is purged nobody knows its thread any more. So what is to be purged is listed first, and an instance
whose thread cannot be deleted is kept for another night.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

from app_log import log_event
from contracts.durable import ENDED_RUNTIME_STATUSES, ORCHESTRATOR
from contracts.generations import CAPABILITIES, generation_of_thread
from contracts.instance_input import read_instance_input
from contracts.status import read_custom_status
from foundry.connection import agent_service
from foundry.errors import FoundryError
from maintenance.left_behind import Traces, traces_of
from settings import load_settings
from task_hub import TaskHub

_log = logging.getLogger("agent_run.maintenance")

AT_ONCE = 8
INSTANCE_SECONDS = 30.0
FOUNDRY_SECONDS = 20.0
"""For one instance: a look at it, and four short requests to Foundry."""

KEPT_FOR = timedelta(days=14)
"""Beyond the retention: an instance whose thread Foundry refuses to delete. Where Foundry does not answer it is kept
until it does.
"""

_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="old-threads")


@dataclass(frozen=True)
class OldInstance:
    """An instance that is to be purged, as a listing shows it."""

    instance_id: str
    created_at: datetime
    asks: bool
    """Its thread goes with it, or that only its input tells."""


@dataclass
class Farewell:
    """What became of the threads of instances that are to be purged."""

    deleted: int = 0
    kept: dict[str, datetime] = field(default_factory=dict)
    """Instances that are kept for the sake of their threads, and when they were created."""
    left: int = 0
    """Instances that are purged although Foundry refused to delete their threads."""


async def list_old(hub: TaskHub, start: datetime, end: datetime, found: list[OldInstance]) -> None:
    """Add the ended instances that were created in the window to `found`, as far as the time of the caller reaches."""
    pages = hub.pages(created_from=start, created_to=end, statuses=ENDED_RUNTIME_STATUSES)
    async for page in pages:
        found.extend(old_instance(row, end) for row in page)


def old_instance(row: Mapping[str, Any], otherwise: datetime) -> OldInstance:
    """Return the instance of a Durable status payload without input. Pure."""
    try:
        created_at = datetime.fromisoformat(str(row.get("createdTime"))).replace(tzinfo=UTC)
    except ValueError:
        created_at = otherwise
    custom = read_custom_status(row.get("customStatus"))
    asks = row.get("name") == ORCHESTRATOR and (custom is None or custom.delete_thread == "with_history")
    return OldInstance(instance_id=str(row.get("instanceId")), created_at=created_at, asks=asks)


def threads_to_delete(whole: Mapping[str, Any], instance_id: str) -> Traces:
    """Return the threads that go with this instance, from its Durable status with input and history; none where it was
    not to take them along. Pure.
    """
    custom = read_custom_status(whole.get("customStatus"))
    goes = custom.delete_thread if custom else read_instance_input(whole.get("input")).delete_thread
    if goes != "with_history":
        return Traces(instance_id, ())
    traces = traces_of({"instanceId": instance_id, **whole})
    known = (custom.thread_id,) if custom and custom.thread_id else ()
    return Traces(traces.instance_id[:512], tuple(dict.fromkeys((*known, *traces.thread_ids))))


async def take_threads_along(
    hub: TaskHub, instances: Sequence[OldInstance], *, limit: datetime, until: float
) -> Farewell:
    """Delete the threads of these instances, a few at once, and start none after `until` (`monotonic`).

    In any order, so that those that fail again and again keep nobody waiting. What is left over is kept.
    """
    farewell = Farewell()
    waiting = list({instance.instance_id: instance for instance in instances if instance.asks}.values())
    random.shuffle(waiting)

    async def one_after_the_other() -> None:
        while waiting and monotonic() < until:
            instance = waiting.pop()
            try:
                gone = await asyncio.wait_for(_take_along(hub, instance.instance_id), INSTANCE_SECONDS)
            except Exception as error:  # noqa: BLE001 - one bad thread must not keep the others
                _refused(farewell, instance, error, limit)
            else:
                farewell.deleted += gone

    await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))
    farewell.kept |= {instance.instance_id: instance.created_at for instance in waiting}
    return farewell


async def _take_along(hub: TaskHub, instance_id: str) -> int:
    """Return how many threads of the instance are gone."""
    traces = threads_to_delete(await hub.whole(instance_id), instance_id)
    if not traces.thread_ids:
        return 0
    return await asyncio.get_running_loop().run_in_executor(_threads, delete_threads_of, traces)


def delete_threads_of(traces: Traces) -> int:
    """Delete the threads, as far as the app has created them and nobody uses them any more; return how many are gone.
    Blocks for so long at most; raises `FoundryError`.
    """
    settings = load_settings()
    services = {generation: agent_service(settings, generation).within(FOUNDRY_SECONDS) for generation in CAPABILITIES}
    return sum(
        services[generation_of_thread(thread_id)].delete_thread(thread_id, traces.instance_id)
        for thread_id in traces.thread_ids
    )


def _refused(farewell: Farewell, instance: OldInstance, error: Exception, limit: datetime) -> None:
    """Keep the instance, unless Foundry refuses for good what was due long ago."""
    is_final = isinstance(error, FoundryError) and not error.retryable
    if is_final and instance.created_at < limit - KEPT_FOR:
        farewell.left += 1
    else:
        farewell.kept[instance.instance_id] = instance.created_at
    log_event(
        _log,
        "agent_run.thread_not_deleted",
        level=logging.WARNING,
        instance_id=instance.instance_id,
        kept=instance.instance_id in farewell.kept,
        error=getattr(error, "code", type(error).__name__),
    )
