"""Stays for a while in the activity of a run whose turn on its thread is about to come.

A look behind a durable timer comes a second or two late, and each handover on the thread would cost that. So whoever
stands near the front stays and looks at the line, on the worker's loop, and holds no thread in between. Whether those
in front still go on is asked more rarely than where it stands. All others in the line are paced by timers.

A stay is raced with the cancel, and ends with the activity: so it is short.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import host_clock
from activities.slots import Slots
from activities.threads import MOST_AT_ONCE
from activities.turns import NotItsTurnError
from contracts.activities import CreateMessage
from ownership.threads import front_of
from settings import Settings
from store.documents import DocumentStore, StoreError

STAY_SECONDS = 4.0
NEAR = 3
"""How many behind the owner stay: where runs are short, the next one is to know that it is the next. The orchestrator
races the activities of those who may (`contracts.activities.Turn`).
"""

MOST_STAYS = MOST_AT_ONCE // 8
"""At once in a worker; beyond it an attempt is one attempt."""

SHARE_OF_WORK = 0.1
"""Of the time for which the owner works, between two looks: so a handover takes as much longer, and no more."""

SHORTEST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.1, 1.0
"""Between two looks of the next in turn at the line, each a read of the store; those behind it look half as often, and
a third.
"""

SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 2.0
"""Between two attempts, which ask the platform and Foundry about the owner: most owners leave by themselves."""

R = TypeVar("R")
Asked = TypeVar("Asked", bound=CreateMessage)
Taken = TypeVar("Taken")


class TurnSeen:
    """What the last attempt found: whether to stay, and for how long."""

    def __init__(self) -> None:
        self.turn: NotItsTurnError | None = None
        self.seconds_left = 0.0

    def noting(self, action: Callable[[Settings, Asked], Taken]) -> Callable[[Settings, Asked], Taken]:
        """Return the action, whose finding is noted."""

        def act(settings: Settings, wanted: Asked) -> Taken:
            self.turn = None
            try:
                return action(settings, wanted)
            except NotItsTurnError as turn:
                self.turn = turn
                left = STAY_SECONDS if wanted.until is None else (wanted.until - host_clock.now()).total_seconds()
                may_stay = wanted.turn.stays is True and settings.most_looks_per_second
                self.seconds_left = min(left, STAY_SECONDS) if may_stay else 0.0
                raise

        return act

    def has_moved(self, open_store: Callable[[], DocumentStore]) -> bool:
        """Say whether another instance stands first in the line by now. One that cannot be read is attempted at again,
        which says why.
        """
        assert self.turn is not None, "whoever stays was told whose turn it is"
        try:
            return front_of(open_store(), self.turn.thread_id) != self.turn.owner
        except StoreError:
            return True

    def look_after(self, seconds: float) -> float:
        """Return the time between two looks at the line, where the owner has been seen to be that for so many
        seconds.
        """
        assert self.turn is not None, "whoever stays was told whose turn it is"
        look = max(SHARE_OF_WORK * self._worked(seconds), SHORTEST_LOOK_SECONDS) * self.turn.position
        return min(look, LONGEST_LOOK_SECONDS)

    def pause_after(self, seconds: float) -> float:
        """Return the pause between two attempts, likewise."""
        if self.turn is None or self.turn.position > 1:
            return LONGEST_PAUSE_SECONDS  # the next in turn sees to the owner
        return min(max(SHARE_OF_WORK * self._worked(seconds), SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)

    def _worked(self, seconds: float) -> float:
        assert self.turn is not None, "whoever stays was told whose turn it is"
        return max(self.turn.owner_has_worked, seconds)

    @property
    def is_near(self) -> bool:
        """Whether it stays, since its turn is about to come."""
        return self.turn is not None and self.turn.position <= NEAR


@dataclass(frozen=True)
class Stays:
    """What the stays of one worker share."""

    slots: Slots
    clock: Callable[[], float] = host_clock.seconds
    sleep: Callable[[float], Awaitable[None]] = host_clock.sleep

    async def until_its_turn(
        self, attempt: Callable[[], Awaitable[R]], seen: TurnSeen, has_moved: Callable[[], Awaitable[bool]]
    ) -> R:
        """Attempt until that finds something else than a turn that is about to come, or the stay is over; return what
        came of the last attempt. `has_moved` says whether the line has another front than that one found.
        """
        result = await attempt()
        if not seen.is_near or not self.slots.take():
            return result
        try:
            return await self._stay(result, attempt, seen, has_moved)
        finally:
            self.slots.give_back()

    async def _stay(
        self, result: R, attempt: Callable[[], Awaitable[R]], seen: TurnSeen, has_moved: Callable[[], Awaitable[bool]]
    ) -> R:
        attempted = since = self.clock()
        until = since + seen.seconds_left
        while seen.is_near and (now := self.clock()) + (look := seen.look_after(now - since)) < until:
            await self.sleep(look)
            if await has_moved():
                since = self.clock()
            elif self.clock() < attempted + seen.pause_after(attempted - since):
                continue
            result, attempted = await attempt(), self.clock()
        return result


stays_of_worker = Stays(Slots(MOST_STAYS))
