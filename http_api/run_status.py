"""`GET /api/runs/{instance_id}`: one flat status document."""

from __future__ import annotations

import re
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from contracts import ORCHESTRATOR
from http_api.answers import ApiError, answering, json_answer
from http_api.status_document import is_ended, status_document
from http_api.urls import own_urls
from settings import http_auth_level

blueprint = df.Blueprint(http_auth_level=func.AuthLevel[http_auth_level()])

POLL_AFTER_SECONDS = 2

_INSTANCE_ID = r"[A-Za-z0-9_:.-]{1,100}"
"""The client does not escape ids (durable-protocol.md, rule 14), so one that could change the path is unknown at
once.
"""


@blueprint.route(route="runs/{instance_id}", methods=["GET"])
@blueprint.durable_client_input(client_name="client")
@answering
async def agent_run_status(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Return the status document: 202 while the run goes on, 200 when it has ended."""
    instance_id = req.route_params["instance_id"]
    durable = await durable_status(client, instance_id)
    document = status_document(durable)
    if is_ended(durable["runtimeStatus"]):
        return json_answer(document)
    headers = {"Location": own_urls(req.url, instance_id)["runUri"], "Retry-After": str(POLL_AFTER_SECONDS)}
    return json_answer(document, 202, headers)


async def durable_status(client: df.DurableOrchestrationClient, instance_id: str) -> dict[str, Any]:
    """Return the Durable status payload of an instance of ours; raise a 404 for any other id."""
    status = await client.get_status(instance_id) if re.fullmatch(_INSTANCE_ID, instance_id) else None
    # The SDK answers an unknown id with an empty status, whose to_json() crashes.
    if not status or status.name != ORCHESTRATOR:
        raise ApiError(
            404,
            "not_found",
            f"there is no run with the instance id {instance_id[:100]!r}",
            target="instance_id",
        )
    payload: dict[str, Any] = status.to_json()
    return payload
