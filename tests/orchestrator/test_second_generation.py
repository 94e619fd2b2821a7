"""`agent_run` on a service whose threads take the message along, whose answers start other runs, and whose messages
carry no stamp.
"""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any

import pytest

from tests.orchestrator.conversations import Conversations
from tests.orchestrator.scripted_foundry import DEAD_WORKER, NO_ANSWER, ActivityCrashError, call, failure, ok
from tests.orchestrator.simulation import START, Takes

LOST = failure("connection_failed", retryable=True, grace_seconds=30.0)
DEAD = ActivityCrashError(DEAD_WORKER)
NOT_SEEN = failure("service_unavailable", retryable=True)
"""A look that has failed: nothing was sent that makes anything."""
NOT_YET = failure("may_have_happened", retryable=True, retry_after_seconds=2.5)
OUTPUTS = {"tool_outputs": [{"tool_call_id": "c1", "output": "42"}], "approvals": []}


def asks(*ids: str) -> dict[str, Any]:
    return {"state": "requires_action", "pending_calls": [call(i) for i in ids]}


def test_a_new_conversation_takes_the_message_along() -> None:
    foundry = Conversations()
    ended = foundry.go()
    assert ended.status == "Completed"
    assert [c.name for c in foundry.simulation.calls][:3] == ["create_thread", "create_run", "get_run"]
    assert not foundry.called("create_message")
    assert foundry.messages == [{"content": "hello", "metadata": {}, "attachments": []}]
    assert {c.payload["generation"] for c in foundry.simulation.calls} == {"responses"}
    assert foundry.called("create_run")[0]["agent_version"] == "3"
    shown = ended.custom_statuses[-1]
    assert (shown["generation"], shown["agent_version"], shown["message_posted"]) == ("responses", "3", True)
    assert (ended.output["generation"], ended.output["agent_version"]) == ("responses", "3")


def test_a_conversation_that_is_gone_on_with_is_taken_over_before_anything_is_created() -> None:
    foundry = Conversations()
    foundry.on_thread = ["resp_old"]
    assert foundry.go({"thread_id": "conv_x"}).status == "Completed"
    assert [c.name for c in foundry.simulation.calls][:2] == ["create_message", "create_run"]
    assert foundry.called("create_run")[0]["effect"]["known_runs"] == ["resp_old"]
    assert foundry.called("get_run")[0]["message"]["message_id"] == "msg_1"


def test_a_start_without_a_message_takes_the_conversation_over_too() -> None:
    foundry = Conversations()
    foundry.on_thread = ["resp_old"]
    assert foundry.go({"user_message": None, "thread_id": "conv_x"}).status == "Completed"
    assert [p["message"] for p in foundry.called("create_message")] == [None]
    assert foundry.called("create_run")[0]["effect"]["known_runs"] == ["resp_old"]
    assert foundry.called("create_run")[0]["turn"] is None


def test_every_answer_starts_a_run_that_goes_on_in_place_of_the_one_before() -> None:
    used = {"input": 10, "output": 5, "total": 15}
    foundry = Conversations(
        {0: {**asks("c1"), "tokens": used}},
        {0: "active", 2: {**asks("c2"), "tokens": used}},
        {0: "active", 2: {"state": "completed", "tokens": {"input": 1, "cached": 1}}},
    )
    ended = foundry.go(events=[(8, "tool_outputs_1", outputs("c1")), (20, "tool_outputs_2", outputs("c2"))])
    assert ended.status == "Completed"
    assert ended.output["run_id"] == "run_3"
    assert [p["run_id"] for p in foundry.called("submit_tool_outputs")] == ["run_1", "run_2"]
    effects = [p["effect"] for p in foundry.called("submit_tool_outputs")]
    assert [e["stamp"]["operation_id"].rsplit(":", 1)[1] for e in effects] == ["answer-0-run_1", "answer-0-run_2"]
    assert [e["known_runs"] for e in effects] == [["run_1"], ["run_1", "run_2"]]
    assert [p["earlier_runs"] for p in foundry.called("submit_tool_outputs")] == [["run_1"], ["run_1", "run_2"]]
    looks = {p["run_id"]: p.get("earlier_runs") for p in foundry.called("get_run")}
    assert looks == {"run_1": None, "run_2": ["run_1"], "run_3": ["run_1", "run_2"]}
    assert ended.output["usage"] == {"input_tokens": 21, "output_tokens": 10, "total_tokens": 30, "cached_tokens": 1}


@pytest.mark.parametrize("fetched", [False, True])
def test_a_run_that_wrote_nothing_is_asked_for_its_answer_once_at_most(fetched: bool) -> None:
    foundry = Conversations(get_response=[ok(NO_ANSWER)] * 9 if fetched else [])
    foundry.list_lags = True
    ended = foundry.go()
    assert (ended.status, ended.output["response"]) == ("Completed", "")
    assert len(foundry.called("get_response")) == fetched


def outputs(*ids: str) -> dict[str, Any]:
    return {"tool_outputs": [{"tool_call_id": i, "output": "42"} for i in ids], "approvals": []}


@pytest.mark.parametrize("lost", [LOST, ActivityCrashError(DEAD_WORKER)], ids=["lost", "dead-worker"])
@pytest.mark.parametrize("activity", ["create_message", "create_run", "submit_tool_outputs"])
def test_what_is_created_is_told_until_when_it_may_show_itself(activity: str, lost: Any) -> None:
    foundry = Conversations({0: asks("c1")}, {0: "completed"}, **{activity: [lost, NOT_YET, NOT_YET]})
    ended = foundry.go({"thread_id": "conv_x"}, events=[(40, "tool_outputs_1", outputs("c1"))])
    assert ended.status == "Completed"
    calls = foundry.called(activity)
    until = [c["doubt_until"] if activity == "create_message" else c["effect"]["doubt_until"] for c in calls]
    assert until[0] is None
    assert len(set(until[1:])) == 1
    assert until[1] is not None
    assert len(until) == 4
    others = {"create_message", "create_run", "submit_tool_outputs"} - {activity}
    for other in others:
        assert all(
            (c.get("doubt_until") or c.get("effect", {}).get("doubt_until")) is None for c in foundry.called(other)
        )


@pytest.mark.parametrize("activity", ["create_message", "create_run", "submit_tool_outputs"])
def test_looks_that_fail_leave_no_doubt_and_prolong_none(activity: str) -> None:
    foundry = Conversations({0: asks("c1")}, {0: "completed"}, **{activity: [NOT_SEEN, LOST, NOT_SEEN, DEAD, NOT_YET]})
    ended = foundry.go({"thread_id": "conv_x"}, events=[(40, "tool_outputs_1", outputs("c1"))])
    assert ended.status == "Completed"
    calls = foundry.called(activity)
    until = [c["doubt_until"] if activity == "create_message" else c["effect"]["doubt_until"] for c in calls]
    assert until[:2] == [None, None]
    assert len(set(until[2:])) == 1, "or what fails or kills its worker again and again would never be sent"


def test_while_it_is_not_known_whether_something_was_created_it_is_looked_for_soon_and_until_the_deadline() -> None:
    foundry = Conversations(create_run=[LOST] + [NOT_YET] * 60)
    ended = foundry.go(timeout=100)
    assert (ended.status, ended.custom_status["error"]["code"]) == ("Failed", "timeout")
    times = [c.at for c in foundry.simulation.calls if c.name == "create_run"]
    assert max(later - sooner for sooner, later in itertools.pairwise(times)) <= 3.5
    assert foundry.called("cancel_run")[0]["run_id"] is None
    assert foundry.called("cancel_run")[0]["effect"]["doubt_until"] is not None


def test_a_message_that_no_run_will_answer_is_taken_back() -> None:
    foundry = Conversations(create_run=[failure("forbidden")])
    ended = foundry.go({"thread_id": "conv_x"})
    assert ended.status == "Failed"
    assert foundry.taken_back == ["msg_1"]
    assert ended.custom_status["message_posted"] is False, "or a repetition would find no message"


@pytest.mark.parametrize("shows", [True, False])
def test_the_first_message_of_a_conversation_is_taken_back_by_its_text(shows: bool) -> None:
    foundry = Conversations(create_run=[failure("forbidden")])
    foundry.names_first_message = False
    if not shows:
        foundry.overrides["cancel_run"] = [ok({"run": None, "message_stays": True})]
    ended = foundry.go()
    assert ended.status == "Failed"
    [wanted] = foundry.called("cancel_run")
    assert (wanted["message_id"], wanted["message"]["content"]) == (None, "hello")
    assert ended.custom_status["message_posted"] is not shows, "a repetition posts it where it is not there"


def test_a_message_that_may_have_been_posted_is_looked_for_before_the_end() -> None:
    foundry = Conversations(create_message=[LOST] * 9)
    foundry.go({"thread_id": "conv_x"}, events=[(2, "cancel")])
    [wanted] = foundry.called("cancel_run")
    assert (wanted["run_id"], wanted["message"]["content"], wanted["started"]) == (None, "hello", False)
    assert wanted["effect"]["doubt_until"] is not None


def test_a_message_that_was_surely_not_posted_is_not_looked_for() -> None:
    foundry = Conversations(create_message=[failure("thread_busy", retryable=True)] * 9)
    assert foundry.go({"thread_id": "conv_x"}, events=[(2, "cancel")]).status == "Terminated"
    assert not foundry.called("cancel_run")


def test_a_message_that_has_a_run_stays() -> None:
    foundry = Conversations({0: "active", 3: "failed"})
    ended = foundry.go({"thread_id": "conv_x"})
    assert ended.status == "Failed"
    assert not foundry.called("cancel_run")
    assert ended.custom_status["message_posted"] is True


def test_a_cancel_waits_for_the_run_that_is_being_created() -> None:
    """Else its message would be taken away from it."""

    foundry = Conversations({0: "active"})
    foundry.watches = True
    ended = foundry.go({"thread_id": "conv_x"}, events=[(1, "cancel")])
    assert foundry.taken_back == []
    assert ended.output == "cancelled on request; the Foundry run run_1 was cancelled"
    assert [
        (c.at > 3, c.payload["effect"]["doubt_until"]) for c in foundry.simulation.calls if c.name == "cancel_run"
    ] == [(True, None)]


def test_a_message_that_was_posted_while_the_cancel_came_is_taken_back() -> None:
    foundry = Conversations()
    foundry.overrides["create_message"] = [
        lambda payload, seconds: Takes(Conversations.create_message(foundry, payload, seconds), 3.0)
    ]
    ended = foundry.go({"thread_id": "conv_x"}, events=[(1, "cancel")])
    assert foundry.taken_back == ["msg_1"]
    assert not foundry.runs
    assert (ended.status, ended.custom_status["message_posted"]) == ("Terminated", False)


def test_a_cancel_does_not_wait_for_a_look() -> None:
    foundry = Conversations({0: "active"})
    foundry.watches = True
    foundry.go({"thread_id": "conv_x"}, events=[(7, "cancel")])
    assert next(c.at for c in foundry.simulation.calls if c.name == "cancel_run") < 7.5


def test_a_cancel_behind_a_lost_answer_looks_for_the_run_that_the_answer_has_started() -> None:
    foundry = Conversations({0: asks("c1")}, {0: "active"}, submit_tool_outputs=[LOST] * 9)
    foundry.go(events=[(8, "tool_outputs_1", outputs("c1")), (12, "cancel")])
    wanted = foundry.called("cancel_run")[0]
    assert (wanted["run_id"], wanted["answered"]) == ("run_1", True)
    assert wanted["effect"]["stamp"]["operation_id"].endswith(":answer-0-run_1")


POOR = {"state": "failed", "error_code": "rate_limit_exceeded", "rate_limited": True, "retry_after_seconds": 3}


@pytest.mark.parametrize("generations", [False, True], ids=["at-once", "in-a-later-generation"])
def test_an_answer_whose_run_lacks_quota_is_given_once_more(generations: bool) -> None:
    used = {"input": 10, "output": 5, "total": 15}
    foundry = Conversations(
        {0: {**asks("c1"), "tokens": used}},
        {0: {**POOR, "retry_after_seconds": 200 if generations else 3}},
        {0: "active", 2: {"state": "completed", "tokens": {"input": 1, "cached": 1}}},
    )
    ended = foundry.go(events=[(8, "tool_outputs_1", outputs("c1"))], timeout=900)
    assert ended.status == "Completed"
    assert foundry.submitted[0] == foundry.submitted[1]
    given = foundry.called("submit_tool_outputs")
    assert [p["run_id"] for p in given] == ["run_1", "run_1"]
    stamps = [p["effect"]["stamp"]["operation_id"].rsplit(":", 1)[1] for p in given]
    assert stamps == ["answer-0-run_1", "answer-1-run_1"]
    assert given[1]["effect"]["known_runs"] == ["run_1", "run_2"], "the one that has failed is none to be found"
    assert len(foundry.called("create_run")) == 1, "or the agent would go on without the answer"
    assert foundry.called("get_run")[-1]["earlier_runs"] == ["run_1"], "the one that has failed has written nothing"
    assert ended.output["usage"] == {"input_tokens": 11, "output_tokens": 5, "total_tokens": 15, "cached_tokens": 1}


def test_a_cancel_while_an_answer_waits_for_quota_looks_for_what_it_has_started() -> None:
    foundry = Conversations({0: asks("c1")}, {0: {**POOR, "retry_after_seconds": 60}})
    ended = foundry.go(events=[(8, "tool_outputs_1", outputs("c1")), (20, "cancel")])
    assert ended.status == "Terminated"
    wanted = foundry.called("cancel_run")[0]
    assert (wanted["run_id"], wanted["answered"]) == ("run_1", True)


def test_an_answer_that_is_asked_for_again_finds_what_an_earlier_one_has_started() -> None:
    """Whatever was lost, and then refused: else a second run would go on behind the same calls."""
    refused = failure("refused_for_now", retryable=True)
    foundry = Conversations({0: asks("c1")}, {0: "completed"}, submit_tool_outputs=[LOST] + [refused] * 10)
    ended = foundry.go(
        events=[(8, "tool_outputs_1", outputs("c1")), (600, "tool_outputs_2", outputs("c1"))], timeout=900
    )
    assert ended.status == "Completed"
    given = foundry.called("submit_tool_outputs")
    assert len(given) == 12
    assert {p["effect"]["stamp"]["operation_id"].rsplit(":", 1)[1] for p in given} == {"answer-0-run_1"}


def test_a_run_that_lacks_quota_is_repeated_and_is_no_candidate_for_the_next() -> None:
    foundry = Conversations({0: POOR})

    def second(payload: Any, seconds: float) -> Any:
        foundry.states = {0: "completed"}
        return foundry.create_run(payload, seconds)

    foundry.overrides["create_run"] = [None, second]
    assert foundry.go().status == "Completed"
    assert [p["effect"]["known_runs"] for p in foundry.called("create_run")] == [[], ["run_1"]]
    assert len(foundry.messages) == 1


@pytest.mark.parametrize(
    "request_",
    [
        {"thread_id": "thread_x"},
        {"run_options": {"temperature": 1}},
        {"attachments": [{"file_id": "assistant-1", "tools": [{"type": "file_search"}]}]},
    ],
)
def test_what_the_generation_does_not_take_is_refused_however_the_run_was_started(request_: dict[str, Any]) -> None:
    foundry = Conversations()
    ended = foundry.go(request_)
    assert (ended.status, ended.custom_status["error"]["code"]) == ("Failed", "invalid_request")
    assert not foundry.simulation.calls


def test_a_request_that_is_lost_once_more_begins_the_grace_anew_and_says_how_long_it_is() -> None:
    cut = failure("service_unavailable", retryable=True, grace_seconds=130.0)
    foundry = Conversations(create_run=[cut, NOT_YET, LOST, NOT_YET, LOST])
    assert foundry.go().status == "Completed"
    calls = [c for c in foundry.simulation.calls if c.name == "create_run"]
    graces = [_seconds(c.payload["effect"]["doubt_until"]) for c in calls[1:]]
    assert graces[0] == graces[1] == graces[2] == graces[3]
    assert graces[0] - calls[0].at >= 130


def test_a_grace_that_is_over_begins_again_where_the_repeated_request_is_lost_too() -> None:
    foundry = Conversations(create_run=[LOST, *[NOT_YET] * 14, LOST])
    assert foundry.go().status == "Completed"
    calls = [c for c in foundry.simulation.calls if c.name == "create_run"]
    first, last = (_seconds(c.payload["effect"]["doubt_until"]) for c in (calls[1], calls[-1]))
    assert calls[15].at > first
    assert last - calls[15].at >= 30


def test_an_answer_that_somebody_has_passed_on_unseen_is_in_doubt_for_the_grace() -> None:
    foundry = Conversations({0: asks("c1")}, {0: "completed"}, submit_tool_outputs=[NOT_YET, NOT_YET])
    assert foundry.go(events=[(8, "tool_outputs_1", outputs("c1"))]).status == "Completed"
    doubts = [p["effect"]["doubt_until"] for p in foundry.called("submit_tool_outputs")]
    assert doubts[0] is None
    assert doubts[1] == doubts[2]
    assert doubts[1] is not None


def _seconds(moment: str) -> float:
    return (datetime.fromisoformat(moment) - START).total_seconds()
