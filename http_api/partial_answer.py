"""What a run wrote before it was cut short: `incomplete`, for want of tokens, say. It is paid for, so callers get it.

The instance has failed, and a failure's output is a line; so the answer is read from Foundry, where it stays.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import msgspec

from contracts.runs import RunState
from contracts.status import StatusDocument
from foundry.connection import agent_service
from foundry.errors import FoundryError
from http_api.agents import in_time
from settings import SettingsError, load_settings

_log = logging.getLogger("agent_run.http")

READING_SECONDS = 10.0
_threads = ThreadPoolExecutor(4, thread_name_prefix="partial-answer")


async def with_partial_answer(document: StatusDocument) -> StatusDocument:
    """Return the document with what the run wrote, where it was cut short and Foundry tells; else as it is."""
    thread_id, run_id = document.thread_id, document.run_id
    if document.status != "Failed" or document.run_state is not RunState.INCOMPLETE or not (thread_id and run_id):
        return document

    def read() -> str:
        return agent_service(load_settings()).within(READING_SECONDS).get_answer(thread_id, run_id).text

    try:
        text = await in_time(_threads, read, READING_SECONDS)
    except (FoundryError, SettingsError, TimeoutError) as error:
        _log.warning("the partial answer of run %s could not be read: %s", run_id, type(error).__name__)
        return document
    return msgspec.structs.replace(document, response=text)
