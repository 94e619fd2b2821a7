"""Reading a caller's trace: what the W3C standard takes, and that everything else counts as none."""

import threading
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.project import run_python
from trace_context import (
    LONGEST_STATE,
    Trace,
    current_trace,
    in_trace,
    read_trace,
    trace_of_headers,
    trace_of_invocation,
)

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


def test_a_trace_is_taken_from_the_headers():
    trace = trace_of_headers({"traceparent": PARENT, "tracestate": "vendor=1,other=2"})
    assert trace == Trace(PARENT, "vendor=1,other=2")
    assert trace.trace_id == TRACE_ID
    assert trace.headers == {"traceparent": PARENT, "tracestate": "vendor=1,other=2"}
    assert trace_of_headers({"traceparent": PARENT}).headers == {"traceparent": PARENT}


@pytest.mark.parametrize(
    "parent",
    [
        None,
        "",
        "nothing",
        PARENT.upper(),
        PARENT[:-1],
        f"{PARENT}-more",  # in this version nothing follows
        f"{PARENT},{PARENT}",  # a header that came twice
        f"{PARENT}\n",
        "ff" + PARENT[2:],
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        PARENT.replace("4", "\u0664"),  # digits, but no ASCII ones
        7,
    ],
)
def test_an_invalid_parent_is_no_trace(parent):
    assert read_trace(parent, "vendor=1") is None


def test_a_later_version_is_read_as_far_as_this_one_goes():
    assert read_trace(f"cc{PARENT[2:]}-what-else") == Trace(PARENT)


@pytest.mark.parametrize("state", [None, "", "no pair", "a=\r\nb", "a=\u00e9", "a=" + "x" * LONGEST_STATE, 7])
def test_an_invalid_state_is_left_out(state):
    assert read_trace(PARENT, state) == Trace(PARENT)


@given(st.text(), st.text())
def test_no_text_is_an_error(parent, state):
    trace = read_trace(parent, state)
    assert trace is None or trace.headers


def test_the_workers_context_names_its_trace():
    context = SimpleNamespace(trace_context=SimpleNamespace(trace_parent=PARENT, trace_state="a=1"))
    assert trace_of_invocation(context) == Trace(PARENT, "a=1")


@pytest.mark.parametrize(
    "context",
    [
        None,
        SimpleNamespace(trace_context=None),
        SimpleNamespace(trace_context=SimpleNamespace(trace_parent="", trace_state="")),
    ],
)
def test_without_tracing_there_is_none(context):
    assert trace_of_invocation(context) is None


def test_a_trace_is_current_while_it_lasts():
    with in_trace(Trace(PARENT)):
        assert current_trace() == Trace(PARENT)
        with in_trace(None):
            assert current_trace() is None
        seen = []
        thread = threading.Thread(target=lambda: seen.append(current_trace()))
        thread.start()
        thread.join()
        assert seen == [None]
    assert current_trace() is None


def test_nothing_is_imported_for_it():
    ours = "import json, sys, trace_context; print(json.dumps([m for m in sys.modules if 'opentelemetry' in m]))"
    assert run_python(ours) == []
