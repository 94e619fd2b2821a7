"""The question machine: its table is complete, and no sequence of events leads astray."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.runs import PendingCall, RunSnapshot, RunState
from orchestrators.question import EFFECTS, Question, Seen, Stage


def run(state: RunState, *calls: str) -> RunSnapshot:
    pending = tuple(PendingCall(id=c, kind="function", name="f") for c in calls)
    return RunSnapshot(run_id="run_1", thread_id="thread_1", state=state, raw_status=state.value, pending_calls=pending)


def asks(*calls: str) -> RunSnapshot:
    return run(RunState.REQUIRES_ACTION, *calls)


def test_the_table_has_every_stage_and_everything_that_is_seen() -> None:
    assert set(EFFECTS) == set(itertools.product(Stage, Seen))


def test_a_question_is_asked_answered_and_taken() -> None:
    question = Question()
    assert (question.stage, question.event) == (Stage.NONE, None)
    question.saw(asks("c1"))
    assert (question.stage, question.event) == (Stage.OPEN, "tool_outputs_1")
    question.accept({"tool_outputs": []})
    assert (question.stage, question.event) == (Stage.HELD, None)
    assert question.accepted is not None
    assert question.accepted.event == "tool_outputs_1"
    question.taken()
    assert (question.stage, question.answered, question.answered_calls) == (Stage.NONE, 1, ("c1",))


def test_calls_that_were_answered_are_no_new_question() -> None:
    question = Question()
    question.saw(asks("c2", "c1"))
    question.accept("x")
    question.taken()
    question.saw(asks("c1", "c2"))
    assert question.stage is Stage.NONE
    question.saw(asks("c1", "c3"))
    assert question.event == "tool_outputs_2"


def test_an_answer_that_does_not_fit_asks_again_under_a_fresh_name() -> None:
    question = Question()
    question.saw(asks("c1"))
    question.accept("nonsense")
    question.refused("no JSON")
    assert (question.event, question.error, question.answers) == ("tool_outputs_2", "no JSON", [])
    question.saw(asks("c1"))
    assert question.error == "no JSON"


@pytest.mark.parametrize(
    ("seen", "stage", "answered"),
    [
        (run(RunState.ACTIVE), Stage.NONE, 1),
        (run(RunState.COMPLETED), Stage.NONE, 1),
        (run(RunState.INCOMPLETE), Stage.NONE, 1),
        (asks("c9"), Stage.OPEN, 1),
        (asks("c1"), Stage.HELD, 0),
        (run(RunState.CANCELLING), Stage.NONE, 0),
        (run(RunState.EXPIRED), Stage.HELD, 0),
    ],
)
def test_an_answer_counts_as_taken_where_the_run_went_on(seen: RunSnapshot, stage: Stage, answered: int) -> None:
    question = Question()
    question.saw(asks("c1"))
    question.accept("x")
    question.saw(seen)
    assert (question.stage, question.answered) == (stage, answered)


def cannot_be_answered(*calls: str) -> RunSnapshot:
    pending = tuple(PendingCall(id=c, kind="unsupported", name="computer_use_preview") for c in calls)
    return msgspec.structs.replace(asks(), pending_calls=pending)


def test_a_question_that_nobody_here_can_answer_is_open_and_has_no_event() -> None:
    question = Question()
    question.saw(cannot_be_answered("u"))
    assert (question.stage, question.event, len(question.unsupported)) == (Stage.OPEN, None, 1)
    question.saw(cannot_be_answered("u"))
    assert question.number == 1
    question.saw(asks())
    assert question.stage is Stage.NONE, "the service waits for what it answers itself"
    question.saw(asks("c1"))
    assert question.event == "tool_outputs_2"


EVENTS = st.lists(
    st.sampled_from(
        [
            asks("a"),
            asks("b", "a"),
            asks(),
            cannot_be_answered("u"),
            cannot_be_answered("a", "v"),
            *(run(s) for s in RunState if s is not RunState.REQUIRES_ACTION),
        ]
    )
    | st.sampled_from(["accept", "taken", "refused"])
)


@given(EVENTS)
def test_whatever_happens_no_event_name_comes_twice(events: list[Any]) -> None:
    question, asked, before = Question(), [], None
    for event in events:
        if isinstance(event, RunSnapshot):
            question.saw(event)
        elif event == "accept" and question.event:
            question.accept("x")
        elif question.stage is Stage.HELD and event != "accept":
            question.taken() if event == "taken" else question.refused("no")
        if question.event and question.event != before:
            asked.append(question.event)
        before = question.event or before
        assert len(question.answers) <= 1
        assert question.answered <= question.number
        assert not (question.unsupported and (question.event or question.answers))
        again = msgspec.convert(msgspec.to_builtins(question), Question)
        assert again == question
    assert len(set(asked)) == len(asked)
