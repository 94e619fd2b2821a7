"""Starts an instance within the trace of its caller: the Durable SDK hands on what OpenTelemetry has as current."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from trace_context import current_trace


@contextmanager
def handing_on_the_trace() -> Iterator[None]:
    """Attach the current trace for the Durable SDK, unless an OpenTelemetry of the worker's own has a span there, which
    says more. Nothing is imported where there is no trace.
    """
    trace = current_trace()
    if trace is None:
        yield
        return
    from opentelemetry import context  # noqa: PLC0415 - it comes with the Durable SDK
    from opentelemetry.trace import get_current_span  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    if get_current_span().get_span_context().is_valid:
        yield
        return
    token = context.attach(TraceContextTextMapPropagator().extract(trace.headers))
    try:
        yield
    finally:
        context.detach(token)
