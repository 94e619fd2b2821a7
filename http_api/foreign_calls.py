"""A conversation that waits for the answer to somebody else's tool call: a start on it is refused at once, since
nothing could be sent there (foundry-responses.md, section 3.3).

The run itself looks again before it posts. So where Foundry does not tell in time, the start goes on.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import azure.durable_functions as df

from contracts.generations import CAPABILITIES, generation_of_thread
from contracts.request import AgentRunRequest
from contracts.runs import FormerRun
from foundry.connection import agent_service
from foundry.errors import FoundryError, WaitsForToolError
from http_api.agents import in_time
from http_api.answers import ApiError
from http_api.stored import in_store
from ownership.instances import asked_from_a_thread
from ownership.threads import former_of, owner_of
from settings import load_settings

_log = logging.getLogger("agent_run.http")

LOOK_SECONDS = 3.0
_looks = ThreadPoolExecutor(4, thread_name_prefix="foreign-calls")


async def refuse_if_waiting(client: df.DurableOrchestrationClient, instance_id: str, request: AgentRunRequest) -> None:
    """Raise a 409 where the request's conversation waits for the answer to a call that is none of this app's."""
    thread_id = request.thread_id
    if thread_id is None or not CAPABILITIES[generation_of_thread(thread_id)].open_calls_outlive_runs:
        return
    if not await _seen_waiting(thread_id, None):
        return
    # Where the service does not show our stamps, a call may be that of a run of ours, whose turn it is, or was last.
    has_ended = asked_from_a_thread(client)
    owner = await in_store(lambda store: owner_of(store, thread_id, has_ended))
    if owner not in {None, instance_id}:
        return
    former = await in_store(lambda store: former_of(store, thread_id))
    error = await _seen_waiting(thread_id, former)
    if error is not None:
        raise ApiError(409, error.code, error.message, target="thread_id")


async def _seen_waiting(thread_id: str, former: FormerRun | None) -> WaitsForToolError | None:
    """Return what a look says against using the conversation, whose last owner has left this; None where it does not
    tell, too.
    """
    service = agent_service(load_settings(), generation_of_thread(thread_id)).within(LOOK_SECONDS)
    try:
        await in_time(_looks, lambda: service.refuse_open_calls(thread_id, former), LOOK_SECONDS)
    except WaitsForToolError as error:
        return error
    except (FoundryError, TimeoutError) as error:
        _log.warning("the open calls of a conversation could not be read: %s", type(error).__name__)
    return None
