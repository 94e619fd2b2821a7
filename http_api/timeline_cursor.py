"""What a caller of a timeline knows already, as the text that he hands back: a cursor. Pure.

Events come, those under way change, a rewind takes some back, and one that was raised long ago may be heard of late. So
a cursor holds a digest of each event as the caller knows it; beyond fifty the first ones have one digest together. It
needs no memory here. What it does not tell comes again, under the same id.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import msgspec

from http_api.timeline_events import TimelineEvent

AFTER = "after"
"""The query parameter that brings a cursor back."""

MOST_DIGESTS = 50
"""Most runs have fewer events, none more than some eighty, and a header has its limits."""

CURSOR_PATTERN = rf"([0-9]{{1,9}}\.[0-9a-f]{{12}})?(~[0-9a-f]{{12}}){{0,{MOST_DIGESTS}}}"
"""What a cursor looks like, whole: how many events come first, their digest, and those of others. It goes into headers
and queries as it is.
"""


@dataclass(frozen=True)
class News:
    """An event that is new or has changed, and the cursor of a caller who knows it and all those before."""

    event: TimelineEvent
    cursor: str


class Known:
    """What a caller knows of a timeline."""

    def __init__(self, events: Sequence[TimelineEvent], cursor: str) -> None:
        """A text that is no cursor is that of a caller who knows nothing."""
        first, *others = cursor.split("~") if re.fullmatch(CURSOR_PATTERN, cursor) else [""]
        self._events = events
        self._digests = [_digest(msgspec.json.encode(event)) for event in events]
        count, _, of_all = first.partition(".")
        self._first, self._of_first = int(count or 0), of_all
        if self._first > len(events) or _together(self._digests[: self._first]) != of_all:
            self._first, self._of_first = 0, ""
        given = set(others)
        self._others = {n: d for n, d in enumerate(self._digests) if n >= self._first and d in given}

    @property
    def cursor(self) -> str:
        """What the caller is to hand back."""
        while len(self._others) > MOST_DIGESTS and self._first in self._others:
            self._of_first = _together([self._others.pop(self._first)], self._of_first)
            self._first += 1
        first = f"{self._first}.{self._of_first}" if self._first else ""
        return "~".join([first, *islice(self._others.values(), MOST_DIGESTS)])

    def learn(self) -> Iterator[News]:
        """Tell the caller what he does not know, one after the other."""
        for n in range(self._first, len(self._events)):
            if n not in self._others:
                self._others[n] = self._digests[n]
                yield News(self._events[n], self.cursor)


def _together(digests: Iterable[str], before: str = "") -> str:
    """Return the digest of a row of digests, the first of which `before` stands for."""
    for digest in digests:
        before = _digest((before + digest).encode())
    return before


def _digest(content: bytes) -> str:
    return hashlib.blake2s(content, digest_size=6).hexdigest()
