"""Validates an answer to a run's tool calls, and tells one from another."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

import msgspec

from contracts.codes import ErrorCode
from contracts.runs import MOST_OUTPUT_BYTES, PendingCall, ToolAnswer, ToolAnswerRequest
from contracts.wire import from_wire, to_wire
from validation.field_errors import MOST_NAMED, FieldError, shown_name
from validation.fitness import unfit
from validation.misfits import misfits

_ROOM_FOR_IDS = 300
"""Characters of tool call ids that a message holds; `required_action` lists them all."""

_APPROVALS = ("approvals", "tool_approvals")
"""What callers may call them: the second name is the service's own."""

_HEADERS = "headers"


def answer_digest(payload: Any) -> str:
    """Return what tells an answer from another, whether it is JSON text or its value, and whichever names it uses.

    Whatever an event may hold has one: `json` writes what msgspec refuses, and what is too deep for both counts as one.
    """
    try:
        if isinstance(payload, str):
            with contextlib.suppress(ValueError):
                payload = json.loads(payload)
        text = json.dumps(_in_one_form(payload), sort_keys=True, separators=(",", ":"))
    except RecursionError:
        text = ""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _in_one_form(payload: Any) -> Any:
    """Return an answer as it is passed on, and anything else as it is."""
    with contextlib.suppress(msgspec.ValidationError, ValueError):  # the latter of half a surrogate pair
        given = from_wire(ToolAnswerRequest, _without_headers(payload)[0])
        if not _names_approvals_twice(given):
            return to_wire(_passed_on(given))
    return payload


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
    payload, problems = _without_headers(payload)
    try:
        given = from_wire(ToolAnswerRequest, payload)
    except msgspec.ValidationError:
        return ToolAnswer(), [*problems, *misfits(ToolAnswerRequest, payload, "")]
    answer = _passed_on(given)
    return answer, [*problems, *_contradictions(given), *_too_large(answer), *_mismatches(answer, given, pending)]


def _passed_on(given: ToolAnswerRequest) -> ToolAnswer:
    return ToolAnswer(tool_outputs=given.tool_outputs or [], approvals=given.approvals or given.tool_approvals or [])


def _names_approvals_twice(given: ToolAnswerRequest) -> bool:
    return given.approvals is not None and given.tool_approvals is not None


def _contradictions(given: ToolAnswerRequest) -> Iterator[FieldError]:
    if _names_approvals_twice(given):
        message = "is another name of approvals, which is given too: give one of them"
        yield FieldError(code=ErrorCode.CONFLICT, message=message, target="tool_approvals")


def _without_headers(payload: Any) -> tuple[Any, list[FieldError]]:
    """Return the payload without the headers of its approvals, and the refusal of those that hold something."""
    if not isinstance(payload, Mapping):
        return payload, []
    problems = []
    kept = dict(payload)
    for name in _APPROVALS:
        approvals = payload.get(name)
        if not isinstance(approvals, list):
            continue
        kept[name] = [_without_headers_of(each) for each in approvals]
        problems += [
            _refused_headers(f"{name}[{number}].{_HEADERS}")
            for number, each in enumerate(approvals)
            if isinstance(each, Mapping) and each.get(_HEADERS)
        ]
    return kept, problems[:MOST_NAMED]


def _without_headers_of(approval: Any) -> Any:
    return {k: v for k, v in approval.items() if k != _HEADERS} if isinstance(approval, Mapping) else approval


def _refused_headers(target: str) -> FieldError:
    message = (
        "are secrets, which would be kept in the run's history: they are not taken here. An operator puts them into "
        "the app setting MCP_HEADERS_<NAME>, and the approval names that: headers_ref"
    )
    return FieldError(code=ErrorCode.NOT_ALLOWED, message=message, target=target)


def _too_large(answer: ToolAnswer) -> Iterator[FieldError]:
    size = sum(len(each.output.encode()) for each in answer.tool_outputs)
    if size > MOST_OUTPUT_BYTES:
        message = (
            f"hold {size:,} bytes of output together, and the service takes at most {MOST_OUTPUT_BYTES:,}: nothing "
            "was sent, answer with less"
        )
        yield FieldError(code=ErrorCode.TOO_LARGE, message=message, target="tool_outputs")


def _mismatches(answer: ToolAnswer, given: ToolAnswerRequest, pending: Sequence[PendingCall]) -> Iterator[FieldError]:
    """Yield which calls are not answered, are not asked for, or are answered twice."""
    approvals = "tool_approvals" if given.tool_approvals is not None and given.approvals is None else "approvals"
    answered = {
        "tool_outputs": ({"function"}, [o.tool_call_id for o in answer.tool_outputs]),
        approvals: ({"approval", "consent"}, [a.tool_call_id for a in answer.approvals]),
    }
    for target, (kinds, ids) in answered.items():
        wanted = dict.fromkeys(call.id for call in pending if call.kind in kinds)
        counted = Counter(ids)
        bad_ids = {
            ErrorCode.MISSING: [i for i in wanted if i not in counted],
            ErrorCode.UNKNOWN: [i for i in counted if i not in wanted],
            ErrorCode.REPEATED: [i for i, times in counted.items() if times > 1],
        }
        for code, bad in bad_ids.items():
            if bad:
                yield FieldError(code=code, message=f"{code} tool call ids: {_listed(bad)}", target=target)


def _of_body(message: str) -> FieldError:
    return FieldError(code=ErrorCode.INVALID, message=message, target="body")


def _listed(ids: Sequence[str]) -> str:
    """Return as many of the ids as there is room for, and how many there are besides."""
    names = [shown_name(i) for i in ids[:_ROOM_FOR_IDS]]
    ends = accumulate(len(name) + len(", ") for name in names)
    fitting = sum(end <= _ROOM_FOR_IDS for end in ends)
    more = f" and {len(ids) - fitting:,} more" if fitting < len(ids) else ""
    return ", ".join(names[:fitting]) + more
