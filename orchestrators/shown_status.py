"""Keeps the custom status under 2 KB, whatever is in it. Pure.

What a caller acts on is whole or absent, never cut: half of a tool call's arguments is no JSON, and half of a name is
another one. What is left out, `GET /api/runs/{id}` reads from Foundry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any

import msgspec
from msgspec import UNSET

from contracts.activities import Failure
from contracts.durable import tool_outputs_event
from contracts.formats import INSTANCE_ID_PATTERN
from contracts.runs import RunState
from contracts.status import CustomStatus, PendingToolCall, RequiredAction, RunError, shown_call
from contracts.wire import Wire, to_wire
from orchestrators.question import Question, Stage

LARGEST_CUSTOM_STATUS = 1900
"""Characters of its JSON. The platform's limit is 8,703, ours 2,048."""

_LONGEST_WORD = 64
_SHORTEST_TEXT = 10
"""Less than that says nothing."""

_CUT = " (cut: the run in Foundry says all of it)"
_ENDED_WITH_A_REASON = frozenset({RunState.FAILED, RunState.EXPIRED, RunState.INCOMPLETE})


def with_question(status: CustomStatus, question: Question, instance_id: str) -> CustomStatus:
    """Return the status with the open question, if there is one, as far as there is room for it; `instance_id` is the
    instance's that shows it.
    """
    statuses = list(_roomier(status))
    if question.stage is not Stage.OPEN:
        return _first_that_fits(statuses) or statuses[-1]
    calls = [shown_call(call) for call in question.calls]
    head = RequiredAction(event=tool_outputs_event(question.number), error=question.error, calls=())
    cut = msgspec.structs.replace(head, truncated=True, see=_where_it_is_whole(instance_id))
    renderings = [
        _asking(head if all(call.arguments is not UNSET and call.name for call in calls) else cut, calls),
        _asking(cut, [msgspec.structs.replace(call, arguments=UNSET) for call in calls]),
        _asking(cut, bare := [PendingToolCall(id=call.id, kind=call.kind) for call in calls]),
    ]
    shown = (msgspec.structs.replace(each, required_action=action) for action in renderings for each in statuses)
    return _first_that_fits(shown) or _with_calls_left_out(statuses[-1], cut, bare)


def with_error(status: CustomStatus, failure: Failure) -> CustomStatus:
    """Return the status with the failure as callers read it, which is cut only where there is no room for all of it."""
    error = RunError(code=failure.code[:_LONGEST_WORD], message=failure.message)
    shown = [msgspec.structs.replace(each, error=error) for each in _roomier(status)]
    if fitting := _first_that_fits(shown):
        return fitting
    where = _CUT if status.run_state in _ENDED_WITH_A_REASON else ""
    short = msgspec.structs.replace(shown[-1], error=msgspec.structs.replace(error, message=where))
    message = shortened(error.message, _room_beside(short)) + where
    return msgspec.structs.replace(short, error=msgspec.structs.replace(error, message=message))


def shortened(text: str, most: int) -> str:
    """Return the text, cut so that its JSON has at most `most` bytes, whatever script it is in."""
    while text and _characters(text) > most:
        text = text[: len(text) * 9 // 10 - 1].rstrip("…") + "…" if most >= _SHORTEST_TEXT else ""
    return text


def _roomier(status: CustomStatus) -> Iterator[CustomStatus]:
    """Yield the status, then without what callers can tell without it: the status document has it all the same."""
    yield status
    yield (status := msgspec.structs.replace(status, composite_run_id=None))
    yield (status := msgspec.structs.replace(status, monitor_url=None))
    yield (status := msgspec.structs.replace(status, trace_id=UNSET))
    yield msgspec.structs.replace(status, run_status=shortened(status.run_status or "", _LONGEST_WORD) or None)


def _asking(head: RequiredAction, calls: Iterable[PendingToolCall]) -> RequiredAction:
    return msgspec.structs.replace(head, calls=tuple(calls))


def _with_calls_left_out(status: CustomStatus, head: RequiredAction, bare: list[PendingToolCall]) -> CustomStatus:
    """Return the status with as many calls as fit, those first that nobody can answer: the route looks for them.

    Why the last answer was not taken stands nowhere else, so it comes before the calls.
    """

    def shown(calls: list[PendingToolCall], error: str | None) -> CustomStatus:
        action = msgspec.structs.replace(head, error=error, calls=tuple(calls), more=len(bare) - len(calls))
        return msgspec.structs.replace(status, required_action=action)

    error = shortened(head.error, _room_beside(shown([], ""))) if head.error else None
    first = sorted(bare, key=lambda call: call.kind != "unsupported")
    room = LARGEST_CUSTOM_STATUS - _size(shown([], error))
    fitting = sum(total <= room for total in accumulate(_size(call) + len(", ") for call in first))
    return shown(first[:fitting], error)


def _where_it_is_whole(instance_id: str) -> str:
    """Return where the whole question is; our routes find no instance of another id."""
    ours = re.fullmatch(INSTANCE_ID_PATTERN, instance_id)
    return f"GET /api/runs/{instance_id}" if ours else "the run in Foundry"


def _first_that_fits(statuses: Iterable[CustomStatus]) -> CustomStatus | None:
    return next((status for status in statuses if _size(status) <= LARGEST_CUSTOM_STATUS), None)


def _room_beside(status: CustomStatus) -> int:
    """Return how many bytes a text may have, with its quotes, that stands in the place of an empty one."""
    return LARGEST_CUSTOM_STATUS - _size(status) + len('""')


def _size(message: Wire) -> int:
    return _characters(to_wire(message))


def _characters(value: Any) -> int:
    """Return the characters of its JSON as the SDK writes it: ASCII only, everything else escaped."""
    return len(json.dumps(value))
