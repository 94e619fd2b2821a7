"""Closes the calls that nobody has answered: else the conversation takes nothing any more (foundry-responses.md,
section 3.3). Closing costs nothing where the service takes answers as items; where it does not, the agent is asked once
more, which is paid for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from contracts.runs import RunState, Stamp
from foundry import errors
from foundry.fields import carries, id_of, obj, optional
from foundry.second.agents import reference_in, reference_to
from foundry.second.calls import Call, closing, open_calls
from foundry.second.conversation import newest_items, newest_responses
from foundry.second.paths import items_path, response_path
from foundry.second.responses import NEW_CONVERSATION, output_of, snapshot
from foundry.second.starts import Starter
from foundry.transport import Transport

_MOST_ITEMS = 20
"""Of one request (foundry-responses.md, section 1.2)."""

_MOST_ROUNDS = 3
"""An agent that is told that nobody answers may call again."""

_MOST_FAILED = 3
"""Responses behind a call that have failed, each of which was paid for: another one would, too."""

_MOST_NAMED = 5
"""Open calls that an error names."""

_BETWEEN_LOOKS_SECONDS = 1.0

_REFUSALS = (errors.InvalidInputError, errors.UnreadableRefusalError)

_FAILED = frozenset({RunState.FAILED, RunState.CANCELLED, RunState.EXPIRED})


class Closer:
    """Closes open calls. `pause` waits between looks at a response that closes some."""

    def __init__(self, transport: Transport, starter: Starter, pause: Callable[[float], None] = time.sleep) -> None:
        self._transport = transport
        self._starter = starter
        self._pause = pause

    def close(self, thread_id: str, calls: list[Call], instance_id: str) -> list[str]:
        """Close the calls; return the ids of the responses that this took. Raise `ConversationUnusableError` where the
        service refuses it. What takes longer than there is time goes on, and is waited for the next time.
        """
        if all(self._as_items(thread_id, some) for some in _chunks(calls)):
            return []
        return self._with_a_response(thread_id, calls, instance_id)

    def _as_items(self, thread_id: str, calls: list[Call]) -> bool:
        """Add the items that close the calls; return whether the service takes that."""
        try:
            self._transport.post(items_path(thread_id), {"items": [closing(call) for call in calls]})
        except errors.UnknownCallError:
            # One of them is answered by now, and keeps nobody waiting.
            return len(calls) == 1 or all(self._as_items(thread_id, [call]) for call in calls)
        except _REFUSALS:
            return False
        return True

    def _with_a_response(self, thread_id: str, calls: list[Call], instance_id: str) -> list[str]:
        made: list[str] = []
        for number in range(_MOST_ROUNDS):
            stamp = Stamp(instance_id=instance_id, operation_id=f"close:{calls[0].author or number}")
            response = self._earlier(thread_id, stamp, calls[0].author) or self._start(thread_id, calls, stamp)
            if response is None:
                return made
            made.append(id_of(response, "id"))
            ended = self._end_of(thread_id, response)
            calls = open_calls(output_of(ended))
            if not calls:
                return made
        raise errors.ConversationUnusableError(
            f"the agent of the conversation {thread_id} calls its tools again and again, although it is told that "
            "nobody answers: start a new conversation, without thread_id"
        )

    def _earlier(self, thread_id: str, stamp: Stamp, author: str | None) -> dict[str, Any] | None:
        """Return the response that an earlier attempt has started for this, if it goes on. Raise
        `ConversationUnusableError` where too many have failed behind the response that asks: of the instance, or of
        anybody, where no stamp tells whose they are.
        """
        listed = newest_responses(self._transport, thread_id)
        runs = [(response, snapshot(response, thread_id)) for response in listed]
        if running := next((r for r, run in runs if carries(r, stamp) and not run.state.is_ended), None):
            return running
        ids = [run.run_id for _, run in runs]
        behind = runs[: ids.index(author)] if author in ids else []
        failed = [
            run.run_id
            for _, run in behind
            if run.state in _FAILED and not run.rate_limited and run.instance_id in (None, stamp.instance_id)
        ]
        if len(failed) >= _MOST_FAILED:
            raise errors.ConversationUnusableError(
                f"the conversation {thread_id} waits for tool calls that cannot be closed: the responses that were to "
                f"do it fail ({', '.join(failed)}). Start again later, or start a new conversation, without thread_id",
                summary="the responses that were to close open tool calls fail again and again",
            )
        return None

    def _start(self, thread_id: str, calls: list[Call], stamp: Stamp) -> dict[str, Any] | None:
        """Start the response; return None where the calls are answered by now."""
        try:
            return self._starter.start(
                thread_id, _agent_of(calls), stamp.as_metadata(), input=[closing(call) for call in calls]
            )
        except errors.UnknownCallError:
            keys = {call.key for call in calls}
            left = [call for call in open_calls(newest_items(self._transport, thread_id)) if call.key in keys]
            if not left or len(left) == len(calls):
                return None  # all of them: what has answered them works still, and shows it at its end
            return self._start(thread_id, left, stamp)
        except _REFUSALS as error:
            raise unusable(error) from None

    def _end_of(self, thread_id: str, response: dict[str, Any]) -> dict[str, Any]:
        """Wait until the response has ended; return it. The transport ends the waiting where there is no time left."""
        run_id = id_of(response, "id")
        while (run := snapshot(response, thread_id, run_id)).state is RunState.ACTIVE:
            self._pause(_BETWEEN_LOOKS_SECONDS)
            response = self._transport.get(response_path(run_id))
        if run.error_advice == NEW_CONVERSATION:
            raise errors.ConversationUnusableError(NEW_CONVERSATION)
        if run.state in _FAILED:
            raise errors.UnavailableError(
                f"the response {run_id}, which was to close open tool calls, ended as {run.raw_status}",
                retry_after_seconds=run.retry_after_seconds,
            )
        return response


def _chunks(calls: list[Call]) -> Iterable[list[Call]]:
    return (calls[at : at + _MOST_ITEMS] for at in range(0, len(calls), _MOST_ITEMS))


def _agent_of(calls: list[Call]) -> dict[str, str]:
    """Return the agent that has made the calls."""
    for item in (call.item for call in calls):
        if found := reference_in(item):
            return found
        agent = obj(obj(item.get("created_by")).get("agent"))
        if name := optional(agent, "name"):
            return reference_to(name, optional(agent, "version"))
    raise errors.BadResponseError("Foundry's answer does not say which agent has made a tool call")


def waits_for(calls: list[Call], thread_id: str) -> errors.WaitsForToolError:
    """Return the error that says which calls of somebody else are open."""
    named = ", ".join(f"{call.pending.name[:64] or call.pending.kind} ({call.key})" for call in calls[:_MOST_NAMED])
    more = f" and {len(calls) - _MOST_NAMED} more" if len(calls) > _MOST_NAMED else ""
    return errors.WaitsForToolError(
        f"the conversation {thread_id} waits for the answer to tool calls that are none of this app's runs': {named}"
        f"{more}. Whoever started that response must answer them; or start a new conversation, without thread_id",
        summary=f"the conversation waits for the answers to {len(calls)} tool calls of somebody else",
    )


def unusable(error: errors.FoundryError) -> errors.ConversationUnusableError:
    """Return the error that says that the service does nothing on the conversation any more."""
    return errors.ConversationUnusableError(
        f"{error.message}. {NEW_CONVERSATION}", summary=f"{error.summary}. {NEW_CONVERSATION}"
    )
