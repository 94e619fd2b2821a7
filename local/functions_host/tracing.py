"""Trace contexts (W3C) as the extension's tracing V2 carries them: every instance has one, the caller's or its own, and
its activities see spans of it (durable-protocol.md, section 10). No telemetry is written.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator


@dataclass(frozen=True, slots=True)
class Trace:
    """A span of a trace: the id of both, flags, and the caller's `tracestate`."""

    trace_id: str
    span_id: str
    flags: int = 0
    state: str | None = None

    @property
    def parent(self) -> str:
        """As the header `traceparent` holds it."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"

    def child(self) -> Trace:
        """Return a new span below this one."""
        return replace(self, span_id=secrets.token_hex(8))


@dataclass(frozen=True, slots=True)
class TraceContext:
    """What a function finds in `context.trace_context`; empty texts where there is no trace."""

    trace_parent: str = ""
    trace_state: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


def trace_of(headers: Mapping[str, str]) -> Trace:
    """Return the trace that a request belongs to, or a new one where it names none that is valid."""
    given = {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
    span = get_current_span(TraceContextTextMapPropagator().extract(given)).get_span_context()
    if not span.is_valid:
        return Trace(secrets.token_hex(16), secrets.token_hex(8))
    state = span.trace_state.to_header() or None
    return Trace(f"{span.trace_id:032x}", f"{span.span_id:016x}", int(span.trace_flags), state)


def traced_by(parent: str, state: str | None) -> Trace:
    """Return a new span below what an instance's history names."""
    return trace_of({"traceparent": parent, **({"tracestate": state} if state else {})}).child()


def shown(trace: Trace | None) -> TraceContext:
    """Return it as functions see it."""
    return TraceContext() if trace is None else TraceContext(trace.parent, trace.state or "")
