"""How much an activity returns at most, whatever Foundry says. Pure.

Every result is written into the instance's history, which every episode reads again: with 3 MB of arguments in each
look an instance crawls, and its worker grows by hundreds of megabytes (measured on the real host).
"""

from __future__ import annotations

import json

import msgspec

from contracts.runs import Answer, PendingCall, RunSnapshot
from contracts.wire import to_wire
from foundry.errors import ResponseTooLargeError, TooManyToolCallsError

MOST_LOOK_BYTES = 64_000
"""Of JSON: a look at a run that goes on."""

MOST_ANSWER_BYTES = 1_000_000
"""Of JSON: the answer, which is written once. The Durable Task Scheduler takes payloads of a megabyte."""

_LONGEST = ((1_000, 64), (200, 64), (0, 64), (0, 8))
"""Characters of the arguments and of the name, tried in turn. Callers see what the custom status has room for; all of
it is Foundry's to tell.
"""


def bounded_run(run: RunSnapshot) -> RunSnapshot:
    """Return the run with the arguments of its pending calls cut; raise `TooManyToolCallsError` where that is not
    enough.
    """
    for longest in _LONGEST:
        shown = msgspec.structs.replace(run, pending_calls=tuple(_cut(call, *longest) for call in run.pending_calls))
        if len(json.dumps(to_wire(shown))) <= MOST_LOOK_BYTES:
            return shown
    raise TooManyToolCallsError(
        f"the run {run.run_id} waits for {len(run.pending_calls):,} tool calls at once, more than fit into "
        f"{MOST_LOOK_BYTES:,} bytes"
    )


def _cut(call: PendingCall, most_arguments: int, most_name: int) -> PendingCall:
    arguments = call.arguments if len(call.arguments) <= most_arguments else f"{call.arguments[:most_arguments]}…"
    return msgspec.structs.replace(call, name=call.name[:most_name], arguments=arguments)


def bounded_answer(answer: Answer, thread_id: str) -> Answer:
    """Return the answer; raise `ResponseTooLargeError` where it is too large."""
    size = len(json.dumps(to_wire(answer)))
    if size > MOST_ANSWER_BYTES:
        raise ResponseTooLargeError(
            f"the answer has {size:,} bytes with its annotations, more than {MOST_ANSWER_BYTES:,}: read message "
            f"{answer.message_id} on thread {thread_id} from Foundry"
        )
    return answer
