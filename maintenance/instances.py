"""Lists instances of a time window completely, although the SDK returns a first page of 100 only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import azure.durable_functions as df

PAGE = 100
SHORTEST_WINDOW = timedelta(seconds=2)


async def instances_created_between(
    client: df.DurableOrchestrationClient,
    start: datetime,
    end: datetime,
    statuses: Sequence[df.OrchestrationRuntimeStatus],
) -> list[dict[str, Any]]:
    """Return the Durable status payloads of all instances created in the window, halving it where a page is full.

    More than a page of instances within two seconds are cut to a page: the next scan sees the others once these are
    gone.
    """
    found = [s.to_json() for s in await client.get_status_by(start, end, list(statuses))]
    if len(found) < PAGE or end - start <= SHORTEST_WINDOW:
        return found
    middle = start + (end - start) / 2
    halves = [
        *await instances_created_between(client, start, middle, statuses),
        *await instances_created_between(client, middle, end, statuses),
    ]
    return list({payload["instanceId"]: payload for payload in halves}.values())
