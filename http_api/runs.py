"""Starting runs: `POST /api/run_agent` and `POST /api/agents/{agent_id}/runs`."""

from __future__ import annotations

import hashlib
import logging

import azure.durable_functions as df
import azure.functions as func
import msgspec

from contracts.codes import ErrorCode
from contracts.durable import ORCHESTRATOR
from contracts.instance_input import read_instance_input, start_input
from contracts.request import AgentRunRequest, RunPolicy
from http_api.agents import is_agent_name, known_agent
from http_api.answers import POLL_AFTER_SECONDS, ApiError, answering, document_answer, json_answer
from http_api.links import Links, links
from http_api.partial_answer import with_partial_answer
from http_api.preferences import wait_seconds
from http_api.query_parameters import failure_is_500
from http_api.start_request import read_start_request
from http_api.waiting import has_news, wait_for_news
from policy import policy_for
from settings import Settings, load_settings

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
        body=req.get_body(),
        is_name=is_agent_name,
    )
    wait = wait_seconds(req.headers.get("prefer"))
    failed_as_500 = failure_is_500(req.params)
    links(req, client, "id")  # where no URL can be made, nothing is started
    policy = await _policy_of(settings, request)
    if request.idempotency_key is None:
        instance_id = str(await client.start_new(ORCHESTRATOR, client_input=start_input(request, policy)))
    else:
        fingerprint = _fingerprint(request, policy, settings.site_name)
        instance_id = await _start_once(client, request.idempotency_key, fingerprint, request, policy)
    _log.info("started instance %s of agent %s", instance_id, policy.agent_id)
    applied = {"Preference-Applied": f"wait={wait}"} if wait else {}
    document = await wait_for_news(client, instance_id, wait) if wait else None
    if document and has_news(document):
        shown = await with_partial_answer(document)
        return document_answer(req, shown, headers=applied, client=client, failure_is_500=failed_as_500)
    return _accepted(links(req, client, instance_id, failure_is_500=failed_as_500), applied)


async def _policy_of(settings: Settings, request: AgentRunRequest) -> RunPolicy:
    """Return the policy, with the id of an agent that exists and may be run; raise a 404 or 400 where it does not."""
    given = request.agent_id or settings.default_agent_id
    agent_id = await known_agent(settings, given) if given else None
    return policy_for(settings, agent_id=agent_id, timeout_seconds=request.timeout_seconds)


async def _start_once(
    client: df.DurableOrchestrationClient, key: str, fingerprint: str, request: AgentRunRequest, policy: RunPolicy
) -> str:
    """Start the instance that belongs to the key, unless it exists; raise a 409 where it is another request's."""
    instance_id = f"idem-{hashlib.sha256(key.encode()).hexdigest()[:32]}"
    known = await client.get_status(instance_id, show_input=True)
    if not known:
        policy = msgspec.structs.replace(policy, request_fingerprint=fingerprint)
        try:
            await client.start_new(ORCHESTRATOR, instance_id, start_input(request, policy))
        except Exception:
            # Bare, as all of the SDK's exceptions: the id may have come into use meanwhile, by a start with the same
            # key.
            known = await client.get_status(instance_id, show_input=True)
            if not known:
                raise
        else:
            # Of two starts at once both may be accepted, and the second replaces the first (durable-protocol.md, rule
            # 14).
            known = await client.get_status(instance_id, show_input=True)
            if not known:
                return instance_id
    if read_instance_input(known.input_).fingerprint != fingerprint:
        message = "this idempotency key was used for another request: use a new key"
        raise ApiError(409, ErrorCode.IDEMPOTENCY_CONFLICT, message, target="idempotency_key")
    return instance_id


def _fingerprint(request: AgentRunRequest, policy: RunPolicy, site_name: str) -> str:
    """Return what tells this request from any other with its key, of this app or of another one on the project."""
    same = [msgspec.structs.replace(request, idempotency_key=None, agent_id=policy.agent_id), site_name]
    return hashlib.sha256(msgspec.json.encode(same, order="deterministic")).hexdigest()


def _accepted(to: Links, headers: dict[str, str]) -> func.HttpResponse:
    """Return the Durable management payload with our own routes beside it."""
    where = {"Location": to.location, "Retry-After": str(POLL_AFTER_SECONDS)}
    return json_answer({**to.durable, **to.own}, 202, {**where, **headers})
