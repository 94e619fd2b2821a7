"""Whether and when a failed activity is tried again. Pure; the orchestrator does the waiting.

What Foundry or the network does to a request is retried until the deadline, since a run that waits costs next to
nothing; `Retry-After` wins over our own backoff, and every instance waits a part of its own behind it, or all would
come back in the same second. A refusal of a request is not the end of a run: where one exists, minutes of refusals are
waited out, and a cancel is repeated for as long as stopping may take. Everything else is final.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass

from contracts.activities import Failure
from contracts.codes import ErrorCode
from look_schedule import whole_and_half

FIRST_DELAY_SECONDS = 1.5
LONGEST_BACKOFF_SECONDS = 60.5
LONGEST_BUSY_DELAY_SECONDS = 4.5
LONGEST_DELAY_IN_LINE_SECONDS = 15.5

LONGEST_HINT_AT_A_RUN_SECONDS = 300.0
"""A hint counts as no longer where a run exists: it ends within minutes, and whoever sleeps a day misses that."""

LONGEST_PART_SECONDS = 60.0
"""An instance waits at most so long behind a hint, or once more the hint where that is longer."""

MOST_DOUBTFUL_ATTEMPTS = 8
MOST_UNTRUSTED_ATTEMPTS = 3
MOST_GONE_ATTEMPTS = 3
"""Foundry may not know everywhere at once what it has just made."""
MOST_DELETIONS = 3

MOST_REFUSED_ATTEMPTS = 10
"""Where a run exists: 4.6 minutes, as long as people saw a project refuse everything after a deployment, or a role
take to arrive.
"""

DEFAULT_QUOTA_DELAY_SECONDS = 30.5
"""How long to wait for quota where the service does not say."""

AT_A_RUN = frozenset({"get_run", "get_response", "submit_tool_outputs", "cancel_run"})
"""Activities that need a run: there is one, and it goes on or is paid for, whatever happens to a request."""

STOPPING = frozenset({"cancel_run", "get_run"})
"""What stopping a run takes."""

FINAL = frozenset(
    {ErrorCode.TOO_MANY_TOOL_CALLS, ErrorCode.RESPONSE_TOO_LARGE, ErrorCode.ACTIVITY_FAILED, ErrorCode.ANSWER_REFUSED}
)
"""Failures of what was done or asked, not of a request: the same would come of it again."""

UNTRUSTED = frozenset({ErrorCode.CERTIFICATE, ErrorCode.PROXY_REFUSED})
"""No waiting mends these, but a proxy may be changed at this moment."""

DOUBTFUL = frozenset({ErrorCode.WORKER_DIED, ErrorCode.UNREADABLE_REFUSAL})
"""Failures that may pass, and may come again for ever: the activity may kill its worker, the request may be wrong."""

MAY_BE_OF_THE_ANSWER = frozenset({ErrorCode.REFUSED_FOR_NOW, ErrorCode.SERVICE_UNAVAILABLE, ErrorCode.BAD_RESPONSE})
"""What Foundry may say to this very answer for ever, although it says that to others for a while: a caller who is asked
again can give another one.
"""

PASSING_REFUSALS = frozenset(
    {
        ErrorCode.UNAUTHORIZED,
        ErrorCode.FORBIDDEN,
        ErrorCode.NO_TOKEN,
        ErrorCode.NOT_FOUND,
        ErrorCode.CONFIGURATION_ERROR,
    }
)
"""What may as well be said of the look for a run that an earlier attempt has created."""

CROWDED = frozenset({ErrorCode.RATE_LIMITED, ErrorCode.SERVICE_UNAVAILABLE})
"""What many instances hear at once."""

_DEAD_WORKER = re.compile(
    r"exited with code|worker process|Timeout value of .* was exceeded|worker.*(terminated|shutting down)",
    re.IGNORECASE,
)

_KIND_OF_EXCEPTION = re.compile(r"Activity function '[^']{1,64}' failed: \w{1,64}")


@dataclass(frozen=True)
class Situation:
    """What decides besides the failure."""

    waits_for_thread: bool = False
    stopping: bool = False
    """The run is being stopped: who gives up leaves it at work."""
    may_have_acted: bool = False
    """An earlier attempt at this step may have taken effect, although its answer was lost."""
    share: float = 0.0
    """The instance's own, at least 0 and less than 1 (`share_of`)."""
    remaining_seconds: float = math.inf
    """Until the deadline."""


def retry_delay(activity: str, failure: Failure, attempts: int, situation: Situation) -> float | None:
    """Return the seconds to wait after `attempts` attempts (1 or more) that failed so, or None where trying again is no
    use.

    A busy thread is waited for, if the caller wants that: in the app's own line the next in turn looks most often,
    since it alone may go on, and who stands far back has time; behind somebody else's run with steps that hardly grow.
    """
    if failure.code == ErrorCode.THREAD_BUSY and situation.waits_for_thread:
        if failure.position is None:
            return min(FIRST_DELAY_SECONDS + attempts // 4, LONGEST_BUSY_DELAY_SECONDS)
        near, far = min(failure.position, 4) - 1, max(failure.position - 4, 0) // 2
        return min(FIRST_DELAY_SECONDS + near + far, LONGEST_DELAY_IN_LINE_SECONDS)
    if attempts >= most_attempts(activity, failure, situation):
        return None
    if failure.code == ErrorCode.MAY_HAVE_HAPPENED:
        return whole_and_half(failure.retry_after_seconds or FIRST_DELAY_SECONDS)
    if failure.retry_after_seconds is not None:
        hint = failure.retry_after_seconds
        if activity in AT_A_RUN:
            hint = min(hint, LONGEST_HINT_AT_A_RUN_SECONDS)
        return _behind(hint, attempts, situation.share, situation.remaining_seconds)
    backoff = min(FIRST_DELAY_SECONDS * 2 ** min(attempts - 1, 10), LONGEST_BACKOFF_SECONDS)
    return whole_and_half(backoff * (1 + situation.share) if failure.code in CROWDED else backoff)


def most_attempts(activity: str, failure: Failure, situation: Situation) -> float:
    """Return how many attempts may fail so; infinite where only the deadline ends it."""
    if activity == "delete_thread":
        return MOST_DELETIONS
    refusals_pass = activity in AT_A_RUN or (situation.may_have_acted and failure.code in PASSING_REFUSALS)
    if failure.gone:
        return MOST_GONE_ATTEMPTS if refusals_pass else 1
    if situation.stopping and activity in STOPPING:
        return math.inf
    if failure.code in UNTRUSTED:
        return MOST_UNTRUSTED_ATTEMPTS
    if failure.code in FINAL:
        return 1
    about_the_answer = activity == "submit_tool_outputs" and failure.code in MAY_BE_OF_THE_ANSWER
    if failure.retryable and failure.code not in DOUBTFUL and not about_the_answer:
        return math.inf
    if refusals_pass:
        return MOST_REFUSED_ATTEMPTS
    return MOST_DOUBTFUL_ATTEMPTS if failure.retryable else 1


def is_to_be_asked_again(failure: Failure) -> bool:
    """Say whether a final failure of an answer to tool calls leaves a run that still waits for one: another answer, a
    shorter one, say, may be taken.
    """
    ends_it = (FINAL | UNTRUSTED) - {ErrorCode.ANSWER_REFUSED}
    return not failure.gone and failure.code not in ends_it


def quota_delay(hint_seconds: float | None, remaining_seconds: float, runs: int, share: float) -> float | None:
    """Return the seconds to wait for quota after `runs` runs (1 or more) that failed for lack of it; None where it
    comes too late for the deadline.
    """
    hint = DEFAULT_QUOTA_DELAY_SECONDS if hint_seconds is None else hint_seconds
    if whole_and_half(hint) >= remaining_seconds:
        return None
    delay = _behind(hint, runs, share, remaining_seconds)
    return delay if delay < remaining_seconds else delay - 1


def share_of(instance_id: str, *what: object) -> float:
    """Return a number from 0 up to 1 that looks random, yet is the same in every replay."""
    text = "\n".join((instance_id, *map(str, what)))
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:4], "big") / 2**32


def _behind(hint: float, times: int, share: float, remaining: float) -> float:
    """Return the hint and the instance's part behind it, which grows with every time, as far as the deadline allows."""
    widest = max(hint, LONGEST_PART_SECONDS)
    width = min(max(hint, FIRST_DELAY_SECONDS) * 2 ** min(times - 1, 10), widest, max(0.0, remaining - hint))
    return whole_and_half(hint + share * width)


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
