"""Whether and when a failed activity is tried again. Pure; the orchestrator does the waiting.

What Foundry or the network does to a request is retried until the deadline, since a run that waits costs next to
nothing; `Retry-After` wins over our own backoff. An activity whose worker process died is tried again a few times: it
may be the activity that kills the worker. Everything else is final.
"""

from __future__ import annotations

import re

import msgspec

from contracts.activities import Failure
from contracts.codes import ErrorCode
from orchestrators.poll_schedule import whole_and_half

FIRST_DELAY_SECONDS = 1.5
LONGEST_BACKOFF_SECONDS = 60.5
LONGEST_BUSY_DELAY_SECONDS = 4.5
MOST_DOUBTFUL_ATTEMPTS = 8

MOST_LOOKS_FOR_WHAT_EXISTS = 3
LOOKS = frozenset({"get_run", "get_response"})
"""Activities that look for what Foundry has just made: it may not be found everywhere at once."""

DEFAULT_QUOTA_DELAY_SECONDS = 30.5
"""How long to wait for quota where the service does not say."""

DOUBTFUL = frozenset({ErrorCode.WORKER_DIED, ErrorCode.UNREADABLE_REFUSAL})
"""Failures that may pass, and may come again for ever: the activity may kill its worker, the request may be wrong."""

PASSING_REFUSALS = frozenset({ErrorCode.UNAUTHORIZED, ErrorCode.FORBIDDEN, ErrorCode.NO_TOKEN})
"""Final, but for the answer of a run that has completed."""

_DEAD_WORKER = re.compile(
    r"exited with code|worker process|Timeout value of .* was exceeded|worker.*(terminated|shutting down)",
    re.IGNORECASE,
)

_KIND_OF_EXCEPTION = re.compile(r"Activity function '[^']{1,64}' failed: \w{1,64}")


def retry_delay(activity: str, failure: Failure, attempts: int, *, wait_if_busy: bool = False) -> float | None:
    """Return the seconds to wait after `attempts` failed attempts (1 or more), or None where trying again is no use.

    A thread that is busy with another run is waited for, if the caller wants that: with short steps that hardly grow,
    so that the thread does not stand idle, and whoever has waited for long looks at least a third as often as a
    newcomer.
    """
    if failure.code == ErrorCode.THREAD_IN_USE or (failure.code == ErrorCode.THREAD_BUSY and wait_if_busy):
        return min(FIRST_DELAY_SECONDS + attempts // 4, LONGEST_BUSY_DELAY_SECONDS)
    if activity == "get_response" and failure.code in PASSING_REFUSALS:
        failure = msgspec.structs.replace(failure, retryable=True)  # the answer is paid for: not lost to one refusal
    lags = failure.code == ErrorCode.NOT_FOUND and activity in LOOKS and attempts < MOST_LOOKS_FOR_WHAT_EXISTS
    if not (failure.retryable or lags) or (
        failure.code in DOUBTFUL | PASSING_REFUSALS and attempts >= MOST_DOUBTFUL_ATTEMPTS
    ):
        return None
    backoff = min(FIRST_DELAY_SECONDS * 2 ** min(attempts - 1, 10), LONGEST_BACKOFF_SECONDS)
    return whole_and_half(backoff if failure.retry_after_seconds is None else failure.retry_after_seconds)


def quota_delay(hint_seconds: float | None, remaining_seconds: float) -> float | None:
    """Return the seconds to wait for quota, or None where it comes too late for the deadline."""
    delay = DEFAULT_QUOTA_DELAY_SECONDS if hint_seconds is None else whole_and_half(hint_seconds)
    return delay if delay < remaining_seconds else None


def failure_of_exception(text: str) -> Failure:
    """Return the failure that a failed activity's exception stands for.

    The platform reports a dead worker as an exception of the activity (durable-protocol.md, rule 10). Any other
    exception is a bug in the activity. Only the first line is kept: kilobytes of .NET details follow. What the
    exception says may quote the activity's input, so its type alone may be logged.
    """
    head = " ".join(text.split('{"$type"', 1)[0].split("\n", 1)[0].split())[:500]
    if _DEAD_WORKER.search(text[:4000]):
        return Failure(code=ErrorCode.WORKER_DIED, message=head, retryable=True)
    kind = _KIND_OF_EXCEPTION.match(head)
    return Failure(code=ErrorCode.ACTIVITY_FAILED, message=head, summary=kind[0] if kind else "an activity failed")
