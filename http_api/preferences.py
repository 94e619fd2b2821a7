"""The `Prefer` header (RFC 7240). Pure."""

from __future__ import annotations

import re

LONGEST_WAIT_SECONDS = 200
"""Azure's load balancer drops a request after 230 seconds."""

_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(?=$|[,;])", re.IGNORECASE)


def wait_seconds(prefer: str | None) -> int:
    """Return how long the caller wants to wait for the end, at most 200 seconds; 0 where it does not say.

    A preference that cannot be understood is ignored, as the RFC wants it.
    """
    found = _WAIT.search(prefer or "")
    return min(int(found[1]), LONGEST_WAIT_SECONDS) if found else 0
