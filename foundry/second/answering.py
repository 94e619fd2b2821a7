"""Answers the calls that a response has ended with, by another response that goes on behind them (foundry-responses.md,
sections 3.1 and 5.2, step T). An answer that was accepted is never sent again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from contracts.runs import Effect, RunSnapshot, ToolAnswer
from foundry import errors
from foundry.second.calls import answered_in, answers_of, open_calls
from foundry.second.conversation import newest_items
from foundry.second.finding import find_response
from foundry.second.grace import in_doubt
from foundry.second.hygiene import unusable, waits_for
from foundry.second.responses import snapshot
from foundry.second.starts import Starter
from foundry.transport import Transport


class Answerer:
    """Passes on answers to calls. `now` is the host's time."""

    def __init__(self, transport: Transport, starter: Starter, now: Callable[[], datetime]) -> None:
        self._transport = transport
        self._starter = starter
        self._now = now

    def answer(
        self, asked: RunSnapshot, answer: ToolAnswer, effect: Effect, *, agent: dict[str, str], metadata: dict[str, str]
    ) -> RunSnapshot:
        """Answer what `asked` has ended with; return the response that goes on behind it, or the one that an earlier
        attempt has started. While such an attempt is in doubt nothing is sent.
        """
        consents = frozenset(call.id for call in asked.pending_calls if call.kind == "consent")
        if any(a.tool_call_id in consents and not a.approve for a in answer.approvals):
            raise errors.AnswerRefusedError(
                "a consent that was asked for cannot be declined: give it behind its link and approve it here, or "
                "cancel the run"
            )
        effect = msgspec.structs.replace(effect, known_runs=(*effect.known_runs, asked.run_id))
        if (known := find_response(self._transport, asked.thread_id, effect)) is not None:
            return known
        sent = answers_of(answer, consents)
        accepted = self._are_accepted(asked, sent)
        if accepted or effect.doubt_until is not None:
            self._beyond_doubt(effect)
        sent = [] if accepted else sent
        try:
            return self._go_on(asked, sent, agent, metadata)
        except _REFUSALS as error:
            if (known := find_response(self._transport, asked.thread_id, effect)) is not None:
                return known
            raise self._refusal(error, asked, sent, effect) from None

    def _go_on(
        self, asked: RunSnapshot, sent: list[dict[str, Any]], agent: dict[str, str], metadata: dict[str, str]
    ) -> RunSnapshot:
        """Start the response. The service was seen to miss outputs that were all sent: then it is asked once more."""

        @in_doubt()
        def start() -> RunSnapshot:
            started = self._starter.start(asked.thread_id, agent, metadata, input=sent or None)
            return snapshot(started, asked.thread_id)

        try:
            return start()
        except errors.OpenCallError as error:
            answered = answered_in(sent)
            items = newest_items(self._transport, asked.thread_id)
            other = [call for call in open_calls(items) if call.key not in answered]
            if any(call.author == asked.run_id for call in other):
                raise errors.AnswerRefusedError(error.message, summary=error.summary) from None
            if other:
                raise waits_for(other, asked.thread_id) from None
        try:
            return start()
        except errors.OpenCallError as error:
            raise unusable(error) from None

    def _refusal(
        self, error: errors.FoundryError, asked: RunSnapshot, sent: list[dict[str, Any]], effect: Effect
    ) -> errors.FoundryError:
        """Return what a refusal means, where nothing shows that goes on behind the calls."""
        busy = isinstance(error, errors.ThreadBusyError)
        is_answered = isinstance(error, errors.UnknownCallError) or self._are_accepted(asked, sent)
        if is_answered or (busy and effect.doubt_until is not None):
            return errors.MayHaveHappenedError(error.message, summary=error.summary)
        if busy or error.retryable:
            return error
        return errors.AnswerRefusedError(error.message, summary=error.summary)

    def _are_accepted(self, asked: RunSnapshot, sent: list[dict[str, Any]]) -> bool:
        """Say whether the conversation holds answers to all these calls."""
        return bool(sent) and answered_in(sent) <= answered_in(newest_items(self._transport, asked.thread_id))

    def _beyond_doubt(self, effect: Effect) -> None:
        """Raise an error while what an earlier attempt has started may still show itself. It was accepted by an attempt
        that nobody knows of where there is no doubt: that one's work shows itself, too.
        """
        if effect.doubt_until is None or self._now() < effect.doubt_until:
            raise errors.MayHaveHappenedError(
                "an earlier attempt may have passed on the answer to the tool calls: what it has started is looked for"
            )


_REFUSALS = (
    errors.InvalidInputError,
    errors.UnreadableRefusalError,
    errors.RefusedForNowError,
    errors.ThreadBusyError,
)
"""Foundry has understood the answer, and does not take it."""
