"""What ids and hosts look like."""

from __future__ import annotations

from datetime import UTC, datetime
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

VERSION_PATTERN = r"[0-9]{1,19}"

AGENT_ID_PATTERN = rf"{ID_PATTERN}(:{VERSION_PATTERN})?"
"""What the settings and a policy call an agent by, whole: its id, or a second-generation agent's name, with or without
a version.
"""

HOST_NAME_PATTERN = r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
"""What the name of a host looks like, whole."""

PATH_PREFIX_PATTERN = r"(/(?!\.{1,2}(/|\Z))[A-Za-z0-9._~-]+)*"
"""What a gateway may put before our paths, whole: no empty segment, and none of dots."""

AGENT_PATTERN = r"[^\x00-\x20\x7f]([^\x00-\x1f\x7f]{0,254}[^\x00-\x20\x7f])?"
"""What the id or name of an agent looks like, whole. A name is looked up, and never enters a path."""

Utc = Annotated[datetime, Meta(tz=True)]
"""A moment that says in which time zone it is."""


def utc_text(moment: datetime) -> str:
    """Return the moment as callers read it: ISO 8601, UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
