"""Trace contexts as tracing V2 of the real host carries them (durable-protocol.md, section 10)."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import azure.durable_functions as df
import pytest

from local.functions_host.invoker import InvocationContext
from local.functions_host.loader import Function
from local.functions_host.protocol import Kind
from local.functions_host.settings import load_host_config
from local.functions_host.status import status_document
from local.functions_host.tracing import Trace, shown, trace_of
from tests.functions_host.inprocess import Hub

PARENT = f"00-{'a' * 32}-{'b' * 16}-01"
GIVEN = trace_of({"traceparent": PARENT, "tracestate": "vendor=1"})


def parent(context: df.DurableOrchestrationContext) -> Any:
    """Two generations, a timer, a child: each with an activity."""
    yield context.call_activity("look")
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=1.5))
    yield context.call_activity("look")
    if context.get_input() is None:
        yield context.call_sub_orchestrator("child")
        context.continue_as_new("again")


def child(context: df.DurableOrchestrationContext) -> Any:
    yield context.call_activity("look")
    started = next(e for e in context.histories if e.event_type == Kind.EXECUTION_STARTED)
    return getattr(started, "ParentTraceContext", None)


def run(trace: Trace | None, *, traces: bool = True) -> list[Trace | None]:
    """Return the trace that each activity saw."""

    async def to_its_end() -> list[Trace | None]:
        async with Hub({"parent": parent, "child": child}, {"look": lambda _: None}, traces=traces) as hub:
            hub.operations.start("parent", "one", "null", None, trace)
            await hub.until_ended("one")
            return hub.functions.traces

    return asyncio.run(to_its_end())


def test_every_activity_is_a_span_of_the_callers_trace() -> None:
    seen = run(GIVEN)
    assert len(seen) == 5
    assert all(t is not None and t.trace_id == "a" * 32 and t.state == "vendor=1" and t.flags == 1 for t in seen)
    assert len({t.span_id for t in seen if t} | {"b" * 16}) == 6


def test_without_a_caller_an_instance_has_a_trace_of_its_own() -> None:
    seen = run(None)
    assert len({t.trace_id for t in seen if t}) == 1
    assert {(t.flags, t.state) for t in seen if t} == {(0, None)}


def test_an_app_without_tracing_has_none() -> None:
    assert run(GIVEN, traces=False) == [None] * 5
    assert shown(None).trace_parent == ""


def test_the_history_names_it() -> None:
    async def to_its_end() -> tuple[Any, Any]:
        async with Hub({"child": child}, {"look": lambda _: None}, traces=True) as hub:
            hub.operations.start("child", "one", "null", None, GIVEN)
            row = await hub.until_ended("one")
            shown = status_document(row, history=hub.history("one"))
            return shown["historyEvents"][0]["ParentTraceContext"], shown["output"]

    named, seen_by_the_code = asyncio.run(to_its_end())
    assert named == seen_by_the_code
    assert named["TraceParent"].startswith(f"00-{'a' * 32}-")
    assert named["TraceState"] == "vendor=1"


@pytest.mark.parametrize("given", [{}, {"traceparent": "nothing"}, {"traceparent": f"00-{'0' * 32}-{'b' * 16}-01"}])
def test_what_is_no_trace_counts_as_none(given: dict[str, str]) -> None:
    one, other = trace_of(given), trace_of(given)
    assert one.trace_id != other.trace_id
    assert one.flags == 0


def test_a_function_sees_it_in_its_context(tmp_path) -> None:
    function = Function.__new__(Function)
    context = InvocationContext(function, tmp_path, GIVEN).trace_context
    assert (context.trace_parent, context.trace_state) == (PARENT, "vendor=1")


@pytest.mark.parametrize(
    ("tracing", "traces"),
    [
        ({"distributedTracingEnabled": True, "version": "V2"}, True),
        ({"distributedTracingEnabled": True, "version": "V1"}, False),
        ({"distributedTracingEnabled": False, "version": "V2"}, False),
        ({}, False),
    ],
)
def test_host_json_says_whether_it_traces(tmp_path, tracing, traces) -> None:
    durable = {"durableTask": {"tracing": tracing}}
    (tmp_path / "host.json").write_text(json.dumps({"version": "2.0", "extensions": durable}), encoding="utf-8")
    assert load_host_config(tmp_path).traces is traces
