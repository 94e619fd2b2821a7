"""`if_thread_busy: fail`: a start is refused at once while another run of this app owns the thread.

The run itself looks again, with its place at the thread: between the two somebody else may come.
"""

from __future__ import annotations

import azure.durable_functions as df
import azure.functions as func

from contracts.codes import ErrorCode
from contracts.request import AgentRunRequest
from http_api.answers import ApiError
from http_api.links import links
from http_api.stored import in_store
from ownership.instances import asked_from_a_thread
from ownership.threads import owner_of


async def refuse_if_busy(
    req: func.HttpRequest, client: df.DurableOrchestrationClient, instance_id: str, request: AgentRunRequest
) -> None:
    """Raise a 409 that names the run that owns the thread, where the request would rather fail than wait for it."""
    thread_id = request.thread_id
    if thread_id is None or request.if_thread_busy != "fail":
        return
    has_ended = asked_from_a_thread(client)
    owner = await in_store(lambda store: owner_of(store, thread_id, has_ended))
    if owner is None or owner == instance_id:
        return
    run = links(req, client, owner).own["runUri"]
    message = (
        f"the run {owner} owns thread {thread_id}: see {run}; start again when it has ended, or with if_thread_busy "
        "wait or replace"
    )
    raise ApiError(409, ErrorCode.THREAD_BUSY, message, target="thread_id", location=run)
