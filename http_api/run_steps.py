"""`GET /api/runs/{instance_id}/steps`: what a run did, with its tool calls."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import azure.durable_functions as df
import azure.functions as func

from contracts.steps import RunSteps
from http_api.answers import answering, json_answer
from http_api.foundry_reads import read_from_foundry
from http_api.instances import read_document
from settings import load_settings

blueprint = df.Blueprint()

READING_SECONDS = 30.0
_threads = ThreadPoolExecutor(4, thread_name_prefix="steps")


@blueprint.route(route="runs/{instance_id}/steps", methods=["GET"])
@blueprint.durable_client_input(client_name="client")
@answering
async def agent_run_steps(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """List the steps of the run, those so far while it goes on; of several Foundry runs those of the last one, with
    those that it goes on behind.
    """
    settings = load_settings()
    document = await read_document(client, req.route_params["instance_id"])
    thread_id, run_id = document.thread_id, document.run_id
    if not (thread_id and run_id):
        return json_answer(RunSteps(run_id=None, steps=[]))
    steps = await read_from_foundry(
        settings,
        _threads,
        READING_SECONDS,
        lambda service: service.list_steps(thread_id, run_id),
        thread_id=thread_id,
        gone=f"Foundry no longer has the run {run_id} of the thread {thread_id}: the thread was deleted",
    )
    return json_answer(steps)
