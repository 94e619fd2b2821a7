"""What activities ask the platform about other instances: they block in threads, the Durable client is on the loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import azure.durable_functions as df

from app_log import log_event
from contracts.durable import CANCEL_EVENT
from ownership.instances import LOOK_SECONDS, status_of

_log = logging.getLogger("agent_run.activities")

T = TypeVar("T")


@dataclass(frozen=True)
class ClientOnLoop:
    """`OtherInstances` by the client of the loop that it was made on, for a thread beside that."""

    client: df.DurableOrchestrationClient
    loop: asyncio.AbstractEventLoop

    def status_of(self, instance_id: str) -> Mapping[str, Any] | None:
        """Return the instance's Durable status payload. Raises `InstanceNotSeenError`."""
        return self._wait_for(status_of(self.client, instance_id))

    def ask_to_cancel(self, instance_id: str, reason: str) -> None:
        """Ask the instance to cancel its run. It may not hear that; whoever asks, asks again."""
        self._wait_for(_raise_cancel(self.client, instance_id, reason))

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()


async def _raise_cancel(client: df.DurableOrchestrationClient, instance_id: str, reason: str) -> None:
    try:
        await asyncio.wait_for(client.raise_event(instance_id, CANCEL_EVENT, {"reason": reason}), LOOK_SECONDS)
    except Exception as error:  # noqa: BLE001 - the SDK raises bare exceptions; an instance that has just ended is one
        log_event(_log, "agent_run.not_asked_to_cancel", instance_id=instance_id, error=type(error).__name__)


def others_by(client: df.DurableOrchestrationClient) -> ClientOnLoop:
    """Return what an activity may ask from a thread; call it on the client's loop."""
    return ClientOnLoop(client, asyncio.get_running_loop())
