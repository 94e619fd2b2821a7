"""Waiting for a run on behalf of a caller: `Prefer: wait=N`."""

from __future__ import annotations

import asyncio
import logging
import time

import azure.durable_functions as df

from contracts.status import StatusDocument
from http_api.instances import read_document

_log = logging.getLogger("agent_run.http")

LOOK_SECONDS = 0.3
FIRST_LOOK_SECONDS = 0.02
"""A caller who waits looks often at first: a run may end at once."""


async def news_within(client: df.DurableOrchestrationClient, instance_id: str, seconds: int) -> StatusDocument | None:
    """Return the status document once the run has ended or asks its caller something; None if it does neither within
    the time.
    """
    give_up_at = time.monotonic() + seconds
    looks = 0
    while True:
        try:
            document = await read_document(client, instance_id)
        except Exception as error:  # noqa: BLE001 - the run goes on: whoever is not told its id pays for another one
            _log.warning("instance %s could not be looked at: %s", instance_id, type(error).__name__)
        else:
            if document.is_ended or document.required_action:
                return document
        left = give_up_at - time.monotonic()
        if left <= 0:
            return None
        looks += 1
        await asyncio.sleep(min(FIRST_LOOK_SECONDS * looks, LOOK_SECONDS, left))
