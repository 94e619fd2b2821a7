"""One key, one run: of all starts with a key, on whatever host, one starts its instance, and the others learn which.

The key's document is written first (`ownership.keys`), then the instance is started, then the document says so. Who
finds a key that somebody else has just taken waits for that instance, and starts it himself where it does not come:
whoever took the key may have died. Two that start one instance do no harm, its stamps are the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic

import azure.durable_functions as df

from http_api.instance_ids import new_instance_id
from http_api.stored import in_store
from ownership.keys import KeyHolder, claim, holder_of, mark_started

STARTS_WITHIN = timedelta(seconds=5)
"""After its key was taken; an instance that is not there then is started by the next one who asks."""

LOOK_SECONDS = 0.5

Start = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class StartKey:
    """A key, and the fingerprint of the request that it is sent with now."""

    text: str
    fingerprint: str


class _KeyIsTakenError(Exception):
    def __init__(self, instance_id: str) -> None:
        super().__init__(instance_id)
        self.instance_id = instance_id


class OtherRequestError(_KeyIsTakenError):
    """The key stands for another request, the instance of which is named."""


class PurgedRunError(_KeyIsTakenError):
    """The key has started this instance, which is not there any more: nothing is started for it again."""


async def started_by_key(client: df.DurableOrchestrationClient, key: StartKey) -> str | None:
    """Return the instance that was started with the key; None where that is still to be done.

    Raises `OtherRequestError`, `PurgedRunError`, `StoreError`.
    """
    holder = await in_store(lambda store: holder_of(store, key.text))
    return None if holder is None else await _started(client, key, holder)


async def start_by_key(client: df.DurableOrchestrationClient, key: StartKey, start: Start) -> str:
    """Return the instance that the key stands for; `start` starts it where nobody has. Raises as `started_by_key`, and
    what `start` raises: the key is taken then, and whoever repeats the request starts that instance.
    """
    mine = KeyHolder(instance=new_instance_id(), fingerprint=key.fingerprint, created=datetime.now(UTC))
    give_up_at = monotonic() + STARTS_WITHIN.total_seconds()
    while (holder := await in_store(lambda store: claim(store, key.text, mine))) != mine:
        if (instance_id := await _started(client, key, holder)) is not None:
            return instance_id
        if monotonic() >= give_up_at or datetime.now(UTC) >= holder.created + STARTS_WITHIN:
            break
        await asyncio.sleep(LOOK_SECONDS)
    await start(holder.instance)
    await in_store(lambda store: mark_started(store, key.text, holder))
    return holder.instance


async def is_known(client: df.DurableOrchestrationClient, instance_id: str) -> bool:
    """Say whether the instance exists, whatever has become of it."""
    return bool(await client.get_status(instance_id))


async def _started(client: df.DurableOrchestrationClient, key: StartKey, holder: KeyHolder) -> str | None:
    if holder.fingerprint != key.fingerprint:
        raise OtherRequestError(holder.instance)
    if await is_known(client, holder.instance):
        if not holder.started:
            await in_store(lambda store: mark_started(store, key.text, holder))
        return holder.instance
    if holder.started:
        raise PurgedRunError(holder.instance)
    return None
