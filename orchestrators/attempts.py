"""How often the present step has failed: what decides whether it is tried again. Pure."""

from __future__ import annotations

import msgspec

from contracts.activities import Failure
from contracts.codes import ErrorCode

LEAVES_DOUBT = frozenset(
    {ErrorCode.CONNECTION_FAILED, ErrorCode.BAD_RESPONSE, ErrorCode.SERVICE_UNAVAILABLE, ErrorCode.WORKER_DIED}
)
"""Failures of a request that may have taken effect all the same."""

UNKNOWN_END = frozenset({ErrorCode.WORKER_DIED, ErrorCode.ACTIVITY_FAILED})
"""Failures of an activity that nobody has brought the end of."""


def may_be_of_a_repetition(failure: Failure) -> bool:
    """Say whether another execution of the activity may have gone further than this failure tells: a host that dies
    gives it back, and what the second execution meets may pass. Who waits for the thread has started no run.
    """
    return failure.code in UNKNOWN_END or (failure.retryable and failure.code != ErrorCode.THREAD_BUSY)


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

    def count(self, failure: Failure | None, activity: str | None = None) -> None:
        """Count an attempt; None is a success, which begins the count anew, unless it is another activity's: a new
        generation looks at the run first, whatever step it goes on with.
        """
        if failure is None:
            if self.activity in {None, activity}:
                self.settled()
            return
        alike = (self.activity, _kind(self.last)) == (activity, _kind(failure))
        self.failed = self.failed + 1 if alike else 1
        self.last, self.activity = failure, activity
        self.may_have_acted = self.may_have_acted or failure.code in LEAVES_DOUBT

    def settled(self) -> None:
        """Forget the failures: nothing is tried again."""
        self.failed, self.last, self.activity, self.may_have_acted = 0, None, None, False

    def begin_anew(self) -> None:
        """Forget how often the step failed, since another one begins."""
        self.failed, self.activity = 0, None


def _kind(failure: Failure | None) -> tuple[str, bool] | None:
    """Return what failures have in common that are counted together."""
    return None if failure is None else (failure.code, failure.gone)
