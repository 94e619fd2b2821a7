"""When something is asked again, and how long is waited before. Pure."""

from __future__ import annotations

import email.utils
from datetime import UTC, datetime

FIRST_DELAY, LONGEST_DELAY = 0.5, 10.0
LONGEST_WISH = 120.0
"""In seconds; a longer `Retry-After` is cut."""

_PASSING = frozenset({408, 425, 429, 502, 503, 504})
_LASTING = frozenset({"unauthorized", "forbidden", "no_token", "certificate", "proxy_refused", "configuration_error"})
"""What Foundry says to the app in a 502 and somebody has to act upon."""


def will_pass(status: int, code: str | None) -> bool:
    """Say whether an error answer is one of the moment: too much at once, a host that starts, a worker that died.

    The app's own 500 comes with a code and stays; the platform's comes without one.
    """
    if status == 500:
        return code is None
    return status in _PASSING and code not in _LASTING


def delay_before(attempt: int, wish: float | None, chance: float) -> float:
    """Return how long to wait before the next attempt (the first one that failed is 0); `chance` is from 0 to 1, so
    that callers who failed together do not come back together. What the answer wished (`Retry-After`) is kept.
    """
    own = min(FIRST_DELAY * 2.0 ** min(attempt, 10), LONGEST_DELAY) * (0.5 + chance / 2)
    return own if wish is None else max(wish, own)


def wished_delay(retry_after: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds of a `Retry-After`, which has them or a date; None where it has neither."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_WISH)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 0.0), LONGEST_WISH)


def rest_before_look(every: float, asked: int, took: float, wish: float | None) -> float:
    """Return how long to rest after a look at a run that goes on.

    The app was asked to hold the look for `asked` seconds. Where it did, the next one follows at once; where it did not
    (it asks a question, its host is being stopped, a gateway drops `Prefer`), it is asked as often as it wishes.
    """
    if asked == 0:
        return every
    return 0.0 if took >= 0.9 * asked else min(2.0 if wish is None else max(wish, 0.5), every)
