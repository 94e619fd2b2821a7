"""The life of a response as a pure function of the time: the part of a script between two rounds of calls.

A response never waits for its caller: where the script asks for calls, it is completed, and its output says what it
wants. The next one goes on after that phase. It knows neither an expiry nor `cancelling`.
"""

import math
from dataclasses import dataclass

import msgspec

from local.foundry_emulator.runs import Happened, Look, look
from local.foundry_emulator.scripts import End, OnCancel, Phase, Script
from local.foundry_emulator.second.objects import Response

TERMINAL = frozenset({"completed", "failed", "cancelled", "incomplete"})
GATEWAY_SECONDS = 120.0  # recorded: a synchronous POST is cut then


@dataclass(frozen=True)
class Part:
    """A part of a script: its phases, how it ends, and the phase that asks, if it ends with calls (`index`)."""

    phases: tuple[Phase, ...]
    end: End
    asks: Phase | None
    index: int


@dataclass(frozen=True)
class Seen:
    """A response as it is at one moment."""

    look: Look
    part: Part

    @property
    def status(self) -> str:
        """queued, in_progress, completed, failed, cancelled, incomplete, or what a script invents."""
        return self.look.status

    @property
    def ended_at(self) -> float | None:
        """When it ended; None while it goes on."""
        return self.look.ended_at if self.is_ended else None

    @property
    def is_ended(self) -> bool:
        """Whether it is queued and running no more."""
        return self.status in TERMINAL

    @property
    def has_answered(self) -> bool:
        """Whether its output went into the conversation."""
        return self.status in {"completed", "incomplete"}


def part_of(script: Script, first: int) -> Part:
    """Return what one response lives through, from phase `first` on."""
    phases: list[Phase] = []
    for index, phase in enumerate(script.phases[first:], first):
        if phase.waits_for_caller and phase.action is not None:
            return Part(tuple(phases), End(), phase, index)
        phases.append(_unasked(phase))
    return Part(tuple(phases), ended_as(script.end), None, len(script.phases))


def _unasked(phase: Phase) -> Phase:
    """Return a phase as a response shows it: the service answers its own calls, and there is no required_action."""
    if not phase.asks:
        return phase
    seconds = None if phase.seconds is msgspec.UNSET else phase.seconds
    own = tuple({"type": call.type, call.type: {"name": call.name}} for call in phase.calls)
    return Phase(seconds=seconds, does=(*phase.does, *own), says=phase.says, writes=phase.writes)


def ended_as(end: End) -> End:
    """Return an end as a response has it."""
    if end.status == "expired":  # no response expires
        return End(status="failed", code="server_error", message="The response took too long.")
    return end


def see(response: Response, now: float) -> Seen:
    """Return a response as it is at the time `now`."""
    if response.poisoned_by is not None:
        end = End(status="failed", code="invalid_request_error", message=response.poisoned_by)
        return Seen(Look("failed", (), response.created_at, end), Part((), end, None, 0))
    part = part_of(response.script, response.first)
    script = Script(phases=part.phases, end=part.end, on_cancel=OnCancel(seconds=0), expires_after_seconds=math.inf)
    happened = Happened(script, response.created_at, (), response.cancel_at, response.forced)
    seen = Seen(look(happened, now), part)
    on_cancel = response.script.on_cancel
    if seen.status == "cancelled" and response.cancel_at is not None and on_cancel.end == "completed":
        late = response.cancel_at + (on_cancel.seconds or 0.0)
        if now >= late and response.forced is None:  # reported: GET says cancelled, and completed later
            return Seen(Look("completed", seen.look.lived, late, part.end), part)
    return seen


def was_cut(response: Response, now: float) -> bool:
    """Whether the gateway has cut the response's POST, and the response is gone with it."""
    return response.cut_at is not None and now >= response.cut_at and see(response, response.cut_at).ended_at is None


def is_forgotten(response: Response, now: float) -> bool:
    """Whether the service knows nothing of a response any more."""
    return response.deleted or was_cut(response, now)
