"""Acting on a run that goes on: `POST /api/runs/{instance_id}/cancel` and `.../tool_outputs`."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df
import azure.functions as func

from contracts.codes import ErrorCode
from contracts.durable import CANCEL_EVENT
from contracts.runs import PendingCall, RunState
from contracts.status import RequiredAction, StatusDocument, TakenAnswer
from contracts.wire import to_wire
from http_api.answers import ApiError, answering, document_answer, invalid_request
from http_api.instances import deliver, read_document
from http_api.payload_limit import refuse_too_large
from http_api.request_body import body_of
from http_api.whole_question import with_whole_question
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
    document, was_before = await cancel_run(client, instance_id, body.get("reason"))
    if was_before:
        return document_answer(req, document, client=client)
    return document_answer(req, await with_whole_question(document), 202, client=client)


async def cancel_run(
    client: df.DurableOrchestrationClient, instance_id: str, reason: str | None
) -> tuple[StatusDocument, bool]:
    """Cancel a run; return its document once the orchestrator has acknowledged it, and whether it was cancelled before.
    Raise the 409 or 503 that says why not.
    """
    document = await read_document(client, instance_id)
    if document.status == "Cancelled":
        return document, True
    _refuse_ended(document)
    _refuse_ending(document)
    event = {"reason": reason} if reason else None
    document = await deliver(client, instance_id, CANCEL_EVENT, event, acknowledged=lambda d: d.is_cancelling)
    if document.status != "Cancelled":
        _refuse_ended(document)
    _refuse_ending(document)
    if not (document.is_ended or document.is_cancelling or document.runtime_status == "Suspended"):
        raise _not_acknowledged("cancel", document)
    return document, False


@blueprint.route(route="runs/{instance_id}/tool_outputs", methods=["POST"])
@blueprint.durable_client_input(client_name="client")
@answering
async def submit_agent_run_tool_outputs(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Answer the tool calls that the run waits for: 202 once Foundry has taken the answer, or the orchestrator where
    Foundry takes longer; 400 where it does not fit, or Foundry refuses it.
    """
    instance_id = req.route_params["instance_id"]
    body = body_of(req).json_object()
    document = await read_document(client, instance_id)
    event = _event_that_it_answered(document, body)
    if event is None:
        _refuse_ended(document)
        action, given = await _fitting(document, body)
        event, is_checked = action.event, not action.more
    else:  # whoever sends it again is told the same
        given, is_checked = _in_one_form(body), True
    digest = answer_digest(given)
    refuse_too_large("the answer", given, target="body")
    document = await deliver(
        client,
        instance_id,
        event,
        given,
        acknowledged=lambda d: _event_of(d) != event,
        settled=lambda d: _is_settled(d, event, digest),
    )
    _refuse_what_was_not_taken(document, event, digest, is_checked=is_checked)
    return document_answer(req, await with_whole_question(document), 202, client=client)


async def _fitting(document: StatusDocument, body: dict[str, Any]) -> tuple[RequiredAction, dict[str, Any]]:
    """Return the question and the answer to it, as the event brings it; raise the 409 or 400 that says why not."""
    action = document.required_action
    if action is None:
        raise _nothing_pending()
    if action.more:
        action = (await with_whole_question(document)).required_action or action
    if odd := [call.name or call.id for call in action.calls if call.kind == "unsupported"]:
        message = (
            f"the run asks for {', '.join(odd[:5])}, which this app does not know and cannot answer: unless Foundry "
            "goes on by itself, the run ends soon, with this code"
        )
        raise ApiError(409, ErrorCode.UNSUPPORTED_ACTION, message, target="instance_id")
    pending = [PendingCall(id=call.id, kind=call.kind, name=call.name) for call in action.calls]
    answer, problems = read_tool_answer(body, pending)
    if action.more:  # Foundry does not tell the other calls now: the orchestrator checks them
        problems = [p for p in problems if p.code != ErrorCode.UNKNOWN]
    if problems:
        raise invalid_request(problems)
    return action, to_wire(answer)


def _event_that_it_answered(document: StatusDocument, body: dict[str, Any]) -> str | None:
    """Return the question to which just this answer is the last one that was accepted, if it is."""
    taken = _taken(document)
    if taken is None or document.required_action is not None:
        return None
    _, problems = read_tool_answer(body, [])
    fits = all(p.code == ErrorCode.UNKNOWN for p in problems)  # nothing is pending now
    return taken.event if fits and taken.digest == answer_digest(body) else None


def _in_one_form(body: dict[str, Any]) -> dict[str, Any]:
    return to_wire(read_tool_answer(body, [])[0])


def _is_settled(document: StatusDocument, event: str, digest: str) -> bool:
    """Say whether it is known what becomes of the answer: Foundry has it, or the run asks again, or another one came
    first.
    """
    return (
        _is_answered(document, event)
        or document.required_action is not None
        or _has_another_answer(document, event, digest)
    )


def _refuse_what_was_not_taken(document: StatusDocument, event: str, digest: str, *, is_checked: bool) -> None:
    """Raise an error where the answer to this question counts for nothing; `is_checked`: it was known to fit, so that
    only Foundry can have refused it.
    """
    if _has_another_answer(document, event, digest):
        raise ApiError(409, ErrorCode.ANSWERED_OTHERWISE, "another answer to this question came first", target="body")
    if _is_answered(document, event):
        return
    _refuse_ended(document)
    asked = document.required_action
    if asked and asked.event == event:
        if document.runtime_status != "Suspended":
            raise _not_acknowledged("answer", document)
    elif asked and asked.error:
        code = ErrorCode.ANSWER_REFUSED if is_checked else ErrorCode.INVALID_REQUEST
        raise ApiError(400, code, asked.error, target="body")
    elif not (taken := _taken(document)) or taken.event != event:
        raise _nothing_pending()


def _nothing_pending() -> ApiError:
    return ApiError(409, ErrorCode.NOTHING_PENDING, "the run does not wait for these tool outputs or approvals now")


def _taken(document: StatusDocument) -> TakenAnswer | None:
    return document.custom_status.answer_taken if document.custom_status else None


def _is_answered(document: StatusDocument, event: str) -> bool:
    return document.custom_status is not None and document.custom_status.answered >= _number(event)


def _has_another_answer(document: StatusDocument, event: str, digest: str) -> bool:
    taken = _taken(document)
    return taken is not None and taken.event == event and taken.digest != digest


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
