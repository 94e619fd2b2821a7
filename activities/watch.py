"""Stays with a run and looks at it again and again (`look_schedule`), until there is news or the watch is over.

A watch waits on the worker's loop, and holds no thread while it waits. It holds one of the activities that a worker may
have at once, so only a share of them watch: new runs are never kept waiting by old ones.

The worker learns of no stop before it is killed (docs/functions-host.md, "Stops"): what ends a watch in time is that
`WATCH_SECONDS` are less than the ten that the host leaves to activities.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

import host_clock
from activities.look_rate import LookRate
from activities.slots import Slots
from activities.threads import MOST_AT_ONCE
from contracts.runs import RunSnapshot, RunState
from look_schedule import WATCH_SECONDS, next_look

Look = Callable[[], Awaitable[RunSnapshot | None]]
"""One look at the run; None where it failed."""

MOST_WATCHES = MOST_AT_ONCE * 3 // 4
"""At once in a worker; beyond it a look is one look."""

_AT_WORK = frozenset({RunState.ACTIVE, RunState.CANCELLING})
"""What a watch waits out. A run that asks something waits for its caller, not for a look."""


@dataclass(frozen=True)
class Watch:
    """What the watches of one worker share."""

    rate: LookRate
    slots: Slots
    clock: Callable[[], float] = host_clock.seconds
    sleep: Callable[[float], Awaitable[None]] = host_clock.sleep

    async def news_of(self, run: RunSnapshot, look: Look, *, age: float, seconds_left: float) -> RunSnapshot:
        """Return the run as it was last seen: ended, asking something, or when the watch was over.

        `age`: for how many seconds it has worked; `seconds_left`: until its deadline. A look that fails ends the watch:
        what the failure says, and whether it has a hint, is left to the next look, which the orchestrator paces.
        """
        if run.state not in _AT_WORK or not self.slots.take():
            return run
        try:
            return await self._until_news(run, look, age, min(WATCH_SECONDS, seconds_left))
        finally:
            self.slots.give_back()

    async def _until_news(self, run: RunSnapshot, look: Look, age: float, seconds: float) -> RunSnapshot:
        began = looked = self.clock()
        looks = run.looks
        while run.state in _AT_WORK:
            due = max(looked + next_look(age + looked - began), self.clock())
            if due > began + seconds:
                break
            await self.sleep(due - self.clock())
            wait = self.rate.reserve(self.clock(), began + seconds)
            if wait is None:
                break
            await self.sleep(wait)
            looked, looks = self.clock(), looks + 1
            seen = await look()
            if seen is None:
                break
            run = seen
        return msgspec.structs.replace(run, looks=looks)


@functools.lru_cache(maxsize=1)
def watch_of_worker(most_looks_per_second: int) -> Watch:
    """Return the one of this worker process; with 0 looks a second nobody watches."""
    return Watch(
        LookRate(most_looks_per_second, host_clock.seconds()), Slots(MOST_WATCHES if most_looks_per_second else 0)
    )
