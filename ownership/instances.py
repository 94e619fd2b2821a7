"""What is asked of the platform about an instance: how it is, and whether it still goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, cast
from urllib.parse import quote

import azure.durable_functions as df

import host_clock
from contracts.codes import ErrorCode
from contracts.durable import ENDED_RUNTIME_STATUSES
from recovery import died_with_its_worker, is_recovering
from store.documents import StoreError
from task_hub import TaskHub

LOOK_SECONDS = 20.0


class InstanceNotSeenError(StoreError):
    """The platform does not say how an instance is."""

    code = ErrorCode.INSTANCE_NOT_SEEN


def goes_on(payload: Mapping[str, Any] | None, now: datetime) -> bool:
    """Say whether the instance of this Durable status payload goes on; None is one that nobody knows. Pure.

    One that died with its worker will be rewound, unless its history, where the payload has it, tells otherwise.
    """
    if payload is None:
        return False
    recovering = is_recovering(payload, now, payload.get("historyEvents"))
    return payload.get("runtimeStatus") not in ENDED_RUNTIME_STATUSES or recovering


async def status_of(client: df.DurableOrchestrationClient, instance_id: str) -> Mapping[str, Any] | None:
    """Return the Durable status payload of the instance, of one that died with its worker with the history; None of one
    that nobody knows. Raises `InstanceNotSeenError`.

    The webhook takes ids that the SDK would have to escape, and does not.
    """
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            status = await client.get_status(quote(instance_id, safe=":"))
            payload = cast("Mapping[str, Any]", status.to_json()) if status else None
            if payload is None or not died_with_its_worker(payload):
                return payload
            return await TaskHub(client).whole(instance_id) or None
    except Exception as error:  # noqa: BLE001 - the SDK raises bare exceptions
        message = f"the platform did not say how the instance {instance_id} is ({type(error).__name__})"
        raise InstanceNotSeenError(message) from None


async def has_ended(client: df.DurableOrchestrationClient, instance_id: str) -> bool:
    """Say whether the instance has ended, or is unknown. Raises `InstanceNotSeenError`."""
    return not goes_on(await status_of(client, instance_id), host_clock.now())


def asked_from_a_thread(client: df.DurableOrchestrationClient) -> Callable[[str], bool]:
    """Return `has_ended` for what blocks in a thread beside the running loop, which has the client."""
    loop = asyncio.get_running_loop()
    return lambda instance_id: asyncio.run_coroutine_threadsafe(has_ended(client, instance_id), loop).result()
