"""What every way to start a run has in common: an instance that is started once, and the answer about it."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass

import azure.durable_functions as df
import azure.functions as func
import msgspec

from contracts.durable import ORCHESTRATOR
from contracts.instance_input import start_input
from contracts.request import AgentRunRequest, RunPolicy
from http_api.agents import known_agent
from http_api.answers import POLL_AFTER_SECONDS, document_answer, json_answer
from http_api.busy_threads import refuse_if_busy
from http_api.foreign_calls import refuse_if_waiting
from http_api.keyed_starts import StartKey, is_known, start_by_key
from http_api.links import links
from http_api.partial_answer import with_partial_answer
from http_api.payload_limit import refuse_too_large
from http_api.preferences import wait_seconds
from http_api.query_parameters import failure_is_500
from http_api.started_in_trace import handing_on_the_trace
from http_api.waiting import has_news, wait_for_news
from http_api.whole_question import with_whole_question
from policy import policy_for
from settings import Settings
from validation.generations import refuse_unfit

_log = logging.getLogger("agent_run.http")


@dataclass(frozen=True)
class WantedAnswer:
    """How the caller of a start wants to be answered."""

    wait: int
    failed_as_500: bool


def wanted_answer(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> WantedAnswer:
    """Return what the request says of its answer; raise where it cannot be given, before anything is started."""
    wanted = WantedAnswer(wait_seconds(req.headers.get("prefer")), failure_is_500(req.params))
    links(req, client, "id")
    return wanted


async def policy_of(settings: Settings, request: AgentRunRequest) -> RunPolicy:
    """Return the policy, with an agent that exists, may be run and takes the request; raise a 404 or 400 where there is
    none.
    """
    given = request.agent_id or settings.default_agent_id
    policy = policy_for(
        settings,
        agent=await known_agent(settings, given) if given else None,
        timeout_seconds=request.timeout_seconds,
        delete_thread=request.delete_thread,
    )
    refuse_unfit(request, policy.generation)
    return policy


async def start_instance(
    req: func.HttpRequest,
    client: df.DurableOrchestrationClient,
    instance_id: str,
    request: AgentRunRequest,
    policy: RunPolicy,
) -> None:
    """Start the instance, or leave it as it is; raise a 409 where its thread is busy and the request minds, or where it
    waits for somebody else, a 413 where the storage provider would not take its input.
    """
    given = start_input(request, policy)
    refuse_too_large("the run's input", given, target="body")
    await refuse_if_busy(req, client, instance_id, request)
    await refuse_if_waiting(client, instance_id, request)
    try:
        with handing_on_the_trace():
            await client.start_new(ORCHESTRATOR, instance_id, given)
    except Exception:
        # Bare, as all of the SDK's exceptions: another start with the same key may have been faster.
        if not await is_known(client, instance_id):
            raise
    _log.info("started instance %s of agent %s", instance_id, policy.agent_id)


async def start_once(
    req: func.HttpRequest,
    client: df.DurableOrchestrationClient,
    key: StartKey,
    request: AgentRunRequest,
    policy: RunPolicy,
) -> str:
    """Return the instance that the key stands for, started if need be. Raises as `start_by_key` does, and a 413 before
    the key is taken.
    """
    refuse_too_large("the run's input", start_input(request, policy), target="body")

    async def start(instance_id: str) -> None:
        stamped = msgspec.structs.replace(policy, request_fingerprint=_stamp(key, instance_id))
        await start_instance(req, client, instance_id, request, stamped)

    return await start_by_key(client, key, start)


def _stamp(key: StartKey, instance_id: str) -> str:
    """Return what two starts of this instance have in common, and no other one, were its request the same."""
    return hashlib.sha256(f"{instance_id} {key.fingerprint}".encode()).hexdigest()


async def answer_started(
    req: func.HttpRequest, client: df.DurableOrchestrationClient, instance_id: str, wanted: WantedAnswer
) -> func.HttpResponse:
    """Return the status document if it has news within the time that the caller waits; else the Durable management
    payload, with our own routes beside it.
    """
    applied = {"Preference-Applied": f"wait={wanted.wait}"} if wanted.wait else {}
    document = await wait_for_news(client, instance_id, wanted.wait) if wanted.wait else None
    if document and has_news(document):
        shown = await with_whole_question(await with_partial_answer(document))
        return document_answer(req, shown, headers=applied, client=client, failure_is_500=wanted.failed_as_500)
    to = links(req, client, instance_id, failure_is_500=wanted.failed_as_500)
    where = {"Location": to.location, "Retry-After": str(POLL_AFTER_SECONDS)}
    return json_answer({**to.durable, **to.own}, 202, {**where, **applied})
