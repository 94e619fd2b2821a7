"""Whose turn it is on a thread: what stands in its line (`ownership.threads`), and how those in front are.

Whoever has ended is passed over; so is an owner whose run has ended in Foundry, before its own orchestration has seen
that: else a thread would stand idle between two looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any, Protocol

import host_clock
from contracts.activities import Turn
from contracts.runs import FormerRun, RunSnapshot, RunState
from contracts.status import read_custom_status
from foundry.errors import FoundryError
from foundry.service import AgentService
from ownership.instances import goes_on
from ownership.line import Place
from ownership.threads import front_of, take_place
from store.documents import DocumentStore

LOOKING_SECONDS = 60.0
"""Of looks at those in front, in one attempt: of thousands who have ended, the rest is passed over in the next one."""


def is_done(run: RunSnapshot) -> bool:
    """Say whether the run's instance needs the thread no more. One that lacked quota is followed by another run."""
    return run.state.is_ended and not run.rate_limited


def former_run(service: AgentService, run: RunSnapshot, now: datetime, earlier: Sequence[str] = ()) -> FormerRun | None:
    """Return what the next owner of the run's thread has to know of it, and of the runs that it went on behind; None
    where lists and stamps tell it all.
    """
    if service.capabilities.lists_all_runs:
        return None
    return FormerRun(run_ids=(*earlier, run.run_id, *run.closed_by), left_at=now, shows_items=run.shows_items)


class OtherInstances(Protocol):
    """What an activity asks the platform about other instances."""

    def status_of(self, instance_id: str) -> Mapping[str, Any] | None:
        """Return the instance's Durable status payload; None of one that nobody knows."""
        ...

    def ask_to_cancel(self, instance_id: str, reason: str) -> None:
        """Ask the instance to cancel its run. It may not hear that."""
        ...


class NotItsTurnError(Exception):
    """Another instance owns the thread."""

    def __init__(self, thread_id: str, place: Place, owner_has_worked: float = 0.0) -> None:
        super().__init__(f"instance {place.owner} uses thread {thread_id}, and {place.position} come before this run")
        self.thread_id = thread_id
        self.owner = place.owner
        self.position = place.position
        self.owner_has_worked = owner_has_worked
        """For how many seconds, as far as a look at its run has told."""


@dataclass(frozen=True)
class Ticket:
    """An instance's place in front of a thread's line."""

    store: DocumentStore
    thread_id: str
    instance: str
    is_alone: bool
    former: FormerRun | None = None
    """What the last owner has left on the thread, where that is noted."""

    def check(self) -> None:
        """Raise `NotItsTurnError` where the place is lost, or `StoreError`: whoever waits may have found meanwhile that
        the instance was terminated, and posts. Where nobody waited a moment ago, that costs no look.
        """
        if self.is_alone:
            return
        front = front_of(self.store, self.thread_id)
        if front != self.instance:
            raise NotItsTurnError(self.thread_id, Place(1, front or "that has left again"))


@dataclass(frozen=True)
class Turns:
    """Takes an instance's turn at a thread."""

    store: DocumentStore
    service: AgentService
    others: OtherInstances
    _seen: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _done: dict[str, bool] = field(default_factory=dict)
    _worked: dict[str, float] = field(default_factory=dict)
    _runs: dict[str, RunSnapshot] = field(default_factory=dict)

    def take(self, thread_id: str, instance: str, turn: Turn) -> Ticket:
        """Return the ticket of an instance that owns the thread; raise `NotItsTurnError` where another one does, or
        `StoreError`.
        """
        until = monotonic() + LOOKING_SECONDS
        place = take_place(
            self.store,
            thread_id,
            instance,
            lambda other: monotonic() < until and self._has_ended(other),
            is_done=lambda owner: self._is_done(thread_id, owner),
            next_in_turn=turn.if_busy == "replace",
            waits=turn.if_busy != "fail",
            run_of=lambda other: self._run_of(thread_id, other),
        )
        if place.is_owner:
            return Ticket(self.store, thread_id, instance, place.is_alone, place.former)
        raise NotItsTurnError(thread_id, place, self._worked.get(place.owner, 0.0))

    def _has_ended(self, other: str) -> bool:
        payload = self.others.status_of(other)
        if payload is not None:
            self._seen[other] = payload
        return not goes_on(payload, host_clock.now())

    def _run_of(self, thread_id: str, other: str) -> FormerRun | None:
        """Return what one who is passed over has left, as far as it has shown that."""
        if other in self._runs:
            return former_run(self.service, self._runs[other], host_clock.now())
        shown = read_custom_status(self._seen.get(other, {}).get("customStatus"))
        if self.service.capabilities.lists_all_runs or shown is None or shown.thread_id != thread_id:
            return None
        if shown.run_id is None:
            return None
        shows = shown.run_state is RunState.COMPLETED
        return FormerRun(run_ids=(shown.run_id,), left_at=host_clock.now(), shows_items=shows)

    def _is_done(self, thread_id: str, owner: str) -> bool:
        """Say whether the owner's run has ended, as far as a look tells."""
        if owner not in self._done:
            shown = read_custom_status(self._seen.get(owner, {}).get("customStatus"))
            run_id = shown.run_id if shown is not None and shown.thread_id == thread_id else None
            self._done[owner] = run_id is not None and self._run_has_ended(owner, thread_id, run_id)
        return self._done[owner]

    def _run_has_ended(self, owner: str, thread_id: str, run_id: str) -> bool:
        try:
            run = self.service.get_run(thread_id, run_id)
        except FoundryError:
            return False  # the look is a favour: the owner will see it
        if run.created_at is not None:
            self._worked[owner] = host_clock.now().timestamp() - run.created_at
        self._runs[owner] = run
        return is_done(run)

    def replace(self, owner: str, instance: str, turn: Turn) -> None:
        """Ask the owner to cancel, where the instance is to replace it, unless it is asked already."""
        if turn.if_busy != "replace" or turn.replaces not in {None, owner}:
            return
        shown = read_custom_status(self._seen.get(owner, {}).get("customStatus"))
        if shown is None or shown.status != "Cancelling":
            self.others.ask_to_cancel(owner, f"replaced by instance {instance}")
