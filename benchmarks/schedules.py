"""When a run is looked at: the app's schedule as the real orchestrator follows it, and the two loops beside it.

Times are seconds since the run's creation. Nothing here waits: the app's own looks come from the orchestrator on the
Durable SDK's executor in virtual time (`tests/orchestrator/simulation.py`), the loops' from their definition.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.meter import Meter
from contracts.generations import Generation
from tests.orchestrator.conversations import POLICY as SECOND
from tests.orchestrator.conversations import Conversations
from tests.orchestrator.scripted_foundry import ScriptedFoundry
from tests.orchestrator.simulation import VERSION, Ended

CLASSIC = {"agent_id": "asst_1"}

QUEUE_SECONDS = 0.1
"""What a timer takes through a queue of Azure Storage, measured (durable-protocol.md, rule 2): 1.5 s fire after 1.1."""


@dataclass(frozen=True)
class Looks:
    """The moments at which a run that does not end would be looked at, up to some duration."""

    at: Sequence[float]
    answer_seconds: float
    """From the start of the look that sees the end until the caller could have the answer."""

    def count(self, duration: float) -> int:
        """Return how many looks a run of this duration takes."""
        found = bisect_left(self.at, duration) + 1
        if found > len(self.at):
            raise ValueError(f"the looks end before {duration} s")
        return found

    def lag(self, duration: float) -> float:
        """Return how long after the run's end its answer is available."""
        return self.at[self.count(duration) - 1] - duration + self.answer_seconds

    @property
    def shortest_gap(self) -> float:
        """The shortest time between two looks."""
        return min(later - earlier for earlier, later in pairwise(self.at))


def app_run(
    duration: float,
    *,
    exact_timers: bool,
    activity_seconds: float,
    watches: bool = True,
    generation: Generation = "classic",
    version: str = VERSION,
    thread_id: str | None = None,
) -> tuple[ScriptedFoundry, Ended]:
    """Run the real orchestrator in virtual time on a run of this duration; without `watches` every look is one look.
    `version`: of the orchestrator, whose older path it takes.
    """
    kind, agent = (ScriptedFoundry, CLASSIC) if generation == "classic" else (Conversations, SECOND)
    foundry = kind({0: "active", duration: "completed"})
    foundry.watches = watches
    simulation = foundry.simulate(exact_timers=exact_timers, activity_seconds=activity_seconds, version=version)
    simulation.handle = Meter(simulation.handle)
    request, policy = {"user_message": "hello", "thread_id": thread_id}, {**agent, "timeout_seconds": 86_400}
    ended = simulation.run({"request": request, "policy": policy})
    if ended.status != "Completed":
        raise RuntimeError(f"the orchestration ended as {ended.status}: {ended.output}")
    return foundry, ended


def app_looks(
    longest: float, *, exact_timers: bool, activity_seconds: float, request_seconds: float, watches: bool = True
) -> Looks:
    """Return the app's looks. When it looks does not depend on the run's end, so one run tells them all.

    An activity takes as long as one request and its way through the queues; the look that sees the end makes one
    request more, for the answer.
    """
    foundry, ended = app_run(longest, exact_timers=exact_timers, activity_seconds=activity_seconds, watches=watches)
    created = next(c.at for c in foundry.simulation.calls if c.name == "create_message")  # with the run
    looks = foundry.looked_at
    return Looks([at - created for at in looks], ended.seconds - looks[-1] + request_seconds)


def sdk_looks(longest: float, *, request_seconds: float) -> Looks:
    """Return the looks of the SDK's loop: it sleeps a second after each answer."""
    return _regular(longest, first=request_seconds + 1, every=request_seconds + 1, after=2 * request_seconds)


def naive_looks(longest: float, *, exact_timers: bool, activity_seconds: float) -> Looks:
    """Return the looks of a loop of durable timers of one second.

    Azure Storage cuts a timer's delay to whole seconds, and when it does so a little of the second has passed: it fires
    as soon as it is through the queue (durable-protocol.md, rule 2).
    """
    every = (1.0 if exact_timers else QUEUE_SECONDS) + activity_seconds
    return _regular(longest, first=every, every=every, after=2 * activity_seconds)


def _regular(longest: float, *, first: float, every: float, after: float) -> Looks:
    return Looks([first + i * every for i in range(math.ceil(longest / every) + 1)], after)
