"""The question that a run asks its caller, and what becomes of it: a small machine, declared as a table. Pure.

A question is open until somebody answers it, held until Foundry has taken the answer, and then closed. Foundry may show
the calls as pending a little longer, may ask anew, may refuse an answer, or may have taken it although its word for it
got lost. A question with a call that this app does not know is shown, and nobody can answer it here.
"""

from __future__ import annotations

import enum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from contracts.durable import tool_outputs_event
from contracts.runs import PendingCall, RunSnapshot, RunState
from contracts.status import TakenAnswer
from validation.tool_answers import answer_digest


class Stage(enum.Enum):
    """Where the question stands."""

    NONE = "none"
    OPEN = "open"
    HELD = "answered, and the answer not yet taken by Foundry"


class Seen(enum.Enum):
    """What a look at the run says about it."""

    ASKS_ANEW = "asks for other calls"
    ASKS_STILL = "shows the same calls, or those that were answered last"
    GOES_ON = "works again"
    DONE = "completed, as no run does that still waits for an answer"
    STOPPING = "is being cancelled"
    ENDED = "ended without an answer"


class Effect(enum.Enum):
    """What follows."""

    ASK = "open a question under a new number"
    TAKE = "count the answer as taken: only Foundry's word for it was lost"
    DROP = "close the question: nobody needs an answer any more"


EFFECTS: dict[tuple[Stage, Seen], tuple[Effect, ...]] = {
    (Stage.NONE, Seen.ASKS_ANEW): (Effect.ASK,),
    (Stage.NONE, Seen.ASKS_STILL): (),
    (Stage.NONE, Seen.GOES_ON): (),
    (Stage.NONE, Seen.DONE): (),
    (Stage.NONE, Seen.STOPPING): (),
    (Stage.NONE, Seen.ENDED): (),
    (Stage.OPEN, Seen.ASKS_ANEW): (Effect.ASK,),
    (Stage.OPEN, Seen.ASKS_STILL): (),
    (Stage.OPEN, Seen.GOES_ON): (Effect.DROP,),
    (Stage.OPEN, Seen.DONE): (),
    (Stage.OPEN, Seen.STOPPING): (Effect.DROP,),
    (Stage.OPEN, Seen.ENDED): (),
    (Stage.HELD, Seen.ASKS_ANEW): (Effect.TAKE, Effect.ASK),
    (Stage.HELD, Seen.ASKS_STILL): (),
    (Stage.HELD, Seen.GOES_ON): (Effect.TAKE,),
    (Stage.HELD, Seen.DONE): (Effect.TAKE,),
    (Stage.HELD, Seen.STOPPING): (Effect.DROP,),
    (Stage.HELD, Seen.ENDED): (),
}

_SEEN = {
    RunState.ACTIVE: Seen.GOES_ON,
    RunState.REQUIRES_ACTION: Seen.ASKS_STILL,
    RunState.CANCELLING: Seen.STOPPING,
    RunState.COMPLETED: Seen.DONE,
    RunState.INCOMPLETE: Seen.DONE,
    RunState.FAILED: Seen.ENDED,
    RunState.EXPIRED: Seen.ENDED,
    RunState.CANCELLED: Seen.ENDED,
}


class Question(msgspec.Struct, kw_only=True):
    """The questions of one orchestration; a field may be added with a default, never renamed or removed."""

    number: int = 0
    """Of the last one that was asked."""
    calls: tuple[PendingCall, ...] = ()
    """What it asks for, while it is not closed."""
    error: Annotated[str, Meta(max_length=1000)] | None = None
    """Why the last answer was not taken."""
    answers: Annotated[list[Any], Meta(max_length=1)] = []
    """The payload of the event that answered it, until Foundry has taken it; at most one."""
    accepted: TakenAnswer | None = None
    """The last answer that was accepted, so that each of several callers learns whether it was his."""
    answered: int = 0
    """The last question that was answered."""
    answered_calls: tuple[str, ...] = ()
    """The calls that were answered last, in the order of their ids."""
    given: Annotated[list[Any], Meta(max_length=1)] = []
    """The answer that was taken last, and what it answered, where it may be given again: nothing may come of it."""
    given_to: tuple[PendingCall, ...] = ()

    @property
    def stage(self) -> Stage:
        """Where the question stands."""
        if not self.calls:
            return Stage.NONE
        return Stage.HELD if self.answers else Stage.OPEN

    @property
    def was_tried(self) -> bool:
        """Whether there was an answer to it that was not taken, or not yet."""
        return bool(self.calls) and (bool(self.answers) or self.error is not None)

    @property
    def unsupported(self) -> tuple[PendingCall, ...]:
        """The calls that nobody can answer over this app."""
        return tuple(call for call in self.calls if call.kind == "unsupported")

    @property
    def event(self) -> str | None:
        """The external event that answers the open question; a fresh name for each (durable-protocol.md, rule 4)."""
        return tool_outputs_event(self.number) if self.stage is Stage.OPEN and not self.unsupported else None

    def saw(self, run: RunSnapshot) -> None:
        """Follow what a look at the run showed."""
        for effect in EFFECTS[self.stage, self._seen(run)]:
            match effect:
                case Effect.ASK:
                    self._ask(run.pending_calls)
                case Effect.TAKE:
                    self.taken()
                case Effect.DROP:
                    self.calls, self.error, self.answers = (), None, []

    def accept(self, answer: Any) -> None:
        """Hold the event's payload as the answer to the open question; no other one is taken."""
        self.answers = [answer]
        self.accepted = TakenAnswer(event=tool_outputs_event(self.number), digest=answer_digest(answer))

    def taken(self) -> None:
        """Close the question: Foundry has taken the answer."""
        self.answered, self.answered_calls = self.number, _ids(self.calls)
        self.given, self.given_to = self.answers, self.calls
        self.calls, self.error, self.answers = (), None, []

    def give_again(self) -> bool:
        """Hold the answer that was taken last once more; return whether there is one."""
        if not self.given:
            return False
        self.calls, self.error, self.answers = self.given_to, None, self.given
        self.given, self.given_to = [], ()
        return True

    def refused(self, why: str) -> None:
        """Ask again, under a new number, since the answer does not fit, or Foundry does not take it."""
        self._ask(self.calls)
        self.error = why

    def _ask(self, calls: tuple[PendingCall, ...]) -> None:
        self.number += 1
        self.calls, self.error, self.answers = calls, None, []
        self.given, self.given_to = [], ()

    def _seen(self, run: RunSnapshot) -> Seen:
        ids = _ids(run.pending_calls)
        if ids and ids not in (self.answered_calls, _ids(self.calls)):
            return Seen.ASKS_ANEW
        if self.unsupported and ids != _ids(self.calls) and run.state is RunState.REQUIRES_ACTION:
            return Seen.GOES_ON  # what nobody here could answer has been answered elsewhere
        return _SEEN[run.state]


def _ids(calls: tuple[PendingCall, ...]) -> tuple[str, ...]:
    return tuple(sorted(call.id for call in calls))
