"""What the app writes to its log for operators: one line an event, its name and a JSON object (docs/operations.md).

The Python worker passes on a line's text and nothing else, so the fields are part of the text. Never a prompt, an
answer, a token or a key.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from trace_context import current_trace


def log_event(log: logging.Logger, event: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Write one event, with the trace that it belongs to; the queries in `infra/` read it by these names."""
    if "trace_id" not in fields and (trace := current_trace()) is not None:
        fields["trace_id"] = trace.trace_id
    log.log(level, "%s %s", event, msgspec.json.encode(fields).decode())
