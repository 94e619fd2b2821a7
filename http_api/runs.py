"""Starting runs: `POST /api/run_agent` and `POST /api/agents/{agent_id}/runs`."""

from __future__ import annotations

import hashlib

import azure.durable_functions as df
import azure.functions as func
import msgspec

from contracts.codes import ErrorCode
from contracts.request import AgentRunRequest, RunPolicy
from http_api.agents import is_agent_name
from http_api.answers import ApiError, answering
from http_api.instance_ids import new_instance_id
from http_api.keyed_starts import OtherRequestError, PurgedRunError, StartKey
from http_api.request_body import body_of
from http_api.start_request import read_start_request
from http_api.starting import answer_started, policy_of, start_instance, start_once, wanted_answer
from settings import load_settings

blueprint = df.Blueprint()


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
        instance_id = new_instance_id()
        await start_instance(req, client, instance_id, request, policy)
    else:
        key = StartKey(request.idempotency_key, _fingerprint(request, policy, settings.site_name))
        try:
            instance_id = await start_once(req, client, key, request, policy)
        except OtherRequestError:
            message = "this idempotency key was used for another request: use a new key"
            raise ApiError(409, ErrorCode.IDEMPOTENCY_CONFLICT, message, target="idempotency_key") from None
        except PurgedRunError as error:
            message = f"the run that this key has started ({error.instance_id}) was purged: for a new run use a new key"
            raise ApiError(410, ErrorCode.RUN_PURGED, message, target="idempotency_key") from None
    return await answer_started(req, client, instance_id, wanted)


def _fingerprint(request: AgentRunRequest, policy: RunPolicy, site_name: str) -> str:
    """Return what tells this request from any other with its key, of this app or of another one on the project."""
    same = [msgspec.structs.replace(request, idempotency_key=None, agent_id=policy.agent_id), site_name]
    return hashlib.sha256(msgspec.json.encode(same, order="deterministic")).hexdigest()
