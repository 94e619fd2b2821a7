"""What an activity returns is bounded, and fit to travel, whatever Foundry says."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.bounds import MOST_ANSWER_BYTES, MOST_LOOK_BYTES, bounded_answer, bounded_run
from contracts.runs import Answer, PendingCall, RunSnapshot, RunState
from contracts.wire import SDK_MARKERS, to_wire
from foundry.errors import ResponseTooLargeError, TooManyToolCallsError
from foundry.harmless import harmless, numbers, unix_seconds

RUN = RunSnapshot(run_id="run_1", thread_id="thread_1", state=RunState.REQUIRES_ACTION, raw_status="requires_action")


def run_with(count: int, arguments: str = "{}", name: str = "f") -> RunSnapshot:
    calls = tuple(PendingCall(id=f"call_{n}", kind="function", name=name, arguments=arguments) for n in range(count))
    return msgspec.structs.replace(RUN, pending_calls=calls)


@given(st.integers(0, 128), st.text(max_size=5000), st.text(max_size=500))
def test_a_look_is_bounded_and_loses_no_call(count, arguments, name):
    run = run_with(count, arguments, name)
    shown = bounded_run(run)
    assert len(json.dumps(to_wire(shown))) <= MOST_LOOK_BYTES
    assert [c.id for c in shown.pending_calls] == [c.id for c in run.pending_calls]
    assert {c.name for c in shown.pending_calls} <= {"", name}, "whole or absent"


@pytest.mark.parametrize(
    ("count", "arguments", "kept"),
    [(1, 48_000 * "x", 1_001), (60, 48_000 * "x", 201), (128, 48_000 * "\u4e2d", 1), (3, 1_000 * "x", 1_000)],
)
def test_arguments_are_cut_as_far_as_need_be(count, arguments, kept):
    assert {len(c.arguments) for c in bounded_run(run_with(count, arguments)).pending_calls} == {kept}


def test_more_calls_than_fit_are_a_clear_failure():
    with pytest.raises(TooManyToolCallsError, match="waits for 10,000 tool calls at once") as raised:
        bounded_run(run_with(10_000))
    assert not raised.value.retryable


def test_an_answer_has_a_limit_of_its_own():
    answer = Answer(found=True, text=(MOST_ANSWER_BYTES - 1_000) * "x", message_id="msg_1")
    assert bounded_answer(answer, "thread_1") is answer
    with pytest.raises(ResponseTooLargeError, match="read message msg_1 on thread thread_1 from Foundry"):
        bounded_answer(msgspec.structs.replace(answer, text=MOST_ANSWER_BYTES * "x"), "thread_1")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(SDK_MARKERS), inner, max_size=3)
    ),
)


@given(JSON)
def test_no_marker_and_no_depth_travels(value):
    text = json.dumps(harmless(value))
    assert not any(f'"{marker}":' in text for marker in SDK_MARKERS)


def test_what_is_harmless_is_kept():
    value = {"type": "url_citation", "url_citation": {"url": "https://example.org", "n": [1, None, True]}}
    assert harmless(value) == value
    deep: object = "x"
    for _ in range(500):
        deep = [deep]
    assert json.dumps(harmless(deep)).count("[") == 33


def test_of_usage_the_numbers_are_kept():
    usage = {
        "total_tokens": 5,
        "details": {"cached_tokens": 2, "__class__": "x", "deeper": {"a": 1}},
        "__class__": {"__module__": "m", "__data__": "d"},
        "flag": True,
        "note": "x" * 100_000,
    }
    assert numbers(usage) == {"total_tokens": 5, "details": {"cached_tokens": 2}}
    assert numbers("x") is None
    assert len(json.dumps(numbers({f"k{n}" * 100: 2**60 for n in range(1000)}))) == 2
    assert len(numbers({f"k{n}": n for n in range(1000)}) or {}) == 16
    wide = {f"k{n}" * 20: {f"i{m}" * 20: 2**52 for m in range(100)} for n in range(100)}
    assert len(json.dumps(numbers(wide))) < 32_000


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(1.5, 1), (0, 0), (-1, None), (True, None), ("5", None), (1e300, None), (float("nan"), None), (2**33, None)],
)
def test_a_moment_is_one_or_nothing(value, seconds):
    assert unix_seconds(value) == seconds
