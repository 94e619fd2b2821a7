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

HolderState = Literal["active", "ended", "unknown"]


class Attempts(msgspec.Struct, kw_only=True):
    """Attempts at the present step; a field may be added with a default, never renamed or removed."""

    failed: int = 0
    """Those that failed alike in a row."""
    last: Failure | None = None
    """Why the last one failed."""
    waits: tuple[str, int] | None = None
    """The instance whose message on the thread kept ours waiting, and how many times in a row."""
    holder: tuple[str, HolderState] | None = None
    """Such an instance, and the state in which it was found then."""

    def count(self, failure: Failure | None) -> None:
        """Count an attempt; None is a success.

        Failures of another kind do not count as waits for an instance, and do not begin that count anew.
        """
        alike = self.last is not None and failure is not None and self.last.code == failure.code
        self.failed = 0 if failure is None else self.failed + 1 if alike else 1
        self.last = failure
        if failure is not None and failure.code == ErrorCode.THREAD_BUSY:
            holder = failure.waiting_instance
            before = self.waits[1] if self.waits and self.waits[0] == holder else 0
            self.waits = (holder, before + 1) if holder else None

    def begin_anew(self) -> None:
        """Forget how often the step failed, since another one begins."""
        self.failed = 0

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
