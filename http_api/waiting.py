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

FAILED_LOOKS = 5
"""In a row: the host is being stopped, and has closed its port first. Who waits is answered while that gets through."""


async def wait_for_news(client: df.DurableOrchestrationClient, instance_id: str, seconds: int) -> StatusDocument | None:
    """Return the status document once the run has ended or asks its caller something (`has_news`), or as it was when
    the time was over or the host could not be asked any more; None where it was never seen.
    """
    give_up_at = time.monotonic() + seconds
    looks = failures = 0
    document = None
    while True:
        try:
            document = await read_document(client, instance_id)
            failures = 0
        except Exception as error:  # noqa: BLE001 - the run goes on: whoever is not told its id pays for another one
            failures += 1
            _log.warning("instance %s could not be looked at: %s", instance_id, type(error).__name__)
        left = give_up_at - time.monotonic()
        if left <= 0 or failures == FAILED_LOOKS or (document and has_news(document)):
            return document
        looks += 1
        await asyncio.sleep(min(FIRST_LOOK_SECONDS * looks, LOOK_SECONDS, left))


def has_news(document: StatusDocument) -> bool:
    """Say whether the caller has something to do with it: read the end, or answer."""
    return document.is_ended or document.required_action is not None
