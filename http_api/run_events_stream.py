"""A timeline as server-sent events. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from http_api.timeline_cursor import News

MEDIA_TYPE = "text/event-stream"
RETRY_MS = 1000
"""When a browser asks again."""


def wants_stream(accept: str | None) -> bool:
    """Say whether the header `Accept` names server-sent events."""
    kinds = (accept or "").split(",")
    return any(re.match(rf"\s*{MEDIA_TYPE}\s*(;|\Z)", kind, re.IGNORECASE) for kind in kinds)


def stream_body(news: Iterable[News]) -> bytes:
    """Return the body: every event with the id from which a caller goes on behind it."""
    parts = [b"retry: %d\n\n" % RETRY_MS]
    for each in news:
        data = msgspec.json.encode(each.event)
        parts.append(f"id: {each.cursor}\nevent: {each.event.kind}\ndata: ".encode() + data + b"\n\n")
    return b"".join(parts) if len(parts) > 1 else b": nothing new\n" + parts[0]
