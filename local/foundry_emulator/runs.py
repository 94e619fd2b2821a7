"""The life of a run as a pure function: what happened to it, and the time, give its state.

Nothing runs in the background. `look` walks the script from the run's creation; a phase ends by its seconds
or by the caller's answer, unless the cancel request or the expiry comes first:

    phases ... -> end                 completed, failed, incomplete, expired, cancelled
    cancel request -> cancelling      for the script's time -> cancelled (or completed: it came too late)
    expiry (created_at + 600 s)       ends whatever is not ended yet, cancelling included
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from local.foundry_emulator.scripts import TERMINAL, End, Phase, Script


@dataclass(frozen=True)
class Submission:
    """The caller's answer to one round of tool calls."""

    at: float
    outputs: dict[str, str] = field(default_factory=dict)
    approvals: dict[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Happened:
    """Everything that decides a run's state, but the time."""

    script: Script
    created_at: float
    submissions: tuple[Submission, ...] = ()
    cancel_at: float | None = None
    forced: tuple[float, End] | None = None

    @property
    def expires_at(self) -> float:
        """When the service gives up on the run."""
        return self.created_at + self.script.expires_after_seconds


@dataclass(frozen=True)
class Lived:
    """A phase that has begun: its place in the script, and its times. `ended_at` is None while it lasts.

    `round` is the number of the caller's answer that ends it, None where no answer is wanted.
    """

    phase: Phase
    index: int
    began_at: float
    ended_at: float | None
    round: int | None


@dataclass(frozen=True)
class Look:
    """A run as it is at one moment."""

    status: str
    lived: tuple[Lived, ...]
    ended_at: float | None = None
    end: End | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in TERMINAL

    @property
    def started_at(self) -> float | None:
        """When the run first was anything but queued."""
        for lived in self.lived:
            if lived.phase.status != "queued" or lived.phase.asks:
                return lived.began_at
        return self.ended_at if self.status in {"completed", "failed", "incomplete"} else None

    @property
    def pending(self) -> Lived | None:
        """The round of tool calls that waits for an answer."""
        last = self.lived[-1] if self.lived else None
        return last if self.status == "requires_action" else None


def look(happened: Happened, now: float) -> Look:
    """Return the state of a run at the time `now`."""
    if happened.forced is not None:
        forced_at, end = happened.forced
        if now >= forced_at:
            before = _natural(happened, forced_at)
            return Look(end.status, _closed(before.lived, forced_at), forced_at, end)
    return _natural(happened, now)


def _natural(happened: Happened, now: float) -> Look:
    cancel_at = math.inf if happened.cancel_at is None else happened.cancel_at
    stop = min(cancel_at, happened.expires_at)
    lived: list[Lived] = []
    began = happened.created_at
    rounds = 0
    for index, phase in enumerate(happened.script.phases):
        this_round = rounds if phase.waits_for_caller else None
        ends = _end_of(phase, began, rounds, happened.submissions)
        rounds += 1 if phase.waits_for_caller else 0
        if now < min(ends, stop):
            lived.append(Lived(phase, index, began, None, this_round))
            return Look("requires_action" if phase.asks else phase.status, tuple(lived))
        lived.append(Lived(phase, index, began, min(ends, stop), this_round))
        if stop < ends:
            return _stopped(happened, tuple(lived), now)
        began = ends
    return Look(happened.script.end.status, tuple(lived), began, happened.script.end)


def _end_of(phase: Phase, began: float, rounds: int, submissions: tuple[Submission, ...]) -> float:
    if phase.waits_for_caller:
        return max(began, submissions[rounds].at) if rounds < len(submissions) else math.inf
    assert phase.seconds is not msgspec.UNSET
    return math.inf if phase.seconds is None else began + phase.seconds


def _stopped(happened: Happened, lived: tuple[Lived, ...], now: float) -> Look:
    expired = Look("expired", lived, happened.expires_at, End(status="expired"))
    if happened.cancel_at is None or happened.cancel_at >= happened.expires_at:
        return expired
    on_cancel = happened.script.on_cancel
    done = math.inf if on_cancel.seconds is None else happened.cancel_at + on_cancel.seconds
    if now < min(done, happened.expires_at):
        return Look("cancelling", lived)
    if happened.expires_at <= done:
        return expired
    return Look(on_cancel.end, lived, done, End(status=on_cancel.end))


def _closed(lived: tuple[Lived, ...], at: float) -> tuple[Lived, ...]:
    return tuple(replace(one, ended_at=at) if one.ended_at is None else one for one in lived)


def outputs_of(submissions: tuple[Submission, ...]) -> list[Any]:
    """Return what the caller answered, in order: texts for outputs, booleans for approvals."""
    given: list[Any] = []
    for submission in submissions:
        given += [*submission.outputs.values(), *submission.approvals.values()]
    return given
