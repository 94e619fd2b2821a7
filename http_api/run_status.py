"""`GET /api/runs/{instance_id}`: one flat status document."""

from __future__ import annotations

import azure.durable_functions as df
import azure.functions as func

from http_api.answers import answering, document_answer
from http_api.instances import read_document

blueprint = df.Blueprint()


@blueprint.route(route="runs/{instance_id}", methods=["GET"])
@blueprint.durable_client_input(client_name="client")
@answering
async def agent_run_status(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Return the status document: 202 while the run goes on, 200 when it has ended."""
    return document_answer(req, await read_document(client, req.route_params["instance_id"]))
