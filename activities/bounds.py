"""How much an activity returns at most, whatever Foundry says. Pure.

Every result is written into the instance's history, which every episode reads again: with 3 MB of arguments in each
look an instance crawls, and its worker grows by hundreds of megabytes (measured on the real host).
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from contracts.runs import Answer, PendingCall, RunSnapshot
from contracts.wire import Wire, to_wire
from foundry.errors import ResponseTooLargeError, TooManyToolCallsError

MOST_LOOK_BYTES = 64_000
"""Of JSON: a look at a run that goes on."""

MOST_ANSWER_BYTES = 1_000_000
"""Of JSON: the answer, which is written once. The Durable Task Scheduler takes payloads of a megabyte."""

_LONGEST_NAMES = (1_000, 64, 8)
"""Characters of the names and labels that are kept, tried in turn where there are too many calls."""


def bounded_run(run: RunSnapshot) -> RunSnapshot:
    """Return the run without arguments of pending calls where they are too large, the longest ones first: whole, or not
    at all, for who could execute a half? Raise `TooManyToolCallsError` where that is not enough.
    """
    calls = list(run.pending_calls)
    if not calls:
        return run
    sizes = [_bytes_of(call.arguments) for call in calls]
    excess = _size(run) - MOST_LOOK_BYTES
    for n in sorted(range(len(calls)), key=lambda n: -sizes[n]):
        if excess <= 0:
            break
        calls[n] = msgspec.structs.replace(calls[n], arguments=None)
        excess -= sizes[n] - _bytes_of(None)
    for longest in _LONGEST_NAMES:
        shown = msgspec.structs.replace(run, pending_calls=tuple(_named(call, longest) for call in calls))
        if _size(shown) <= MOST_LOOK_BYTES:
            return shown
    raise TooManyToolCallsError(
        f"the run {run.run_id} waits for {len(run.pending_calls):,} tool calls at once, more than fit into "
        f"{MOST_LOOK_BYTES:,} bytes"
    )


def _named(call: PendingCall, longest: int) -> PendingCall:
    """Return the call without a name or label that is longer: a half would be another one's."""
    name, label = (text if len(text) <= longest else "" for text in (call.name, call.server_label))
    return msgspec.structs.replace(call, name=name, server_label=label)


def bounded_answer(answer: Answer, thread_id: str) -> Answer:
    """Return the answer without the texts of its messages where they are too large, the oldest first. The newest one's
    is kept, beside the messages if need be; raise `ResponseTooLargeError` where even that is too large.
    """
    if answer.newest is None:
        return answer
    *older, newest = answer.messages
    text = _bytes_of(newest.text)
    # The output repeats what is the answer's: its text, its annotations, and the attachments of all messages.
    repeated = [newest.annotations, [msgspec.to_builtins(m.attachments) for m in answer.messages]]
    excess = _size(answer) + _bytes_of(repeated) + text - MOST_ANSWER_BYTES
    for n, message in enumerate(older):
        if excess <= 0:
            break
        excess -= _bytes_of(message.text) - _bytes_of(None)
        older[n] = msgspec.structs.replace(message, text=None)
    if excess <= 0:
        return msgspec.structs.replace(answer, messages=[*older, newest])
    excess -= text - _bytes_of(None)
    if excess > 0:
        raise ResponseTooLargeError(
            f"the answer has {excess + MOST_ANSWER_BYTES:,} bytes with its annotations, more than "
            f"{MOST_ANSWER_BYTES:,}: read message {newest.id} on thread {thread_id} from Foundry"
        )
    newest = msgspec.structs.replace(newest, text=None)
    return msgspec.structs.replace(answer, messages=[*older, newest], large_text=answer.text)


def _size(message: Wire) -> int:
    return _bytes_of(to_wire(message))


def _bytes_of(value: Any) -> int:
    """Return the size of the value in the history, which is ASCII."""
    return len(json.dumps(value))
