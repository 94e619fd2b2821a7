"""How much the Durable storage provider takes at once: a start or an answer that has more is refused, before anything
is started or raised.

Which provider the app has says host.json, since the platform itself goes by it: a package has that of its provider.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.codes import ErrorCode
from contracts.wire import Wire, to_wire
from http_api.answers import ApiError

HOST_FILE = Path(__file__).resolve().parents[1] / "host.json"


@dataclass(frozen=True)
class PayloadLimit:
    """What a provider takes: its name, and bytes of one input or event."""

    provider: str
    most_bytes: int


_LIMITS = {"azureManaged": PayloadLimit("Durable Task Scheduler", 1_000_000)}
"""By `storageProvider.type`. Azure Storage keeps what is large in blobs."""


def limit_of(host: Any) -> PayloadLimit | None:
    """Return the limit of the provider that a host.json names, None where it has none."""
    match host:
        case {"extensions": {"durableTask": {"storageProvider": {"type": str(kind)}}}}:
            return _LIMITS.get(kind)
        case _:
            return None


@functools.cache
def limit_of_the_app() -> PayloadLimit | None:
    """Return the limit that holds for this app."""
    return limit_of(json.loads(HOST_FILE.read_text("utf-8-sig")))


def bytes_as_stored(value: Any) -> int:
    """Return the size of an input or event that the Durable SDK's client sends: the text of its JSON, as JSON once more
    (durable-protocol.md, rule 7).
    """
    return len(json.dumps(json.dumps(value)))


def refuse_too_large(what: str, value: Wire | dict[str, Any], *, target: str) -> None:
    """Raise a 413 that names the provider where it would not take this; `what` it is, for people."""
    limit = limit_of_the_app()
    if limit is None:
        return
    size = bytes_as_stored(value if isinstance(value, dict) else to_wire(value))
    if size > limit.most_bytes:
        message = (
            f"{what} would have {size:,} bytes as it is stored, where a character beyond ASCII takes 7 or 14, and the "
            f"{limit.provider}, which this app keeps its state in, takes {limit.most_bytes:,} at most: send less, or "
            "as a file"
        )
        raise ApiError(413, ErrorCode.TOO_LARGE, message, target=target)
