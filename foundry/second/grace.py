"""For how long a request may still take effect, or what it has made may not be shown, where its answer was lost
(foundry-responses.md, section 5.2). Only a request that creates something says so: a look that fails leaves no doubt.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from contracts.generations import CAPABILITIES
from foundry.errors import FoundryError

USUAL_SECONDS = CAPABILITIES["responses"].grace_seconds

SYNCHRONOUS_SECONDS = 130.0
"""What was cut, or whose answer was lost, works on for as long as the gateway waits, and is stored at its end."""


@contextmanager
def in_doubt(seconds: float = USUAL_SECONDS) -> Iterator[None]:
    """Let an error within say for how long what it is about may have happened all the same."""
    try:
        yield
    except FoundryError as error:
        error.grace_seconds = max(seconds, error.grace_seconds or 0.0)
        raise
