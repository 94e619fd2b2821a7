"""How often the present step has failed, and for whom it waits: what decides whether it is tried again. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

from contracts.activities import Failure
from contracts.codes import ErrorCode

LOOK_AT_HOLDER_EVERY = 5

MOST_WAITS_FOR_AN_INSTANCE = 20
"""After this many attempts (about 70 seconds) a message that waits for its run counts as abandoned.

Longer than quota is usually waited for, during which the message has no run either.
"""

LEAVES_DOUBT = frozenset(
    {ErrorCode.CONNECTION_FAILED, ErrorCode.BAD_RESPONSE, ErrorCode.SERVICE_UNAVAILABLE, ErrorCode.WORKER_DIED}
)
"""Failures of a request that may have taken effect all the same."""

HolderState = Literal["active", "ended", "unknown"]


class Attempts(msgspec.Struct, kw_only=True):
    """Attempts at the present step; a field may be added with a default, never renamed or removed."""

    failed: int = 0
    """Those that failed alike in a row."""
    last: Failure | None = None
    """Why the last one failed."""
    activity: str | None = None
    """Which activity that was."""
    may_have_acted: bool = False
    """One of the attempts may have taken effect, although its answer was lost."""
    waits: tuple[str, int] | None = None
    """The instance whose message on the thread kept ours waiting, and how many times in a row."""
    holder: tuple[str, HolderState] | None = None
    """Such an instance, and the state in which it was found then."""

    def count(self, failure: Failure | None, activity: str | None = None) -> None:
        """Count an attempt; None is a success, which begins the count anew, unless it is another activity's: a new
        generation looks at the run first, whatever step it goes on with.

        Failures of another kind do not count as waits for an instance, and do not begin that count anew.
        """
        if failure is None:
            if self.activity in {None, activity}:
                self.settled()
            return
        alike = (self.activity, _kind(self.last)) == (activity, _kind(failure))
        self.failed = self.failed + 1 if alike else 1
        self.last, self.activity = failure, activity
        self.may_have_acted = self.may_have_acted or failure.code in LEAVES_DOUBT
        if failure.code == ErrorCode.THREAD_BUSY:
            holder = failure.waiting_instance
            before = self.waits[1] if self.waits and self.waits[0] == holder else 0
            self.waits = (holder, before + 1) if holder else None

    def settled(self) -> None:
        """Forget the failures: nothing is tried again."""
        self.failed, self.last, self.activity, self.may_have_acted = 0, None, None, False

    def begin_anew(self) -> None:
        """Forget how often the step failed, since another one begins."""
        self.failed, self.activity = 0, None

    def is_to_look_at(self, holder: str) -> bool:
        """Whether to look now at the instance whose message has just kept ours waiting: at first, then now and then."""
        known, times = self.waits or (None, 0)
        return known == holder and (times - 1) % LOOK_AT_HOLDER_EVERY == 0

    def abandoned(self) -> str | None:
        """Return the instance whose message on the thread will never get a run: it has ended, or nobody knows it and
        it was waited for long.
        """
        holder, state = self.holder or (None, "unknown")
        if state == "ended":
            return holder
        known, times = self.waits or (None, 0)
        goes_on = state == "active" and holder == known
        return known if times > MOST_WAITS_FOR_AN_INSTANCE and not goes_on else None


def _kind(failure: Failure | None) -> tuple[str, bool] | None:
    """Return what failures have in common that are counted together."""
    return None if failure is None else (failure.code, failure.gone)
