"""Repeating a run that did not succeed: `POST /api/runs/{instance_id}/retry`.

The same agent, options and metadata, on the same thread, where its message stands already. The repetition has a key
that is made of the run's instance id, so that whoever asks again, or two who ask at once, get one and the same.
"""

from __future__ import annotations

import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor

import azure.durable_functions as df
import azure.functions as func
import msgspec

from contracts.codes import ErrorCode
from contracts.instance_input import read_instance_input
from contracts.request import AgentRunRequest, RetryRequest
from contracts.status import StatusDocument
from http_api.answers import ApiError, answering, invalid_request
from http_api.foundry_reads import read_from_foundry
from http_api.instances import read_document
from http_api.keyed_starts import OtherRequestError, PurgedRunError, StartKey, started_by_key
from http_api.links import FAILURE_IS_500
from http_api.query_parameters import refuse_others
from http_api.repeated_request import Asked, asked_of, is_posted, repeated, thread_of
from http_api.request_body import body_of
from http_api.run_control import ASK_WHEN_RECOVERED_SECONDS
from http_api.starting import answer_started, policy_of, start_once, wanted_answer
from policy import timeout_errors
from settings import Settings, load_settings
from validation.field_errors import InvalidRequestError
from validation.retry_request import parse_retry

blueprint = df.Blueprint()
_log = logging.getLogger("agent_run.http")

LOOK_SECONDS = 15.0
_looks = ThreadPoolExecutor(2, thread_name_prefix="retry")


@blueprint.route(route="runs/{instance_id}/retry", methods=["POST"])
@blueprint.durable_client_input(client_name="client")
@answering
async def retry_agent_run(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Repeat the run: answers as a start does. 409 where it goes on or has succeeded."""
    settings = load_settings()
    body = body_of(req)
    refuse_others(req.params, FAILURE_IS_500)
    wanted = parse_retry(body.optional_json_object())
    if errors := timeout_errors(settings, wanted.timeout_seconds):
        raise invalid_request(errors)
    answer = wanted_answer(req, client)
    instance_id = req.route_params["instance_id"]
    document = await read_document(client, instance_id)
    _refuse_what_did_not_fail(document)
    key = StartKey(repetition_key(instance_id), _fingerprint(instance_id, document, settings.site_name))
    try:
        repetition = await started_by_key(client, key)
        if repetition is None:
            request = await _request(client, document, wanted, settings)
            policy = await policy_of(settings, request)
            repetition = await start_once(req, client, key, request, policy)
            _log.info("instance %s repeats %s", repetition, instance_id)
    except OtherRequestError as error:
        message = f"an earlier run of this instance id was repeated as {error.instance_id}: start a new run"
        raise ApiError(409, ErrorCode.NOTHING_TO_RETRY, message, target="instance_id") from None
    except PurgedRunError as error:
        message = f"the run was repeated as {error.instance_id}, which was purged: start a new run"
        raise ApiError(410, ErrorCode.RUN_PURGED, message, target="instance_id") from None
    return await answer_started(req, client, repetition, answer)


def repetition_key(instance_id: str) -> str:
    """Return the key of the one repetition of this run. No caller has it: theirs hold no blank."""
    return f"repetition of {instance_id}"


async def _request(
    client: df.DurableOrchestrationClient, document: StatusDocument, wanted: RetryRequest, settings: Settings
) -> AgentRunRequest:
    """Return the request that asks once more for what the run was asked for."""
    instance_id = document.instance_id
    asked = await _asked(client, instance_id)
    posted = is_posted(asked, document) or await _message_waits(settings, thread_of(asked, document), instance_id)
    return repeated(
        asked,
        document,
        posted=posted,
        timeout_seconds=wanted.timeout_seconds,
        longest=settings.max_timeout_seconds,
    )


def _refuse_what_did_not_fail(document: StatusDocument) -> None:
    if document.is_recovering:
        message = "the run's worker has died and the run is being brought back: repeat it if it fails then"
        raise ApiError(503, ErrorCode.RECOVERING, message, retry_after_seconds=ASK_WHEN_RECOVERED_SECONDS)
    if document.status not in ("Failed", "Cancelled"):
        what = "has succeeded" if document.is_ended else "goes on"
        message = f"the run {what} ({document.status}): only one that is Failed or Cancelled can be repeated"
        raise ApiError(409, ErrorCode.NOTHING_TO_RETRY, message, target="instance_id")


async def _asked(client: df.DurableOrchestrationClient, instance_id: str) -> Asked:
    status = await client.get_status(instance_id, show_input=True)
    try:
        return asked_of(read_instance_input(status.input_))
    except InvalidRequestError as error:
        message = f"the run was asked for what cannot be run, and would fail again: {error}"
    except msgspec.ValidationError:
        message = "the input of this instance is none of this app's: start a new run"
    raise ApiError(409, ErrorCode.NOTHING_TO_RETRY, message, target="instance_id")


async def _message_waits(settings: Settings, thread_id: str | None, instance_id: str) -> bool:
    """Say whether the instance's message stands on the thread unanswered, although the instance did not learn it: the
    answer to its post was lost, or the instance was ended from outside meanwhile.
    """
    if thread_id is None:
        return False
    return await read_from_foundry(
        settings,
        _looks,
        LOOK_SECONDS,
        lambda service: service.awaits_answer(thread_id, instance_id),
        thread_id=thread_id,
        gone=f"the run's thread {thread_id} does not exist any more: start a new run",
    )


def _fingerprint(instance_id: str, document: StatusDocument, site_name: str) -> str:
    """Return what tells the repetition of this run from that of another one that had the same instance id."""
    same = [instance_id, document.created_time, site_name]
    return hashlib.sha256(msgspec.json.encode(same)).hexdigest()
