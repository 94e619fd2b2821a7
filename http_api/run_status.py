"""`GET /api/runs/{instance_id}`: one flat status document."""

from __future__ import annotations

import azure.durable_functions as df
import azure.functions as func

from http_api.answers import answering, document_answer
from http_api.instances import read_document
from http_api.partial_answer import with_partial_answer
from http_api.preferences import wait_seconds
from http_api.waiting import has_news, wait_for_news

blueprint = df.Blueprint()


@blueprint.route(route="runs/{instance_id}", methods=["GET"])
@blueprint.durable_client_input(client_name="client")
@answering
async def agent_run_status(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Return the status document: 202 while the run goes on, 200 when it has ended. `Prefer: wait=N` waits for that, or
    for the run to ask something.
    """
    instance_id = req.route_params["instance_id"]
    document = await read_document(client, instance_id)
    wait = wait_seconds(req.headers.get("prefer"))
    if wait and not has_news(document):
        document = await wait_for_news(client, instance_id, wait) or document
    applied = {"Preference-Applied": f"wait={wait}"} if wait else {}
    return document_answer(req, await with_partial_answer(document), headers=applied)
