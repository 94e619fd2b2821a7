"""What ids and hosts look like."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
"""Hosts to which a token may go in plain text: this machine."""

INSTANCE_ID_PATTERN = r"(?!\.+\Z)[A-Za-z0-9_:.-]{1,100}"
"""What the id of an instance looks like, whole. The client does not escape ids (durable-protocol.md, rule 14), so one
that could change the path is unknown at once.
"""

ID_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}"
"""What an id looks like, whole. It can never change the path of a request."""

Id = Annotated[str, Meta(pattern=rf"\A{ID_PATTERN}\Z")]
Utc = Annotated[datetime, Meta(tz=True)]
"""A moment that says in which time zone it is."""
