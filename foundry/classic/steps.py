"""What the steps of a run say (foundry-api.md, section 1.10), and the request for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from contracts.codes import ErrorCode
from contracts.status import RunError
from contracts.steps import RunStep, RunSteps, StepCall
from foundry.bing import bing_query_url
from foundry.classic.paths import run_path
from foundry.fields import id_of, is_id, label_of, moment_of, obj, objects, optional, word
from foundry.pages import PAGE, pages
from foundry.transport import Transport

MOST_PAGES = 10
_LONGEST_MESSAGE = 1000
_ENDS = ("completed_at", "failed_at", "cancelled_at", "expired_at")


def run_steps(transport: Transport, thread_id: str, run_id: str) -> RunSteps:
    """Return the run's steps, oldest first: a thousand at most, of which it says whether these are all."""
    found, complete = raw_steps(transport, thread_id, run_id)
    return RunSteps(run_id=run_id, steps=[_step(item) for item in found], truncated=not complete)


def raw_steps(transport: Transport, thread_id: str, run_id: str) -> tuple[list[dict[str, Any]], bool]:
    """Return the run's steps as they come over the wire, and whether these are all. A step that changes place while
    pages are read is returned once.
    """
    path = f"{run_path(thread_id, run_id)}/steps"
    read = list(pages(lambda asked: transport.get(path, **asked), {"limit": PAGE, "order": "asc"}, MOST_PAGES))
    found = {id_of(item, "id"): item for items, _ in read for item in items}
    _, another_follows = read[-1]
    return list(found.values()), not another_follows


def files_of(step: dict[str, Any]) -> Iterator[str]:
    """Yield the ids of the images and other files that the step's code made."""
    for call in _calls_of(step):
        yield from _files_of_call(call)


def _files_of_call(call: dict[str, Any]) -> Iterator[str]:
    for output in objects(obj(call.get("code_interpreter")).get("outputs")):
        for holder in (output, *map(obj, output.values())):
            file_id = optional(holder, "file_id")
            if file_id and is_id(file_id):
                yield file_id


def _step(item: dict[str, Any]) -> RunStep:
    message_id = obj(obj(item.get("step_details")).get("message_creation")).get("message_id")
    return RunStep(
        id=id_of(item, "id"),
        type=_word(item.get("type")),
        status=_word(item.get("status")),
        created_at=moment_of(item.get("created_at")),
        completed_at=next((at for name in _ENDS if (at := moment_of(item.get(name)))), None),
        error=_error(item.get("last_error")),
        message_id=message_id if is_id(message_id) else None,
        tool_calls=[_call(call) for call in _calls_of(item)],
    )


def _calls_of(step: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the tool calls; of a step of `activities` what it lists."""
    details = obj(step.get("step_details"))
    return [*objects(details.get("tool_calls")), *objects(details.get("activities"))]


def _call(call: dict[str, Any]) -> StepCall:
    kind = _word(call.get("type"))
    body = obj(call.get(kind)) or obj(call.get("function"))
    call_id = call.get("id")
    return StepCall(
        id=call_id if is_id(call_id) else None,
        type=kind,
        name=label_of(call, "name") or label_of(body, "name") or label_of(obj(body.get("function")), "name"),
        server_label=label_of(call, "server_label") or label_of(body, "server_label"),
        query_url=bing_query_url(body) if kind.startswith("bing_") else None,
        file_ids=list(dict.fromkeys(_files_of_call(call))),
    )


def _error(value: Any) -> RunError | None:
    error = obj(value)
    if not error:
        return None
    message = error.get("message")
    return RunError(
        code=word(error.get("code")) or ErrorCode.FAILED,
        message=message[:_LONGEST_MESSAGE] if isinstance(message, str) else "",
    )


def _word(value: Any) -> str:
    return word(value) or "unknown"
