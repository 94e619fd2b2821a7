"""What a response of the wire says (foundry-responses.md, section 2.1). Pure.

Its `instructions` are the agent's own, with what the caller filled in: they are never read, so they are never shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from contracts.codes import ErrorCode
from contracts.runs import Answer, AnswerMessage, RunSnapshot, RunState
from foundry import errors
from foundry.answers import message_of
from foundry.failures import RunFailure, failure_of
from foundry.fields import id_of, instance_of, objects, optional, text_of
from foundry.harmless import numbers, unix_seconds
from foundry.second.calls import pending_calls
from foundry.second.items import is_message
from foundry.usage import tokens_of

_STATES = {
    "queued": RunState.ACTIVE,
    "in_progress": RunState.ACTIVE,
    "completed": RunState.COMPLETED,
    "failed": RunState.FAILED,
    "incomplete": RunState.INCOMPLETE,
    "cancelled": RunState.CANCELLED,
}
"""A status that is not listed is one that the service invented later: the run counts as active, until the deadline."""

_WITH_ITEMS = frozenset({RunState.COMPLETED, RunState.REQUIRES_ACTION, RunState.INCOMPLETE})
"""Whose output goes into the conversation."""

_BROKEN = re.compile(r"no tool output found", re.IGNORECASE)

NEW_CONVERSATION = (
    "Foundry does nothing on this conversation any more, since it misses the output of a tool call: start a new one, "
    "without thread_id"
)

_DETAILS = ("input_tokens_details", "input_token_details")


def snapshot(response: dict[str, Any], thread_id: str, run_id: str | None = None) -> RunSnapshot:
    """Return the response as a run, which must be the one that was asked for."""
    found, conversation = id_of(response, "id"), _conversation_of(response)
    if conversation not in (None, thread_id) or run_id not in (None, found):
        raise errors.BadResponseError(
            f"Foundry's answer is about another response than {run_id or 'one'} of {thread_id}"
        )
    raw = text_of(response, "status")
    state = _STATES.get(raw, RunState.ACTIVE)
    pending = pending_calls(output_of(response)) if state is RunState.COMPLETED else ()
    if pending:
        state = RunState.REQUIRES_ACTION
    failure = _failure(state, response)
    return RunSnapshot(
        run_id=found,
        thread_id=thread_id,
        state=state,
        raw_status=raw[:64],
        error_code=failure.code,
        error_message=failure.message,
        error_summary=failure.summary,
        error_advice=failure.advice,
        rate_limited=failure.rate_limited,
        retry_after_seconds=failure.retry_after_seconds,
        instance_id=instance_of(response),
        pending_calls=pending,
        model=(optional(response, "model") or "")[:256] or None,
        usage=numbers(response.get("usage")),
        tokens=tokens_of(response.get("usage"), "input_tokens", "output_tokens", _DETAILS),
        created_at=unix_seconds(response.get("created_at")),
        completed_at=unix_seconds(response.get("completed_at")),
        answer=Answer(messages=messages_in(output_of(response))) if state is RunState.COMPLETED else None,
        shows_items=state in _WITH_ITEMS and bool(output_of(response)),
    )


def output_of(response: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the items that the response has made."""
    return objects(response.get("output"))


def messages_in(output: list[dict[str, Any]]) -> list[AnswerMessage]:
    """Return what the agent wrote, oldest first. A message of nothing is none: a response is shown when it is whole."""
    written = [message_of(item) for item in output if is_message(item) and item.get("role") in (None, "assistant")]
    return [message for message in written if not message.may_grow or message.incomplete]


def _conversation_of(response: dict[str, Any]) -> Any:
    """Return the id of the conversation, which comes by itself or in an object; None where there is none."""
    found = response.get("conversation")
    return found.get("id") if isinstance(found, dict) else found


def _failure(state: RunState, response: dict[str, Any]) -> RunFailure:
    failure = failure_of(state, error=response.get("error"), incomplete_details=response.get("incomplete_details"))
    if state is RunState.FAILED and _BROKEN.search(failure.message or ""):
        return RunFailure(
            code=ErrorCode.CONVERSATION_UNUSABLE,
            message=failure.message,
            summary=None,
            advice=NEW_CONVERSATION,
            rate_limited=False,
            retry_after_seconds=None,
        )
    return failure


def closed(run: RunSnapshot, by: Iterable[str] = ()) -> RunSnapshot:
    """Return the run, the calls of which were closed instead of answered, by responses where it took some."""
    return msgspec.structs.replace(run, state=RunState.CANCELLED, pending_calls=(), closed_by=tuple(by))


def asks_nothing(run: RunSnapshot) -> RunSnapshot:
    """Return the run, the calls of which were answered."""
    return msgspec.structs.replace(run, state=RunState.COMPLETED, pending_calls=())
