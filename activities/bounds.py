"""How much an activity returns at most, whatever Foundry says. Pure.

Every result is written into the instance's history, which every episode reads again: with 3 MB of arguments in each
look an instance crawls, and its worker grows by hundreds of megabytes (measured on the real host).
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from contracts.runs import Answer, AnswerMessage, PendingCall, RunSnapshot
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
    at all, for who could execute a half? Raise `TooManyToolCallsError` where that is not enough. The answer that it
    may have brought along is bounded, too.
    """
    if run.answer is not None:
        run = msgspec.structs.replace(run, answer=bounded_answer(run.answer, run.thread_id))
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
    """Return the answer without what is too large of its messages, and with what that was: texts of older ones, the
    oldest first, then their lists, then those of the newest one. Its text is kept, beside the messages if need be;
    raise `ResponseTooLargeError` where that is too large by itself.
    """
    if answer.newest is None:
        return answer
    messages = list(answer.messages)
    newest = len(messages) - 1
    text = _bytes_of(answer.newest.text)
    # The output repeats what is the answer's: its text, its annotations, and the attachments of all messages.
    excess = _size(answer) + text + _bytes_of(answer.newest.annotations) - MOST_ANSWER_BYTES
    excess += sum(_bytes_of(msgspec.to_builtins(message.attachments)) for message in messages)
    for n in range(newest):
        if excess <= 0:
            break
        excess -= _bytes_of(messages[n].text) - _bytes_of(None)
        messages[n] = msgspec.structs.replace(messages[n], text=None)
    if excess <= 0:
        return msgspec.structs.replace(answer, messages=messages)
    excess -= text - _bytes_of(None)
    messages[newest] = msgspec.structs.replace(messages[newest], text=None)
    for n in range(newest + 1):
        for name in _LISTS:
            if excess <= 0:
                break
            if getattr(messages[n], name):
                excess -= _saved(messages[n], name, is_newest=n == newest)
                messages[n] = _without(messages[n], name)
    if excess > 0:
        raise ResponseTooLargeError(
            f"the answer has {excess + MOST_ANSWER_BYTES:,} bytes, more than {MOST_ANSWER_BYTES:,}: read message "
            f"{answer.newest.id} on thread {thread_id} from Foundry"
        )
    return msgspec.structs.replace(answer, messages=messages, large_text=answer.text)


_LISTS = ("attachments", "annotations")
"""Of a message, which may be left out."""


def _saved(message: AnswerMessage, name: str, *, is_newest: bool) -> int:
    """Return how many bytes the output has less without this list, which it names instead."""
    times = 2 if name == "attachments" or is_newest else 1
    return times * (_bytes_of(msgspec.to_builtins(getattr(message, name))) - len("[]")) - 2 * len(f'"{name}", ')


def _without(message: AnswerMessage, name: str) -> AnswerMessage:
    empty: dict[str, Any] = {name: [], "left_out": [*message.left_out, name]}
    return msgspec.structs.replace(message, **empty)


def _size(message: Wire) -> int:
    return _bytes_of(to_wire(message))


def _bytes_of(value: Any) -> int:
    """Return the size of the value in the history, which is ASCII."""
    return len(json.dumps(value))
