"""Keeps the custom status under 2 KB, whatever is in it. Pure."""

from __future__ import annotations

import json
from itertools import accumulate
from typing import Any

import msgspec

from contracts.activities import Failure
from contracts.durable import tool_outputs_event
from contracts.runs import PendingCall
from contracts.status import CustomStatus, PendingToolCall, RequiredAction, RunError
from contracts.wire import Wire, to_wire
from orchestrators.question import Question, Stage

LARGEST_CUSTOM_STATUS = 1900
"""Characters of its JSON. The platform's limit is 8,703, ours 2,048."""

LONGEST_ERROR = 500
_LONGEST_ARGUMENTS = (200, 60, 0)


def with_question(status: CustomStatus, question: Question) -> CustomStatus:
    """Return the status with the open question, if there is one, as far as there is room for it."""
    if question.stage is not Stage.OPEN:
        return status
    action = _required_action(question, LARGEST_CUSTOM_STATUS - _size(status))
    return msgspec.structs.replace(status, required_action=action)


def shown_error(failure: Failure, most: int = LONGEST_ERROR) -> RunError:
    """Return the failure as callers read it."""
    return RunError(code=failure.code[:64], message=shortened(failure.message, most))


def shortened(text: str, most: int) -> str:
    """Return the text, cut so that its JSON has at most `most` bytes, whatever script it is in."""
    while _characters(text) > most:
        text = text[: len(text) * 9 // 10 - 1].rstrip("…") + "…"
    return text


def _required_action(question: Question, room: int) -> RequiredAction:
    """Return the open question in at most `room` bytes: arguments are cut first, then names left out, then calls."""
    head = RequiredAction(event=tool_outputs_event(question.number), error=question.error, calls=())
    for longest in _LONGEST_ARGUMENTS:
        action = msgspec.structs.replace(head, calls=tuple(_shown(call, longest) for call in question.calls))
        if _size(action) <= room:
            return action
    bare = tuple(PendingToolCall(id=call.id, kind=call.kind) for call in question.calls)
    left = room - _size(msgspec.structs.replace(head, more=len(bare)))
    fitting = sum(total <= left for total in accumulate(_size(call) + len(", ") for call in bare))
    return msgspec.structs.replace(head, calls=bare[:fitting], more=len(bare) - fitting)


def _shown(call: PendingCall, longest_arguments: int) -> PendingToolCall:
    arguments = shortened(call.arguments, longest_arguments) if longest_arguments else ""
    return PendingToolCall(id=call.id, kind=call.kind, name=call.name[:64], arguments=arguments)


def _size(message: Wire) -> int:
    return _characters(to_wire(message))


def _characters(value: Any) -> int:
    """Return the characters of its JSON as the SDK writes it: ASCII only, everything else escaped."""
    return len(json.dumps(value))
