"""Acting on a run that goes on: `POST /api/runs/{instance_id}/cancel` and `.../tool_outputs`."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df
import azure.functions as func

from contracts.codes import ErrorCode
from contracts.durable import CANCEL_EVENT
from contracts.runs import PendingCall, RunState
from contracts.status import StatusDocument
from contracts.wire import to_wire
from http_api.answers import ApiError, answering, document_answer, invalid_request
from http_api.instances import deliver, read_document
from http_api.request_body import body_of
from validation.cancel_request import cancel_errors
from validation.tool_answers import answer_digest, read_tool_answer

blueprint = df.Blueprint()

ASK_AGAIN_SECONDS = 5
ASK_WHEN_RECOVERED_SECONDS = 60


@blueprint.route(route="runs/{instance_id}/cancel", methods=["POST"])
@blueprint.durable_client_input(client_name="client")
@answering
async def cancel_agent_run(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Cancel the run: 202 once the orchestrator has acknowledged it, 200 where it is cancelled already, 409 where it
    has ended otherwise. Repeating it does no harm.
    """
    instance_id = req.route_params["instance_id"]
    body = body_of(req).optional_json_object()
    if problems := cancel_errors(body):
        raise invalid_request(problems)
    document = await read_document(client, instance_id)
    if document.status == "Cancelled":
        return document_answer(req, document, client=client)
    _refuse_ended(document)
    _refuse_ending(document)
    reason = {"reason": body["reason"]} if body.get("reason") else None
    document = await deliver(client, instance_id, CANCEL_EVENT, reason, lambda d: d.is_cancelling)
    if document.status != "Cancelled":
        _refuse_ended(document)
    _refuse_ending(document)
    if not (document.is_ended or document.is_cancelling or document.runtime_status == "Suspended"):
        raise _not_acknowledged("cancel", document)
    return document_answer(req, document, 202, client=client)


@blueprint.route(route="runs/{instance_id}/tool_outputs", methods=["POST"])
@blueprint.durable_client_input(client_name="client")
@answering
async def submit_agent_run_tool_outputs(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Answer the tool calls that the run waits for: 202 once the orchestrator has taken the answer."""
    instance_id = req.route_params["instance_id"]
    body = body_of(req).json_object()
    document = await read_document(client, instance_id)
    if _was_taken(document, body):
        return document_answer(req, document, 202, client=client)
    _refuse_ended(document)
    action = document.required_action
    if action is None:
        raise ApiError(409, ErrorCode.NOTHING_PENDING, "the run does not wait for tool outputs or approvals now")
    pending = [PendingCall(id=call.id, kind=call.kind, name=call.name) for call in action.calls]
    answer, problems = read_tool_answer(body, pending)
    if action.more:  # not all calls fit into the custom status: the orchestrator itself checks the others
        problems = [p for p in problems if p.code != ErrorCode.UNKNOWN]
    if problems:
        raise invalid_request(problems)

    event, given = action.event, to_wire(answer)
    document = await deliver(client, instance_id, event, given, lambda d: _event_of(d) != event)
    shown = document.custom_status
    taken = shown.answer_taken if shown else None
    if taken and taken.event == event and taken.digest != answer_digest(given):
        raise ApiError(409, ErrorCode.ANSWERED_OTHERWISE, "another answer to this question came first", target="body")
    asked_again = document.required_action
    if asked_again and asked_again.error and asked_again.event != event:
        raise ApiError(400, ErrorCode.INVALID_REQUEST, asked_again.error, target="body")
    if not (shown and shown.answered >= _number(event)):
        _refuse_ended(document)
    if _event_of(document) == event and document.runtime_status != "Suspended":
        raise _not_acknowledged("answer", document)
    return document_answer(req, document, 202, client=client)


def _was_taken(document: StatusDocument, body: dict[str, Any]) -> bool:
    """Say whether just this answer is the last one that was accepted: whoever sends it again is told the same."""
    taken = document.custom_status.answer_taken if document.custom_status else None
    if taken is None or document.required_action is not None:
        return False
    answer, _ = read_tool_answer(body, [])
    return taken.digest == answer_digest(to_wire(answer))


def _event_of(document: StatusDocument) -> str | None:
    return document.required_action.event if document.required_action else None


def _number(event: str) -> int:
    return int(event.rsplit("_", 1)[1])


def _refuse_ended(document: StatusDocument) -> None:
    if document.is_ended:
        raise ApiError(409, ErrorCode.ALREADY_ENDED, f"the run has ended: {document.status}", target="instance_id")


def _refuse_ending(document: StatusDocument) -> None:
    """Refuse to cancel what nothing but its answer, or the end of its run, is still waited for."""
    if document.is_ended or document.is_cancelling:
        return
    if document.run_state is RunState.COMPLETED:
        raise ApiError(409, ErrorCode.ALREADY_ENDED, "the run has completed, its answer is being fetched")
    if document.custom_status and (error := document.custom_status.error):
        raise ApiError(409, ErrorCode.ALREADY_ENDED, f"the run is being stopped already: {error.code}")


def _not_acknowledged(what: str, document: StatusDocument) -> ApiError:
    if document.is_recovering:
        message = f"the run's worker has died and the run is being brought back: send the {what} again then"
        return ApiError(503, ErrorCode.RECOVERING, message, retry_after_seconds=ASK_WHEN_RECOVERED_SECONDS)
    message = f"the run has not taken the {what} yet; it may be starting, or the app is very busy: ask again"
    return ApiError(503, ErrorCode.NOT_ACKNOWLEDGED, message, retry_after_seconds=ASK_AGAIN_SECONDS)
