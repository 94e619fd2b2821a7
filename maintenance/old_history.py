"""`purge_history`: deletes the history of instances that ended long ago.

The filter always names the terminal states: without them the platform purges running instances too
(durable-protocol.md, rule 13).
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from time import monotonic

import azure.durable_functions as df
import azure.functions as func

from app_log import log_event
from contracts.durable import ENDED_RUNTIME_STATUSES
from settings import SettingsError, load_settings

blueprint = df.Blueprint()
_log = logging.getLogger("agent_run.maintenance")

SCHEDULE = "0 30 3 * * *"
"""Once a night. Not a setting: an operator decides how long history is kept, not when it is deleted."""

TERMINAL = tuple(df.OrchestrationRuntimeStatus(name) for name in ENDED_RUNTIME_STATUSES)
SLICE = timedelta(days=1)
SLICES = 7
"""The last week before the limit is purged day by day, so that one day's failure leaves the others; then all older."""

SLICE_SECONDS = 60.0
START_NONE_AFTER_SECONDS = 180.0
"""The SDK itself gives up after four minutes, and eight times that exceeds `functionTimeout` (host.json), which costs
the worker everything in flight. With these limits a purge takes four minutes at most.
"""


@blueprint.timer_trigger(arg_name="timer", schedule=SCHEDULE)
@blueprint.durable_client_input(client_name="client")
async def purge_history(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:  # noqa: ARG001
    """Purge what is older than `HISTORY_RETENTION_DAYS`; 0 keeps everything."""
    await purge_by_settings(client, datetime.now(UTC))


async def purge_by_settings(client: df.DurableOrchestrationClient, now: datetime) -> None:
    """Purge as the settings say; whatever they say, there is one line in the log."""
    try:
        days = load_settings().history_retention_days
    except SettingsError as error:
        log_event(_log, "agent_run.purged", level=logging.ERROR, deleted=0, failed=1, error=str(error))
        return
    if days > 0:
        await purge(client, now - timedelta(days=days))
    else:
        log_event(_log, "agent_run.purged", deleted=0, failed=0, kept="everything")


async def purge(client: df.DurableOrchestrationClient, limit: datetime) -> dict[str, int]:
    """Purge ended instances created before `limit`; return, and log in one line, what was deleted, and how many slices
    failed or had no time left. The next night tries these again.
    """
    counts = {"deleted": 0, "failed": 0}
    began = monotonic()
    for start, end in slices_before(limit):
        if monotonic() - began >= START_NONE_AFTER_SECONDS:
            counts["failed"] += 1
            _log_failed_slice(end, "no time left")
            continue
        try:
            purging = client.purge_instance_history_by(start, end, list(TERMINAL))
            counts["deleted"] += (await asyncio.wait_for(purging, SLICE_SECONDS)).instances_deleted
        except Exception as error:  # noqa: BLE001 - one bad slice must not keep the others
            counts["failed"] += 1
            _log_failed_slice(end, type(error).__name__)
    log_event(_log, "agent_run.purged", level=logging.WARNING if counts["failed"] else logging.INFO, **counts)
    return counts


def _log_failed_slice(end: datetime, error: str) -> None:
    log_event(_log, "agent_run.purge_failed", level=logging.WARNING, before=str(end), error=error)


def slices_before(limit: datetime) -> list[tuple[datetime, datetime]]:
    """Return time windows that cover everything before `limit`, newest first."""
    edges = [limit - n * SLICE for n in range(SLICES + 1)]
    days = [(earlier, later) for later, earlier in pairwise(edges)]
    return [*days, (datetime(2020, 1, 1, tzinfo=UTC), edges[-1])]
