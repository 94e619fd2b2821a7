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
from recovery import is_recovering
from store.documents import StoreError

LOOK_SECONDS = 20.0


class InstanceNotSeenError(StoreError):
    """The platform does not say how an instance is."""

    code = ErrorCode.INSTANCE_NOT_SEEN


def goes_on(payload: Mapping[str, Any] | None, now: datetime) -> bool:
    """Say whether the instance of this Durable status payload goes on; None is one that nobody knows. Pure.

    One that died with its worker will be rewound. Whether it was before is not asked: others only wait a little longer.
    """
    if payload is None:
        return False
    return payload.get("runtimeStatus") not in ENDED_RUNTIME_STATUSES or is_recovering(payload, now)


async def status_of(client: df.DurableOrchestrationClient, instance_id: str) -> Mapping[str, Any] | None:
    """Return the Durable status payload of the instance; None of one that nobody knows. Raises `InstanceNotSeenError`.

    The webhook takes ids that the SDK would have to escape, and does not.
    """
    try:
        status = await asyncio.wait_for(client.get_status(quote(instance_id, safe=":")), LOOK_SECONDS)
    except Exception as error:  # noqa: BLE001 - the SDK raises bare exceptions
        message = f"the platform did not say how the instance {instance_id} is ({type(error).__name__})"
        raise InstanceNotSeenError(message) from None
    return cast("Mapping[str, Any]", status.to_json()) if status else None


async def has_ended(client: df.DurableOrchestrationClient, instance_id: str) -> bool:
    """Say whether the instance has ended, or is unknown. Raises `InstanceNotSeenError`."""
    return not goes_on(await status_of(client, instance_id), host_clock.now())


def asked_from_a_thread(client: df.DurableOrchestrationClient) -> Callable[[str], bool]:
    """Return `has_ended` for what blocks in a thread beside the running loop, which has the client."""
    loop = asyncio.get_running_loop()
    return lambda instance_id: asyncio.run_coroutine_threadsafe(has_ended(client, instance_id), loop).result()
