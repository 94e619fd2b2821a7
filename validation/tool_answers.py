"""Validates an answer to a run's tool calls, and tells one from another."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from contracts.codes import ErrorCode
from contracts.runs import PendingCall, ToolAnswer
from contracts.wire import from_wire
from validation.field_errors import FieldError
from validation.fitness import unfit

_MOST_NAMED = 128
"""So many tool call ids an error names at most: as many as Foundry's runs ask for at once."""


def answer_digest(payload: Any) -> str:
    """Return what tells an answer from another, whether it is JSON text or its value.

    Whatever an event may hold has one: `json` writes what msgspec refuses, and what is too deep for both counts as one.
    """
    try:
        if isinstance(payload, str):
            with contextlib.suppress(ValueError):
                payload = json.loads(payload)
        text = json.dumps(payload, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        text = ""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_tool_answer(payload: Any, pending: Sequence[PendingCall]) -> tuple[ToolAnswer, list[FieldError]]:
    """Return the answer, and everything that keeps it from being one to just these calls.

    `payload` is the event's: the Python client's raise_event delivers JSON text, the webhook the value itself.
    """
    try:
        if isinstance(payload, str):
            payload = msgspec.json.decode(payload)
        if problems := unfit(payload, "body"):
            return ToolAnswer(), problems
        answer = from_wire(ToolAnswer, payload)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeEncodeError, RecursionError) as error:
        expected = "must be an object with tool_outputs [{tool_call_id, output}] or approvals [{tool_call_id, approve}]"
        return ToolAnswer(), [FieldError(code=ErrorCode.INVALID, message=f"{expected} ({error})", target="body")]
    given = {
        "function": ("tool_outputs", [o.tool_call_id for o in answer.tool_outputs]),
        "approval": ("approvals", [a.tool_call_id for a in answer.approvals]),
    }
    errors: list[FieldError] = []
    for kind, (target, ids) in given.items():
        wanted = dict.fromkeys(call.id for call in pending if call.kind == kind)
        counted = Counter(ids)
        bad_ids = {
            ErrorCode.MISSING: [i for i in wanted if i not in counted],
            ErrorCode.UNKNOWN: [i for i in counted if i not in wanted],
            ErrorCode.REPEATED: [i for i, times in counted.items() if times > 1],
        }
        for code, bad in bad_ids.items():
            if bad:
                named = ", ".join(i[:100] for i in bad[:_MOST_NAMED]) + (", ..." if len(bad) > _MOST_NAMED else "")
                errors.append(FieldError(code=code, message=f"{code} tool call ids: {named}", target=target))
    return answer, errors
