"""What an activity returns is bounded, and fit to travel, whatever Foundry says."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.bounds import MOST_ANSWER_BYTES, MOST_LOOK_BYTES, bounded_answer, bounded_run
from contracts.runs import Answer, AnswerMessage, Attachment, PendingCall, RunSnapshot, RunState
from contracts.wire import SDK_MARKERS, to_wire
from foundry.errors import ResponseTooLargeError, TooManyToolCallsError
from foundry.harmless import harmless, numbers, unix_seconds
from tests.unit.scripted import no_deadline

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


@given(st.integers(1, 128), st.text(max_size=5000), st.text(max_size=500))
def test_arguments_are_whole_or_left_out(count, arguments, name):
    shown = bounded_run(run_with(count, arguments, name))
    assert {call.arguments for call in shown.pending_calls} <= {arguments, None}


@pytest.mark.parametrize(
    ("count", "arguments", "kept"),
    [(1, 63_000, 1), (1, 64_000, 0), (60, 48_000, 1), (60, 1_500, 38), (128, 48_000, 1), (128, 300, 128)],
)
def test_as_many_arguments_are_kept_as_fit(count, arguments, kept):
    shown = bounded_run(run_with(count, arguments * "x"))
    assert sum(call.arguments is not None for call in shown.pending_calls) == kept


def test_the_longest_arguments_are_left_out_first():
    calls = [
        PendingCall(id=f"c{n}", kind="function", name="f", arguments=size * "x")
        for n, size in enumerate((9, 64_000, 99))
    ]
    shown = bounded_run(msgspec.structs.replace(RUN, pending_calls=tuple(calls)))
    assert [len(call.arguments or "") for call in shown.pending_calls] == [9, 0, 99]


@pytest.mark.parametrize(("count", "name", "kept"), [(2, 300, 300), (128, 300, 300), (128, 64, 64), (128, 5_000, 0)])
def test_names_that_have_no_room_are_left_out(count, name, kept):
    assert {len(call.name) for call in bounded_run(run_with(count, "{}", name * "n")).pending_calls} == {kept}


def test_more_calls_than_fit_are_a_clear_failure():
    with pytest.raises(TooManyToolCallsError, match="waits for 10,000 tool calls at once") as raised:
        bounded_run(run_with(10_000))
    assert not raised.value.retryable


def answer_of(*sizes: int, **fields) -> Answer:
    messages = [AnswerMessage(id=f"msg_{n}", text=size * "x") for n, size in enumerate(sizes)]
    messages[-1] = msgspec.structs.replace(messages[-1], **fields)
    return Answer(messages=messages)


def output_of(answer: Answer) -> int:
    """Return the size of what the output repeats of an answer, beside its messages."""
    attachments = [a for m in answer.messages for a in m.attachments]
    output = {"response": answer.text, "annotations": answer.newest.annotations if answer.newest else []}
    return len(json.dumps([output, *map(to_wire, answer.messages), *map(to_wire, attachments)]))


def kept(answer: Answer) -> list[int | None]:
    return [None if message.text is None else len(message.text) for message in answer.messages]


def test_an_answer_that_fits_is_left_as_it_is():
    answer = answer_of(300_000, 200_000, 200_000)
    assert bounded_answer(answer, "thread_1") == answer
    assert bounded_answer(Answer(), "thread_1") == Answer()


@pytest.mark.parametrize(
    ("sizes", "shown"),
    [
        ((300_000, 300_000, 300_000), [None, 300_000, 300_000]),
        ((300_000, 590_000, 200_000), [None, 590_000, 200_000]),
        ((10, 490_000), [10, 490_000]),
        ((10_000, 495_000), [None, 495_000]),
        ((10_000, 700_000), [None, None]),
        ((998_000,), [None]),
    ],
)
def test_older_texts_are_left_out_before_the_newest_one_stands_beside(sizes, shown):
    answer = answer_of(*sizes)
    found = bounded_answer(answer, "thread_1")
    assert kept(found) == shown
    assert found.text == answer.text
    assert output_of(found) <= MOST_ANSWER_BYTES
    assert len(json.dumps(to_wire(found))) <= MOST_ANSWER_BYTES


def test_an_answer_that_is_too_large_by_itself_is_named():
    with pytest.raises(ResponseTooLargeError, match="read message msg_1 on thread thread_1 from Foundry"):
        bounded_answer(answer_of(5, MOST_ANSWER_BYTES), "thread_1")


PICTURE = Attachment(kind="image_url", id="data:image/png;base64," + MOST_ANSWER_BYTES * "A")
QUOTES = [{"quote": MOST_ANSWER_BYTES * "x"}]


@pytest.mark.parametrize(
    ("older", "newest", "left_out"),
    [
        ({"attachments": [PICTURE]}, {}, [["attachments"], []]),
        ({"annotations": QUOTES}, {"annotations": [{"quote": "q"}]}, [["annotations"], []]),
        ({"annotations": QUOTES, "attachments": [PICTURE]}, {}, [["attachments", "annotations"], []]),
        ({}, {"attachments": [PICTURE]}, [[], ["attachments"]]),
        ({}, {"annotations": QUOTES, "attachments": [PICTURE]}, [[], ["attachments", "annotations"]]),
        ({}, {"annotations": [{"quote": 600_000 * "x"}]}, [[], ["annotations"]]),
    ],
)
def test_an_answer_is_not_lost_for_what_stands_beside_it(older, newest, left_out):
    messages = [AnswerMessage(id="msg_0", text="A chart.", **older), AnswerMessage(id="msg_1", text="Blue.", **newest)]
    found = bounded_answer(Answer(messages=messages), "thread_1")
    assert found.text == "Blue."
    assert [message.left_out for message in found.messages] == left_out
    assert output_of(found) <= MOST_ANSWER_BYTES


SIZES = st.lists(st.integers(0, 700_000), min_size=1, max_size=6)


@no_deadline
@given(SIZES, st.integers(0, 100_000), st.sampled_from(["x", "\u4e2d", '"']))
def test_whatever_is_kept_fits(sizes, annotated, letter):
    messages = [AnswerMessage(id=f"msg_{n}", text=size // 4 * letter) for n, size in enumerate(sizes)]
    messages[-1] = msgspec.structs.replace(messages[-1], annotations=[{"quote": annotated // 4 * letter}])
    answer = Answer(messages=messages)
    try:
        found = bounded_answer(answer, "thread_1")
    except ResponseTooLargeError:
        assert len(json.dumps(answer.text)) > MOST_ANSWER_BYTES - 3_000
        return
    assert found.text == answer.text
    assert output_of(found) <= MOST_ANSWER_BYTES
    assert len(json.dumps(to_wire(found))) <= MOST_ANSWER_BYTES


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
