"""What has happened in a run, as one generation of its instance hands it to the next, which has another history.

No messages, and no text of a model or a caller. Moments are microseconds since 1970, durations microseconds.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from contracts.wire import Wire

LARGEST = 9_007_199_254_740_991
"""The largest whole number that every reader of JSON keeps."""

LONGEST_CODE = 64
LONGEST_MESSAGE = 1000
MOST_ENTRIES = 60
"""Of all kinds together."""

Micros = Annotated[int, Meta(ge=0, le=LARGEST)]
Count = Annotated[int, Meta(ge=0, le=LARGEST)]
Digest = Annotated[str, Meta(max_length=12)]


class Try(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """One activity of the platform."""

    after: Micros = 0
    """How long after the beginning of its stretch it began."""
    took: Micros | None = None
    """Null: nobody has heard of its end."""
    code: Annotated[str, Meta(max_length=LONGEST_CODE)] | None = None
    """Of its failure."""
    message: Annotated[str, Meta(max_length=LONGEST_MESSAGE)] = ""
    """Of its failure, in the app's own words; it is not handed on."""


class Stretch(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """Activities of one name in a row: attempts at a step, or looks."""

    name: Annotated[str, Meta(max_length=64)]
    at: Micros
    tries: Annotated[tuple[Try, ...], Meta(min_length=1)]
    """Those of this generation; of earlier ones only the last that failed, and the last of all."""
    count: Count = 1
    """All of them."""
    looks: Count = 0


class Asked(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """A question."""

    at: Micros
    took: Micros | None = None
    """Until it was answered, or nobody needed an answer any more; null: it is open."""
    number: Count = 0
    """0 while nothing tells it."""
    calls: Count = 0
    continued: bool = False
    """It was asked earlier than at `at`."""


class Answered(Wire, frozen=True, kw_only=True):
    """An answer to a question."""

    at: Micros
    number: Count


class Pause(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """The instance was suspended, and resumed unless `took` is null."""

    at: Micros
    took: Micros | None = None


class Dropped(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """What is no longer told one by one."""

    at: Micros
    took: Micros
    looks: Count = 0
    runs: Count = 0
    questions: Count = 0


class Past(msgspec.Struct, kw_only=True, omit_defaults=True):
    """All that has happened; each list is in the order of the beginnings. A field may be added with a default, never
    renamed or removed.
    """

    stretches: Annotated[list[Stretch], Meta(max_length=MOST_ENTRIES)] = []
    questions: Annotated[list[Asked], Meta(max_length=MOST_ENTRIES)] = []
    answers: Annotated[list[Answered], Meta(max_length=MOST_ENTRIES)] = []
    pauses: Annotated[list[Pause], Meta(max_length=MOST_ENTRIES)] = []
    rewinds: Annotated[list[Micros], Meta(max_length=MOST_ENTRIES)] = []
    dropped: Dropped | None = None
    pending: Digest = ""
    """Which calls the open question asks for."""
    answered: Digest = ""
    """Which calls were answered last."""
