"""What Foundry tells beside the status document: the run is shown all the same where it does not tell in time."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future
from typing import TypeVar

from contracts.generations import generation_of_thread
from foundry.connection import agent_service
from foundry.errors import FoundryError
from foundry.service import AgentService
from settings import SettingsError, load_settings

_log = logging.getLogger("agent_run.http")

READING_SECONDS = 10.0

T = TypeVar("T")


def service_of(thread_id: str) -> AgentService:
    """Return the service of the thread's generation, for one reading."""
    return agent_service(load_settings(), generation_of_thread(thread_id)).within(READING_SECONDS)


async def told(reading: Future[T], what: str) -> T | None:
    """Return what a thread reads from Foundry; None, and a line in the log, where that fails or takes too long.

    The reading itself goes on, since others may wait for it too.
    """
    try:
        return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(reading)), READING_SECONDS)
    except (FoundryError, SettingsError, TimeoutError) as error:
        _log.warning("%s could not be read from Foundry: %s", what, type(error).__name__)
        return None
