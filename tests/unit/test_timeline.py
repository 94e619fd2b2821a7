"""What happened in a run, from histories of every kind."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from contracts.durable import ORCHESTRATOR_VERSION
from contracts.status import RunError
from contracts.wire import to_wire
from http_api.timeline_events import TimelineEvent
from http_api.timeline_history import read_history
from tests.unit.scripted import PROMPT, no_deadline
from tests.unit.timelines import HISTORIES, NOW, at, events_of, payload_of, prefixes, recorded, told

NAMES = sorted(path.stem for path in (HISTORIES / ORCHESTRATOR_VERSION).glob("*.json"))
SEVERAL = [name for name in NAMES if len(recorded(name)) > 1 and name != "unsupported-action"]
"""A question that nobody has answered has its number of the generation that asked it: one history would not tell it."""


def of_before(generation: dict[str, Any]) -> dict[str, Any]:
    """What is shown of a generation that began with an app that kept no past."""
    shown = payload_of(generation)
    del shown["input"]["progress"]["past"]
    return shown


def without_details(event: TimelineEvent) -> Any:
    """The event without what is not kept of earlier generations: all attempts, and the words of their failures."""
    tries = event.tries if event.tries is not UNSET else len(event.attempts or []) if event.kind == "step" else None
    return tries, msgspec.structs.replace(event, attempts=UNSET, tries=UNSET)


def payload(*events: dict[str, Any], status: str = "Running", **fields: Any) -> dict[str, Any]:
    """A Durable status payload whose history holds these events."""
    started = {"EventType": "ExecutionStarted", "Timestamp": at(0), "FunctionName": "agent_run"}
    return {
        "name": "agent_run",
        "instanceId": "i1",
        "runtimeStatus": status,
        "input": None,
        "customStatus": None,
        "output": None,
        "createdTime": at(0),
        "lastUpdatedTime": at(0),
        "historyEvents": [started, *events],
        **fields,
    }


def scheduled(name: str, when: float) -> dict[str, Any]:
    return {"EventType": "TaskScheduled", "Name": name, "Timestamp": at(when)}


def done(name: str, when: float, end: float, value: Any = None, failure: Any = None) -> dict[str, Any]:
    return {
        "EventType": "TaskCompleted",
        "FunctionName": name,
        "ScheduledTime": at(when),
        "Timestamp": at(end),
        "Result": {"value": value, "failure": failure},
    }


def raised(name: str, when: float, data: Any = None) -> dict[str, Any]:
    return {"EventType": "EventRaised", "Name": name, "Timestamp": at(when), "Input": json.dumps(data)}


def simply(kind: str, when: float, **fields: Any) -> dict[str, Any]:
    return {"EventType": kind, "Timestamp": at(when), **fields}


def lines_of(payload: dict[str, Any]) -> list[str]:
    return told(events_of(payload))


# --- recorded orchestrations ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        (
            "success",
            [
                "create_thread 00.0-00.1 done",
                "create_message 00.1-00.1 done",
                "create_run 00.1-00.2 done",
                "looks 01.3-03.8 done 3",
                "ended 03.8-03.8 done Success",
            ],
        ),
        (
            "retries",
            [
                "create_thread 00.0-02.3 done service_unavailable",
                "create_message 02.3-02.3 done",
                "create_run 02.3-05.8 done service_unavailable worker_died",
                "looks 06.9-09.4 done 3",
                "ended 09.4-09.4 done Success",
            ],
        ),
        (
            "busy-thread",
            [
                "create_message 00.0-02.4 done thread_busy thread_busy",
                "create_run 02.4-02.5 done",
                "looks 03.6-06.1 done 3",
                "ended 06.1-06.1 done Success",
            ],
        ),
        (
            "not-found",
            [
                "create_thread 00.0-00.1 done",
                "create_message 00.1-00.1 done",
                "create_run 00.1-00.2 failed not_found",
                "cancel_run 00.2-00.3 done",
                "ended 00.3-00.3 failed Failed not_found",
            ],
        ),
        (
            "look-refused",
            [
                "create_thread 00.0-00.1 done",
                "create_message 00.1-00.1 done",
                "create_run 00.1-00.2 done",
                "looks 01.3-12.0 done 4 forbidden forbidden forbidden",
                "ended 12.0-12.0 done Success",
            ],
        ),
        (
            "watched",
            [
                "create_thread 00.0-00.1 done",
                "create_message 00.1-00.1 done",
                "create_run 00.1-05.4 done 6",
                "looks 06.5-06.6 done 1",
                "ended 06.6-06.6 done Success",
            ],
        ),
    ],
)
def test_a_run_that_one_generation_has_ended(name: str, lines: list[str]) -> None:
    [generation] = recorded(name)
    assert lines_of(payload_of(generation)) == lines


def test_a_run_of_several_generations() -> None:
    *_, last = recorded("timeout")
    assert lines_of(payload_of(last)) == [
        "create_thread 00.0-00.1 done",
        "create_message 00.1-00.1 done",
        "create_run 00.1-00.2 done",
        "looks 01.3-19.4 done 16",
        "cancel_run 20.5-20.6 done",
        "looks 21.7-23.0 done 2",
        "ended 23.0-23.0 failed Failed timeout",
    ]


@pytest.mark.parametrize("name", SEVERAL)
def test_generations_are_told_as_one_history_would_be(name: str) -> None:
    generations = [payload_of(generation) for generation in recorded(name)]
    whole = {**generations[-1], "input": generations[0]["input"]}
    whole["historyEvents"] = [event for generation in generations for event in generation["historyEvents"]]
    told_whole = [without_details(event) for event in events_of(whole)]
    assert [without_details(event) for event in events_of(generations[-1])] == told_whole


def test_of_an_earlier_generation_the_last_failure_of_a_step_is_told_without_words() -> None:
    *_, last = recorded("conversation-rounds")
    step = next(event for event in events_of(payload_of(last)) if event.step == "submit_tool_outputs")
    assert (step.tries, step.state) == (3, "done")
    assert [attempt.error for attempt in step.attempts] == [RunError(code="may_have_happened", message=""), None]


def test_a_run_that_kept_no_past_says_as_far_as_it_is_known_what_was_dropped() -> None:
    events = events_of(of_before(recorded("timeout")[-1]))
    assert told(events) == [
        "earlier 00.0-19.3 done 15",
        "looks 19.3-19.4 done 1",
        "cancel_run 20.5-20.6 done",
        "looks 21.7-23.0 done 2",
        "ended 23.0-23.0 failed Failed timeout",
    ]
    assert (events[0].runs, events[0].questions) == (1, 0)


def test_a_past_that_does_not_fit_is_none() -> None:
    [*_, last] = recorded("timeout")
    shown = payload_of(last)
    shown["input"]["progress"]["past"] = {"stretches": [{"name": "x", "at": 1, "tries": []}]}
    assert events_of(shown) == events_of(of_before(last))


def test_an_activity_that_has_gone_on_with_the_run_is_told_as_two() -> None:
    """The message may have waited for its turn, and the clock of the worker is not that of the platform."""
    run = {"value": {"run_id": "run_1", "state": "completed", "looks": 3}, "failure": None}

    def told_with(moment: str, of_run: Any = run) -> list[str]:
        value = {"message_id": "msg_1", "run": of_run, "run_requested_at": moment}
        return lines_of(payload(done("create_message", 1, 6, value)))

    assert told_with(at(4)) == ["create_message 01.0-04.0 done", "create_run 04.0-06.0 done 3"]
    assert told_with(at(0)) == ["create_message 01.0-01.0 done", "create_run 01.0-06.0 done 3"]
    assert told_with(at(9)) == ["create_message 01.0-06.0 done", "create_run 06.0-06.0 done 3"]
    assert told_with("never") == ["create_message 01.0-06.0 done"]
    refused = {"value": None, "failure": {"code": "forbidden", "message": PROMPT, "summary": "no"}}
    assert told_with(at(4), refused)[1] == "create_run 04.0- retrying forbidden"


def test_a_cancel_interrupts_a_watch() -> None:
    [generation] = recorded("cancel-in-the-first-watch")
    shown = payload_of(generation)
    assert lines_of(shown) == [
        "create_thread 00.0-00.1 done",
        "create_message 00.1- running",
        "cancel 02.0-02.0 done",
        "cancel_run 02.0-02.1 done",
        "looks 03.2-05.1 done 2",
        "terminate_instance 05.1- running",
    ]
    shown["historyEvents"].append(simply("ExecutionTerminated", 5.3, Input="cancelled"))
    assert lines_of({**shown, "runtimeStatus": "Terminated", "output": "cancelled"})[1::4] == [
        "create_message 00.1- interrupted",
        "terminate_instance 05.1- done",
    ]
    assert (
        lines_of({**shown, "runtimeStatus": "Terminated", "output": "cancelled"})[-1]
        == "ended 05.3-05.3 done Cancelled"
    )


def test_questions_and_their_answers_over_two_generations() -> None:
    first, second = (payload_of(generation) for generation in recorded("tool-outputs"))
    assert lines_of(first)[3:] == [
        "question 00.2-04.0 done tool_outputs_1",
        "looks 01.3- running 6",
        "answer 04.0-04.0 done tool_outputs_1",
        "question 04.0- running tool_outputs_2",  # the answer did not fit
    ]
    since = [
        "submit_tool_outputs 09.0-09.1 done",
        "looks 10.2-11.5 done 2",
        "ended 11.5-11.5 done Success",
    ]
    assert lines_of(second)[3:] == [
        "question 00.2-04.0 done tool_outputs_1",
        "looks 01.3-08.8 done 7",
        "answer 04.0-04.0 done tool_outputs_1",
        "question 04.0-09.0 done tool_outputs_2",
        "answer 09.0-09.0 done tool_outputs_2",
        *since,
    ]
    before = events_of(of_before(recorded("tool-outputs")[-1]))
    assert told(before) == [
        "earlier 00.0-08.7 done 6",
        "looks 08.7-08.8 done 1",
        "question 08.7-09.0 done tool_outputs_2",
        "answer 09.0-09.0 done tool_outputs_2",
        *since,
    ]
    question = next(event for event in before if event.kind == "question")
    assert (question.calls, question.continued) == (2, True)


def test_an_answer_that_foundry_refuses_is_asked_for_again() -> None:
    first, *_ = recorded("answer-refused")
    assert lines_of(payload_of(first))[3:] == [
        "question 00.2-04.0 done tool_outputs_1",
        "looks 01.3-03.8 done 3",
        "answer 04.0-04.0 done tool_outputs_1",
        "submit_tool_outputs 04.0-04.1 failed answer_refused",
        "question 04.0- running tool_outputs_2",
        "looks 05.2- running 3",
    ]


def test_a_question_that_nobody_needs_answered_any_more_is_over() -> None:
    *_, last = recorded("unsupported-action")
    assert lines_of(payload_of(last)) == [
        "create_thread 00.0-00.1 done",
        "create_message 00.1-00.1 done",
        "create_run 00.1-00.2 done",
        "looks 01.3-23.0 done 19",
        "question 02.6-24.3 done tool_outputs_1",
        "cancel_run 23.0-23.1 done",
        "looks 24.2-25.5 done 2",
        "ended 25.5-25.5 failed Failed unsupported_action",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_an_event_keeps_its_id_and_its_beginning_while_the_history_grows_and_over_generations(name: str) -> None:
    before: dict[str, str] = {}
    for shown in prefixes(name):
        events = events_of(shown)
        now = {event.id: event.started for event in events}
        assert len(now) == len(events)
        assert before.items() <= now.items()
        before = now


@pytest.mark.parametrize("name", NAMES)
def test_events_come_in_the_order_in_which_they_began(name: str) -> None:
    for shown in prefixes(name):
        moments = [event.started for event in events_of(shown) if event.kind != "ended"]
        assert moments == sorted(moments)


# --- while it goes on -------------------------------------------------------------------------------------------------


def test_a_step_under_way_has_no_end() -> None:
    [event] = events_of(payload(scheduled("create_run", 1.5)))
    assert to_wire(event) == {
        "id": f"create_run.{int(NOW.timestamp() * 1_000_000) + 1_500_000}",
        "kind": "step",
        "step": "create_run",
        "started": "2026-11-21T10:00:01.500Z",
        "ended": None,
        "duration_seconds": None,
        "state": "running",
        "attempts": [{"started": "2026-11-21T10:00:01.500Z", "ended": None, "error": None}],
    }


def test_a_step_that_failed_is_tried_again() -> None:
    failure = {"code": "service_unavailable", "message": "down", "summary": None}
    assert lines_of(payload(done("create_run", 1, 2, failure=failure))) == [
        "create_run 01.0- retrying service_unavailable"
    ]


def test_a_failure_is_told_in_our_own_words() -> None:
    failure = {"code": "invalid_request", "message": f"Foundry: {PROMPT}", "summary": "Foundry refuses the request"}
    crash = {"EventType": "TaskFailed", "FunctionName": "create_run", "ScheduledTime": at(3), "Timestamp": at(4)}
    events = events_of(
        payload(
            done("create_run", 1, 2, failure=failure),
            {**crash, "Reason": f"Activity function 'create_run' failed: ValueError: {PROMPT}", "Details": PROMPT},
            raised("cancel", 5, {"text": PROMPT}),
            raised("tool_outputs_1", 6, {"tool_outputs": [{"output": PROMPT}]}),
            raised(PROMPT, 7),
            input={"request": {"user_message": PROMPT}},
        )
    )
    [step, *others] = events
    assert step.attempts[0].error == RunError(code="invalid_request", message="Foundry refuses the request")
    assert step.attempts[1].error.code == "activity_failed"
    assert [event.kind for event in others] == ["cancel", "answer"]
    assert PROMPT not in json.dumps([to_wire(event) for event in events])


@pytest.mark.parametrize("data", [{"reason": "enough"}, json.dumps({"reason": "enough"})])
def test_a_cancel_has_its_reason_and_counts_once(data: Any) -> None:
    assert lines_of(payload(raised("cancel", 1, data), raised("cancel", 2, data))) == ["cancel 01.0-01.0 done enough"]


def test_a_suspended_run() -> None:
    suspended, resumed = simply("ExecutionSuspended", 1, Reason=PROMPT), simply("ExecutionResumed", 3)
    assert lines_of(payload(suspended)) == ["suspended 01.0- running"]
    assert lines_of(payload(suspended, resumed)) == ["suspended 01.0-03.0 done"]


def test_a_rewind_takes_back_the_end_and_is_told_once() -> None:
    step = done("create_thread", 0, 1)
    died = "Orchestrator function 'agent_run' failed: One or more errors occurred. (x exited with code 137 (0x89))"
    dead = payload(step, simply("ExecutionCompleted", 2), status="Failed", output=died, customStatus=None)
    old = {**dead, "lastUpdatedTime": "2026-11-21T08:00:00Z"}
    assert lines_of(old)[-1] == "ended 02.0-02.0 failed Failed worker_died"
    assert lines_of(dead) == ["create_thread 00.0-01.0 done"]  # it is being brought back
    undone = simply("GenericEvent", 2, Data="Rewound: ExecutionCompleted")
    brought_back = payload(step, undone, simply("GenericEvent", 5, Data="its worker died"), scheduled("create_run", 6))
    assert lines_of(brought_back) == [
        "create_thread 00.0-01.0 done",
        "rewound 05.0-05.0 done",
        "create_run 06.0- running",
    ]


def test_an_instance_without_a_history_has_ended_when_it_was_last_written() -> None:
    gone = payload(status="Terminated", output="enough", historyEvents=None, lastUpdatedTime="2026-11-21T10:00:07Z")
    assert lines_of(gone) == ["ended 07.0-07.0 done Cancelled"]


def test_two_activities_of_one_moment_have_ids_of_their_own() -> None:
    ids = [event.id for event in events_of(payload(done("a", 1, 2), done("a", 1, 3)))]
    assert ids[1] == f"{ids[0]}.2"


def test_results_may_be_text() -> None:
    event = done("get_run", 1, 2)
    text = json.dumps({"value": {"state": "active", "looks": 7}, "failure": None})
    assert lines_of(payload({**event, "Result": text})) == ["looks 01.0- running 7"]


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([at(1), "get_run", "cancel"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["value", "failure", "x"]), inner),
    max_leaves=5,
)
strange_events = st.dictionaries(
    st.sampled_from(
        ["EventType", "Timestamp", "ScheduledTime", "Name", "FunctionName", "Result", "Reason", "Input", "Data"]
    ),
    json_like
    | st.sampled_from(["TaskCompleted", "TaskFailed", "TaskScheduled", "EventRaised", "GenericEvent", at(0), at(2)]),
)


@no_deadline
@given(events=st.lists(strange_events | json_like, max_size=8), progress=json_like)
def test_whatever_a_history_holds_it_is_read(events: Any, progress: Any) -> None:
    shown = payload(input={"progress": {"started": at(-5), "question": progress, "polls": progress}})
    read_history({**shown, "historyEvents": events})
    assert len({event.id for event in events_of({**shown, "historyEvents": events})}) >= 1
