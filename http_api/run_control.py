"""Acting on a run that goes on: `POST /api/runs/{instance_id}/cancel` and `.../tool_outputs`."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df
import azure.functions as func
import msgspec

from contracts.codes import ErrorCode
from contracts.durable import CANCEL_EVENT
from contracts.runs import PendingCall
from contracts.wire import from_wire, to_wire
from http_api.answers import ApiError, answering, document_answer, invalid_request
from http_api.instances import deliver, read_document
from http_api.start_request import read_json_object
from http_api.status_document import is_cancelling, is_ended, is_recovering, object_of
from validation.tool_answers import answer_digest, read_tool_answer

blueprint = df.Blueprint()

ASK_AGAIN_SECONDS = 5
ASK_WHEN_RECOVERED_SECONDS = 60


@blueprint.route(route="runs/{instance_id}/cancel", methods=["POST"])
@blueprint.durable_client_input(client_name="client")
@answering
async def cancel_agent_run(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Cancel the run: 202 once the orchestrator has acknowledged it, 409 if it has ended. Repeating it does no harm."""
    instance_id = req.route_params["instance_id"]
    document = await read_document(client, instance_id)
    _refuse_ended(document)
    _refuse_ending(document)
    document = await deliver(client, instance_id, CANCEL_EVENT, None, is_cancelling)
    if document["status"] != "Cancelled":
        _refuse_ended(document)
    _refuse_ending(document)
    if not (is_ended(document) or is_cancelling(document) or document["runtimeStatus"] == "Suspended"):
        raise _not_acknowledged("cancel", document)
    return document_answer(req, document, 202)


@blueprint.route(route="runs/{instance_id}/tool_outputs", methods=["POST"])
@blueprint.durable_client_input(client_name="client")
@answering
async def submit_agent_run_tool_outputs(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Answer the tool calls that the run waits for: 202 once the orchestrator has taken the answer."""
    instance_id = req.route_params["instance_id"]
    body = read_json_object(req.headers.get("content-type"), req.get_body())
    document = await read_document(client, instance_id)
    _refuse_ended(document)
    action = object_of(document["required_action"])
    if not action:
        raise ApiError(409, ErrorCode.NOTHING_PENDING, "the run does not wait for tool outputs or approvals now")
    calls = from_wire(list[_ShownCall], action["calls"])
    answer, problems = read_tool_answer(body, [PendingCall(id=c.id, kind=c.kind, name=c.name) for c in calls])
    if action.get("more"):  # not all calls fit into the custom status: the orchestrator itself checks the others
        problems = [p for p in problems if p.code != ErrorCode.UNKNOWN]
    if problems:
        raise invalid_request(problems)

    event = str(action["event"])
    given = to_wire(answer)
    document = await deliver(client, instance_id, event, given, lambda d: _event_of(d) != event)
    taken = object_of(object_of(document["customStatus"]).get("answer_taken"))
    if taken.get("event") == event and taken.get("digest") != answer_digest(given):
        raise ApiError(409, ErrorCode.ANSWERED_OTHERWISE, "another answer to this question came first", target="body")
    refusal = object_of(document["required_action"]).get("error")
    if refusal and _event_of(document) != event:
        raise ApiError(400, ErrorCode.INVALID_REQUEST, str(refusal), target="body")
    _refuse_ended(document, unless_answered=_number(event))
    if _event_of(document) == event and document["runtimeStatus"] != "Suspended":
        raise _not_acknowledged("answer", document)
    return document_answer(req, document, 202)


class _ShownCall(msgspec.Struct):
    """A call as the custom status shows it."""

    id: str
    kind: Any
    name: str = ""


def _event_of(document: dict[str, Any]) -> str | None:
    event = object_of(document["required_action"]).get("event")
    return None if event is None else str(event)


def _number(event: str) -> int:
    return int(event.rsplit("_", 1)[1])


def _refuse_ended(document: dict[str, Any], unless_answered: int | None = None) -> None:
    answered = object_of(document["customStatus"]).get("answered")
    if unless_answered is not None and isinstance(answered, int) and answered >= unless_answered:
        return
    if is_ended(document):
        raise ApiError(409, ErrorCode.ALREADY_ENDED, f"the run has ended: {document['status']}", target="instance_id")


def _refuse_ending(document: dict[str, Any]) -> None:
    """Refuse to cancel what nothing but its answer, or the end of its run, is still waited for."""
    if is_ended(document) or is_cancelling(document):
        return
    if document["run_status"] == "completed":
        raise ApiError(409, ErrorCode.ALREADY_ENDED, "the run has completed, its answer is being fetched")
    if error := object_of(object_of(document["customStatus"]).get("error")):
        raise ApiError(409, ErrorCode.ALREADY_ENDED, f"the run is being stopped already: {error.get('code')}")


def _not_acknowledged(what: str, document: dict[str, Any]) -> ApiError:
    if is_recovering(document):
        message = f"the run's worker has died and the run is being brought back: send the {what} again then"
        return ApiError(503, ErrorCode.RECOVERING, message, retry_after_seconds=ASK_WHEN_RECOVERED_SECONDS)
    message = f"the run has not taken the {what} yet; it may be starting, or the app is very busy: ask again"
    return ApiError(503, ErrorCode.NOT_ACKNOWLEDGED, message, retry_after_seconds=ASK_AGAIN_SECONDS)
