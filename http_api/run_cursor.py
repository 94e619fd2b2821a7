"""Where a list of runs goes on: opaque to callers, of one version of this code, and of the filters that it began with.

It is no secret and opens nothing: whoever makes one up reads the same list from another place. The digest is for those
who change the filters on the way, or lose a piece of it. Pure.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Annotated

import msgspec
from msgspec import Meta

from contracts.wire import Wire, from_wire
from http_api.run_filters import RunFilters

_VERSION = 1
_DIGEST_CHARACTERS = 16
MOST_CHARACTERS = 4_000

_Token = Annotated[str, Meta(pattern=r"\A[\x21-\x7e]{0,2000}\Z")]
"""The platform's, which goes back in a header."""

_Text = Annotated[str, Meta(max_length=256)]


class Place(Wire, frozen=True, kw_only=True):
    """A place in a list of the platform: the part that `token` leads to, behind the id `after`."""

    token: _Token = ""
    after: _Text = ""


class Point(Wire, frozen=True, kw_only=True, order=True):
    """A point in the order of runs, newest first."""

    left: Annotated[int, Meta(ge=-(16**11), le=0)]
    """Milliseconds, negative: the newest run is the least. Until the year 2527 ids begin with an f."""
    instance_id: _Text


class Cursor(Wire, frozen=True, kw_only=True):
    """How far a list has been given out (`run_pages`)."""

    prefix: Annotated[str, Meta(pattern=r"\Af[0-9a-f]{0,11}\Z")]
    """How the ids begin that this app makes in the window of the list."""
    ours: Place | None
    """Where those go on; None: they are at their end."""
    top: Point | None = None
    """All runs up to this one were given out; None: none was."""
    others: Place | None = None
    """Where ids go on that others chose, if those of a stretch did not all come at once."""
    bottom: Point | None = None
    """The end of that stretch; None: that of the list."""


class BadCursorError(ValueError):
    """A cursor that is none, or of another list."""


def encoded(cursor: Cursor, filters: RunFilters) -> str:
    """Return the cursor as callers get it."""
    content = msgspec.json.encode(cursor)
    return _text(_digest(content, filters).encode() + content)


def decoded(text: str, filters: RunFilters) -> Cursor:
    """Return the cursor that a caller sends with these filters; raise `BadCursorError` where it is none of theirs."""
    try:
        if len(text) > MOST_CHARACTERS:
            raise BadCursorError
        given = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        digest, content = given[:_DIGEST_CHARACTERS], given[_DIGEST_CHARACTERS:]
        if _text(given) != text or digest != _digest(content, filters).encode():
            raise BadCursorError
        return from_wire(Cursor, msgspec.json.decode(content))
    except (UnicodeEncodeError, binascii.Error, msgspec.MsgspecError):
        raise BadCursorError from None


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def _digest(content: bytes, filters: RunFilters) -> str:
    bound = [
        _VERSION,
        sorted(filters.statuses),
        filters.agent_id,
        filters.thread_id,
        filters.created_from,
        filters.created_to,
        filters.needs_answer,
    ]
    return hashlib.sha256(msgspec.json.encode(bound) + content).hexdigest()[:_DIGEST_CHARACTERS]
