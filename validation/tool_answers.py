"""Validates an answer to a run's tool calls, and tells one from another."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import msgspec

from contracts.codes import ErrorCode
from contracts.runs import PendingCall, ToolAnswer
from contracts.wire import from_wire
from validation.field_errors import FieldError, shown_name
from validation.fitness import unfit
from validation.misfits import misfits

_ROOM_FOR_IDS = 300
"""Characters of tool call ids that a message holds; `required_action` lists them all."""


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
    except (msgspec.DecodeError, UnicodeEncodeError):
        return ToolAnswer(), [_of_body("must be JSON")]
    except RecursionError:
        return ToolAnswer(), [_of_body("is nested too deeply")]
    if problems := unfit(payload, "body"):
        return ToolAnswer(), problems
    try:
        answer = from_wire(ToolAnswer, payload)
    except msgspec.ValidationError:
        return ToolAnswer(), misfits(ToolAnswer, payload, "")
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
                errors.append(FieldError(code=code, message=f"{code} tool call ids: {_listed(bad)}", target=target))
    return answer, errors


def _of_body(message: str) -> FieldError:
    return FieldError(code=ErrorCode.INVALID, message=message, target="body")


def _listed(ids: Sequence[str]) -> str:
    """Return as many of the ids as there is room for, and how many there are besides."""
    names = [shown_name(i) for i in ids[:_ROOM_FOR_IDS]]
    ends = accumulate(len(name) + len(", ") for name in names)
    fitting = sum(end <= _ROOM_FOR_IDS for end in ends)
    more = f" and {len(ids) - fitting:,} more" if fitting < len(ids) else ""
    return ", ".join(names[:fitting]) + more
