"""Starting runs: `POST /api/run_agent` and `POST /api/agents/{agent_id}/runs`."""

from __future__ import annotations

import logging
from typing import Any

import azure.durable_functions as df
import azure.functions as func
import msgspec

from contracts import ORCHESTRATOR, start_input
from http_api.answers import answering, json_answer
from http_api.start_request import read_start_request
from http_api.urls import own_urls
from settings import http_auth_level, load_settings

blueprint = df.Blueprint(http_auth_level=func.AuthLevel[http_auth_level()])
_log = logging.getLogger("agent_run.http")

POLL_AFTER_SECONDS = 2


@blueprint.route(route="run_agent", methods=["POST"])
@blueprint.durable_client_input(client_name="client")
@answering
async def run_agent(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Start a run; the agent is a parameter."""
    return await _start(req, client)


@blueprint.route(route="agents/{agent_id}/runs", methods=["POST"])
@blueprint.durable_client_input(client_name="client")
@answering
async def start_agent_run(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Start a run of the agent that the route names."""
    return await _start(req, client)


async def _start(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    request, policy = read_start_request(
        load_settings(),
        route=req.route_params,
        query=req.params,
        content_type=req.headers.get("content-type"),
        body=req.get_body(),
    )
    instance_id = await client.start_new(ORCHESTRATOR, client_input=start_input(request, policy))
    _log.info("started instance %s of agent %s", instance_id, policy.agent_id)
    return _accepted(req, client, instance_id)


def _accepted(req: func.HttpRequest, client: df.DurableOrchestrationClient, instance_id: str) -> func.HttpResponse:
    """Return the Durable management payload with our own routes beside it."""
    standard = client.create_check_status_response(req, instance_id)
    payload: dict[str, Any] = msgspec.json.decode(standard.get_body())
    own = own_urls(req.url, instance_id)
    headers = {"Location": standard.headers["Location"], "Retry-After": str(POLL_AFTER_SECONDS)}
    return json_answer({**payload, **own}, 202, headers)
