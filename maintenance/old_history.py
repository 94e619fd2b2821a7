"""`purge_history`: deletes the history of instances that ended long ago, and the threads that go with it. Beside that
it has old documents deleted (`old_documents`).

The filter always names the terminal states: without them the platform purges running instances too
(durable-protocol.md, rule 13). What is to be purged is listed first, for the sake of the threads (`old_threads`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from time import monotonic
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from app_log import log_event
from contracts.durable import ENDED_RUNTIME_STATUSES
from maintenance.old_documents import purge_documents
from maintenance.old_threads import OldInstance, list_old, take_threads_along
from ownership.instances import asked_from_a_thread
from settings import SettingsError, load_settings
from store.connection import document_store
from task_hub import TaskHub

blueprint = df.Blueprint()
_log = logging.getLogger("agent_run.maintenance")

SCHEDULE = "0 30 3 * * *"
"""Once a night. Not a setting: an operator decides how long history is kept, not when it is deleted."""

TERMINAL = tuple(df.OrchestrationRuntimeStatus(name) for name in ENDED_RUNTIME_STATUSES)
SLICE = timedelta(days=1)
SLICES = 7
"""The last week before the limit is purged day by day, so that one day's failure leaves the others; then all older."""

LISTING_SECONDS = 75.0
"""For all slices: some hundred thousand instances, half a second for a thousand (durable-protocol.md, section 7)."""

DELETE_NO_THREAD_AFTER_SECONDS = 150.0
SLICE_SECONDS = 60.0
START_NONE_AFTER_SECONDS = 180.0
"""The SDK itself gives up after four minutes, and eight times that exceeds `functionTimeout` (host.json), which costs
the worker everything in flight. With these limits a purge takes four minutes at most.
"""

AT_ONCE = 8
_NO_TIME = "no time left"
_A_SECOND = timedelta(seconds=1)


@dataclass
class Slice:
    """A window of time, the instances that were created in it, and what went wrong."""

    start: datetime
    end: datetime
    instances: list[OldInstance] = field(default_factory=list)
    is_listed: bool = False
    """All of them are known."""
    error: str = ""

    def holds(self, created_at: datetime) -> bool:
        """Say whether a purge of the window may reach an instance of this time: the platform counts in seconds."""
        return self.start - _A_SECOND <= created_at <= self.end + _A_SECOND


@blueprint.timer_trigger(arg_name="timer", schedule=SCHEDULE)
@blueprint.durable_client_input(client_name="client")
async def purge_history(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:  # noqa: ARG001
    """Purge what is older than `HISTORY_RETENTION_DAYS` (0 keeps everything), and documents that nobody needs."""
    now = datetime.now(UTC)
    documents = asyncio.create_task(purge_documents_by_settings(client, now))
    try:
        await purge_by_settings(client, TaskHub(client), now)
    finally:
        log_documents(await documents)


async def purge_by_settings(client: df.DurableOrchestrationClient, hub: TaskHub, now: datetime) -> None:
    """Purge as the settings say; whatever they say, there is one line in the log."""
    try:
        days = load_settings().history_retention_days
    except SettingsError as error:
        log_event(_log, "agent_run.purged", level=logging.ERROR, deleted=0, failed=1, error=str(error))
        return
    if days > 0:
        await purge(client, hub, now - timedelta(days=days))
    else:
        log_event(_log, "agent_run.purged", deleted=0, failed=0, kept="everything")


async def purge_documents_by_settings(client: df.DurableOrchestrationClient, now: datetime) -> dict[str, Any]:
    """Purge documents as the settings say; return what is to be logged. Whatever goes wrong there keeps no history."""
    try:
        days = load_settings().idempotency_days
        return await asyncio.to_thread(purge_documents, document_store, asked_from_a_thread(client), now, days)
    except Exception as error:  # noqa: BLE001 - see above
        return {"error": str(error) if isinstance(error, SettingsError) else type(error).__name__}


def log_documents(fields: dict[str, Any]) -> None:
    """Write the line about purged documents."""
    troubled = "error" in fields or fields["left"]
    log_event(_log, "agent_run.documents_purged", level=logging.WARNING if troubled else logging.INFO, **fields)


async def purge(client: df.DurableOrchestrationClient, hub: TaskHub, limit: datetime) -> dict[str, int]:
    """Purge ended instances created before `limit`, once the threads that go with them are deleted.

    Return, and log in one line, what was `deleted`, how many slices `failed` or had no time left, how many `threads`
    are gone, how many instances are `waiting` for that, and how many went although their threads are `left`. The next
    night tries again what failed and what waits.
    """
    began = monotonic()
    slices = [Slice(start, end) for start, end in slices_before(limit)]
    for part in slices:
        await _list(hub, part, began + LISTING_SECONDS - monotonic())
    farewell = await take_threads_along(
        hub,
        [instance for part in slices for instance in part.instances],
        limit=limit,
        until=began + DELETE_NO_THREAD_AFTER_SECONDS,
    )
    counts = {"deleted": 0, "failed": 0}
    for part in slices:
        counts["deleted"] += await _purge(client, hub, part, farewell.kept, began + START_NONE_AFTER_SECONDS)
        if part.error:
            counts["failed"] += 1
            log_event(_log, "agent_run.purge_failed", level=logging.WARNING, before=str(part.end), error=part.error)
    counts |= {"threads": farewell.deleted, "waiting": len(farewell.kept), "left": farewell.left}
    troubled = counts["failed"] or counts["waiting"] or counts["left"]
    log_event(_log, "agent_run.purged", level=logging.WARNING if troubled else logging.INFO, **counts)
    return counts


async def _list(hub: TaskHub, part: Slice, seconds: float) -> None:
    """List the instances of the slice, as far as there is time."""
    if seconds <= 0:
        part.error = _NO_TIME
        return
    try:
        await asyncio.wait_for(list_old(hub, part.start, part.end, part.instances), min(SLICE_SECONDS, seconds))
        part.is_listed = True
    except Exception as error:  # noqa: BLE001 - one bad slice must not keep the others
        part.error = type(error).__name__


async def _purge(
    client: df.DurableOrchestrationClient, hub: TaskHub, part: Slice, kept: dict[str, datetime], until: float
) -> int:
    """Purge the slice: at once where all of it may go, else one known instance after the other."""
    if part.is_listed and not any(part.holds(created_at) for created_at in kept.values()):
        return await _purge_at_once(client, part, until)
    return await _purge_one_by_one(hub, part, kept, until)


async def _purge_at_once(client: df.DurableOrchestrationClient, part: Slice, until: float) -> int:
    if monotonic() >= until:
        part.error = _NO_TIME
        return 0
    try:
        purging = client.purge_instance_history_by(part.start, part.end, list(TERMINAL))
        return int((await asyncio.wait_for(purging, SLICE_SECONDS)).instances_deleted)
    except Exception as error:  # noqa: BLE001 - one bad slice must not keep the others
        part.error = type(error).__name__
        return 0


async def _purge_one_by_one(hub: TaskHub, part: Slice, kept: Collection[str], until: float) -> int:
    waiting = [instance.instance_id for instance in part.instances if instance.instance_id not in kept]
    deleted = 0

    async def one_after_the_other() -> None:
        nonlocal deleted
        while waiting and monotonic() < until:
            try:
                purged = await asyncio.wait_for(hub.purge(waiting.pop()), SLICE_SECONDS)
            except Exception as error:  # noqa: BLE001 - one bad instance must not keep the others
                part.error = type(error).__name__
            else:
                deleted += purged

    await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))
    if waiting:
        part.error = _NO_TIME
    return deleted


def slices_before(limit: datetime) -> list[tuple[datetime, datetime]]:
    """Return time windows that cover everything before `limit`, newest first."""
    edges = [limit - n * SLICE for n in range(SLICES + 1)]
    days = [(earlier, later) for later, earlier in pairwise(edges)]
    return [*days, (datetime(2020, 1, 1, tzinfo=UTC), edges[-1])]
