"""What the Durable SDK hands on of a caller's trace, asked of the SDK itself."""

import pytest
from azure.durable_functions import DurableOrchestrationClient
from opentelemetry import context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from http_api.started_in_trace import handing_on_the_trace
from trace_context import Trace, in_trace

PARENT = f"00-{'a' * 32}-{'b' * 16}-01"
OWN = f"00-{'c' * 32}-{'d' * 16}-01"


def handed_on():
    """Return what `start_new` sends as `traceparent` and `tracestate`."""
    return DurableOrchestrationClient._get_current_activity_context()


def test_the_callers_trace_is_handed_on():
    with in_trace(Trace(PARENT, "vendor=1")), handing_on_the_trace():
        assert handed_on() == (PARENT, "vendor=1")
    assert handed_on() == (None, None)


def test_without_a_trace_nothing_is():
    with handing_on_the_trace():
        assert handed_on() == (None, None)


def test_a_failed_start_leaves_nothing_behind():
    with pytest.raises(ValueError, match="refused"), in_trace(Trace(PARENT)), handing_on_the_trace():
        raise ValueError("refused")
    assert handed_on() == (None, None)


def test_a_span_of_the_workers_own_stays():
    token = context.attach(TraceContextTextMapPropagator().extract({"traceparent": OWN}))
    try:
        with in_trace(Trace(PARENT)), handing_on_the_trace():
            assert handed_on()[0] == OWN
    finally:
        context.detach(token)
