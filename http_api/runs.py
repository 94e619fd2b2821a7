"""Starting runs: `POST /api/run_agent` and `POST /api/agents/{agent_id}/runs`."""

from __future__ import annotations

import hashlib
import logging

import azure.durable_functions as df
import azure.functions as func
import msgspec

from contracts.codes import ErrorCode
from contracts.durable import ORCHESTRATOR
from contracts.instance_input import start_input
from contracts.request import AgentRunRequest, RunPolicy
from http_api.agents import is_agent_name
from http_api.answers import ApiError, answering
from http_api.request_body import body_of
from http_api.start_request import read_start_request
from http_api.starting import answer_started, policy_of, start_once, wanted_answer
from settings import load_settings

blueprint = df.Blueprint()
_log = logging.getLogger("agent_run.http")


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
    settings = load_settings()
    request = read_start_request(
        settings,
        route=req.route_params,
        query=req.params,
        headers=req.headers,
        body=body_of(req),
        is_name=is_agent_name,
    )
    wanted = wanted_answer(req, client)
    policy = await policy_of(settings, request)
    if request.idempotency_key is None:
        instance_id = str(await client.start_new(ORCHESTRATOR, client_input=start_input(request, policy)))
    else:
        instance_id = f"idem-{hashlib.sha256(request.idempotency_key.encode()).hexdigest()[:32]}"
        fingerprint = _fingerprint(request, policy, settings.site_name)
        if not await start_once(client, instance_id, fingerprint, request, policy):
            message = "this idempotency key was used for another request: use a new key"
            raise ApiError(409, ErrorCode.IDEMPOTENCY_CONFLICT, message, target="idempotency_key")
    _log.info("started instance %s of agent %s", instance_id, policy.agent_id)
    return await answer_started(req, client, instance_id, wanted)


def _fingerprint(request: AgentRunRequest, policy: RunPolicy, site_name: str) -> str:
    """Return what tells this request from any other with its key, of this app or of another one on the project."""
    same = [msgspec.structs.replace(request, idempotency_key=None, agent_id=policy.agent_id), site_name]
    return hashlib.sha256(msgspec.json.encode(same, order="deterministic")).hexdigest()
