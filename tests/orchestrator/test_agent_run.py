"""The orchestrator on the SDK's own executor, in virtual time."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from contracts.instance_input import continued_input
from contracts.request import RunPolicy
from contracts.wire import from_wire
from orchestrators.progress import begin
from orchestrators.steps import TIMERS_PER_GENERATION
from tests.orchestrator.scripted_foundry import (
    DEAD_WORKER,
    NO_ANSWER,
    ActivityCrashError,
    ScriptedFoundry,
    call,
    down,
    failure,
    ok,
    said,
)
from tests.orchestrator.simulation import START, Ended
from validation.start_request import parse_request
from validation.tool_answers import answer_digest

both_backends = pytest.mark.parametrize("exact", [False, True], ids=["azure-storage", "exact"])


def most_timers_of_a_generation(ended: Ended) -> int:
    return max(sum(e["EventType"] == 11 for e in h["history"]) for h in ended.histories)


LATER = "2026-11-21T11:00:00Z"
LEFT = {
    "instance_id": "i1", "operation_id": "op", "policy": {"agent_id": "asst_1", "timeout_seconds": 60},
    "options": {}, "metadata": {}, "started": "2026-11-21T10:00:00Z", "deadline": LATER, "message": {"text": "hi"},
}  # fmt: skip


@pytest.mark.parametrize(
    "forged",
    [
        {"started": "2026-11-21T10:00:00"},
        {"deadline": "2026-11-21T10:30:00"},
        {"deadline": "2020-01-01T00:00:00Z"},
        {"deadline": "9999-01-01T00:00:00Z"},
        {"run_requested_at": "2026-11-21T10:00:00"},
        {"policy": {"agent_id": "asst_1", "timeout_seconds": 10**12}},
        {"policy": {"agent_id": "asst_1", "timeout_seconds": 60, "monitor_url": "u" * 20_000}},
        {"policy": {"agent_id": "../x", "timeout_seconds": 60}},
        {"thread_id": "../x"},
        {"run_id": "a b"},
        {"step": "s" * 20_000},
        {"run_status": "s" * 20_000},
        {"question": {"error": "e" * 20_000}},
        {"status": "Weird"},
        {"past": {"stretches": [{"name": "get_run", "at": 1, "tries": []}]}},
        {"past": {"questions": [{"at": 1}] * 1000}},
        {"past": {"rewinds": [-1]}},
        {"past": {"dropped": {"at": 10**16, "took": 1}}},
        {"past": {"pending": "p" * 20_000}},
    ],
)
def test_a_forged_generation_is_an_invalid_request(forged: dict[str, Any]) -> None:
    foundry = ScriptedFoundry()
    ended = foundry.simulate().run({"progress": {**LEFT, **forged}})
    assert (ended.status, ended.custom_status["error"]["code"]) == ("Failed", "invalid_request")
    assert not foundry.simulation.calls


def test_a_generation_that_was_left_goes_on() -> None:
    assert ScriptedFoundry().simulate().run({"progress": LEFT}).status == "Completed"


def test_the_steps_in_their_order() -> None:
    foundry = ScriptedFoundry()
    ended = foundry.run()
    assert ended.status == "Completed"
    names = [c.name for c in foundry.simulation.calls]
    assert names[:2] == ["create_thread", "create_message"]
    assert set(names[2:]) == {"get_run"}, "the look that sees the end brings the answer along"
    assert ended.output["response"] == "answer of run_1"
    steps = [s["step"] for s in ended.custom_statuses if s["polls"] == 0]
    assert list(dict.fromkeys(steps)) == ["create_thread", "create_run", "get_run"]
    assert ended.custom_status["status"] == "Success"


def test_a_given_thread_is_used() -> None:
    foundry = ScriptedFoundry()
    assert foundry.run({"thread_id": "thread_x"}).output["thread_id"] == "thread_x"
    assert foundry.called("create_thread") == []


@pytest.mark.parametrize(
    ("state", "status", "says"),
    [
        ("completed", "Completed", None),
        (
            {"state": "failed", "error_code": "server_error", "error_message": "Sorry."},
            "Failed",
            "server_error: the run",
        ),
        (
            {"state": "failed"},
            "Failed",
            "failed: the run run_1 on thread thread_1 ended as failed: Foundry gave no reason",
        ),
        ("expired", "Failed", "expired: "),
        ({"state": "incomplete", "error_code": "incomplete", "error_message": "x"}, "Failed", "incomplete: "),
        ("cancelled", "Terminated", "cancelled: the Foundry run run_1 was cancelled"),
    ],
)
def test_the_outcome_table(state: Any, status: str, says: str | None) -> None:
    ended = ScriptedFoundry({0: "active", 3: state}).run()
    assert ended.status == status
    if says:
        assert says in ended.output
        assert "\n" not in ended.output


def test_an_unknown_status_keeps_polling_until_the_deadline() -> None:
    ended = ScriptedFoundry({0: {"state": "active", "raw_status": "weird"}}).run(timeout=30)
    assert ended.status == "Failed"
    assert "timeout: not done after 30 seconds, the run run_1 was 'weird'" in ended.output


@both_backends
@pytest.mark.parametrize("timeout", [1, 2, 5, 17, 60, 600])
def test_the_deadline_cancels_and_no_timer_outlives_it(exact: bool, timeout: int) -> None:
    foundry = ScriptedFoundry({0: "active"})
    ended = foundry.run(timeout=timeout, exact_timers=exact)
    assert ended.status == "Failed"
    assert "timeout" in ended.output
    cancelled_at = next(c.at for c in foundry.simulation.calls if c.name == "cancel_run")
    assert timeout - 1 <= cancelled_at <= timeout + 1.5
    for at, delay in ended.timers:
        assert delay % 1 == 0.5
        assert delay >= 1.5
        if at < timeout - 0.5:
            assert at + delay < timeout + 1.01
    assert foundry.simulation.calls[-1].name == "get_run"  # the run was seen to stop
    assert ended.custom_status["run_status"] == "cancelled"


@both_backends
def test_without_watches_a_run_of_ten_minutes_costs_at_most_64_polls_none_within_a_second(exact: bool) -> None:
    foundry = ScriptedFoundry({0: "active", 600: "completed"})
    assert foundry.run(timeout=900, exact_timers=exact).status == "Completed"
    polls = [c.at for c in foundry.simulation.calls if c.name == "get_run"]
    assert len(polls) <= 64
    assert min(b - a for a, b in pairwise(polls)) >= 1


def test_history_stays_bounded() -> None:
    ended = ScriptedFoundry({0: "active", 3000: "completed"}).run(timeout=6000)
    assert ended.status == "Completed"
    assert ended.generations > 3
    assert most_timers_of_a_generation(ended) == TIMERS_PER_GENERATION


# --- retries ---


def test_retryable_failures_are_retried_and_the_message_is_made_once() -> None:
    foundry = ScriptedFoundry(
        create_thread=[down()],
        create_message=[down(), down()],
        create_run=[down()],
        get_run=[down()],
        get_response=[down()],
    )
    ended = foundry.run()
    assert ended.status == "Completed"
    assert len(foundry.messages) == len(foundry.runs) == 1
    assert foundry.called("create_thread")[1]["repeated"] is True
    assert any(s["retrying"] == "service_unavailable" for s in ended.custom_statuses)
    assert ended.custom_status["retrying"] is None


def test_backoff_grows_to_its_cap_and_retry_after_wins() -> None:
    lost = failure("connection_failed", retryable=True)
    foundry = ScriptedFoundry(
        create_thread=[lost] * 9 + [{**lost, "failure": {**lost["failure"], "retry_after_seconds": 12.2}}]
    )
    ended = foundry.run(timeout=3600)
    delays = [delay for _, delay in ended.timers[:10]]
    assert delays[:9] == [1.5, 3.5, 6.5, 12.5, 24.5, 48.5, 60.5, 60.5, 60.5]
    assert 12.5 <= delays[9] <= 12.2 + 60.5 + 1


def test_what_many_hear_at_once_is_not_obeyed_by_all_at_once() -> None:
    def delays(instance: str, **more: Any) -> list[float]:
        foundry = ScriptedFoundry(create_thread=[down(**more)] * 5)
        return [delay for _, delay in foundry.run(timeout=3600, instance_id=instance).timers[:5]]

    for more, soonest in (({}, [1.5, 3, 6, 12, 24]), ({"retry_after_seconds": 6.0}, [6.5] * 5)):
        seen = [delays(f"i{n}", **more) for n in range(30)]
        assert seen == [delays(f"i{n}", **more) for n in range(30)], "no replay may wait otherwise"
        for n, least in enumerate(soonest):
            nth = [each[n] for each in seen]
            assert min(nth) >= least
            assert len(set(nth)) >= (2 if least < 3 else 3 if least < 6 else 5)
            assert max(nth) <= least + 61
    later = [max(delays(f"i{n}", retry_after_seconds=6.0)[k] for n in range(30)) for k in range(5)]
    assert later == sorted(later), "the part behind the hint grows"


def test_final_failures_are_not_retried() -> None:
    foundry = ScriptedFoundry(create_run=[failure("not_found", message="No assistant found with id 'asst_1'.")])
    ended = foundry.run()
    assert ended.output.endswith("failed: not_found: No assistant found with id 'asst_1'.")
    assert len(foundry.called("create_run")) == 1


def test_what_foundry_has_just_made_may_lag() -> None:
    lost = failure("not_found")
    foundry = ScriptedFoundry(get_run=[lost, lost], get_response=[lost])
    assert foundry.run().status == "Completed"
    named = failure("not_found", gone=True)
    gone = ScriptedFoundry({0: "active"}, get_run=[named] * 9, cancel_run=[named] * 9)
    ended = gone.run()
    assert "not_found" in ended.output
    assert ended.output.endswith("The run is gone: nothing is left to be stopped")
    assert [len(gone.called(name)) for name in ("get_run", "cancel_run")] == [3, 3]
    assert ended.seconds < 30


# --- refusals of a request are not the end of a run ---

REFUSALS = [
    "invalid_request",
    "unauthorized",
    "forbidden",
    "no_token",
    "not_found",
    "configuration_error",
    "foundry_error",
]


@pytest.mark.parametrize("code", [*REFUSALS, "unreadable_refusal", "worker_died", "UnsupportedApiVersionValue"])
def test_minutes_of_refused_looks_do_not_end_a_run(code: str) -> None:
    refused = failure(code, retryable=code in {"unreadable_refusal", "worker_died"})
    foundry = ScriptedFoundry({0: "active", 10: "completed"}, get_run=[refused] * 9)
    ended = foundry.run(timeout=1200)
    assert ended.status == "Completed"
    assert 270 < ended.seconds < 290
    assert any(s["retrying"] == code for s in ended.custom_statuses)
    assert not foundry.called("cancel_run")
    for_good = ScriptedFoundry({0: "active"}, get_run=[refused] * 10)
    ended = for_good.run(timeout=1200)
    assert (ended.status, ended.custom_status["error"]["code"]) == ("Failed", code)
    assert ended.custom_status["run_status"] == "cancelled", "and then the run is stopped"


@pytest.mark.parametrize("activity", ["create_thread", "create_message", "create_run", "get_run"])
def test_a_refusal_for_now_is_waited_for_until_the_deadline(activity: str) -> None:
    foundry = ScriptedFoundry(**{activity: [failure("refused_for_now", retryable=True)] * 15})
    assert foundry.run(timeout=3000).status == "Completed"
    assert len(foundry.messages) == len(foundry.runs) == 1
    assert [p["repeated"] for p in foundry.called("create_thread")][1:] == [True] * (
        len(foundry.called("create_thread")) - 1
    )


@pytest.mark.parametrize("code", ["invalid_request", "forbidden", "not_found"])
@pytest.mark.parametrize("activity", ["create_message", "create_run"])
def test_a_refusal_is_final_before_there_is_a_run(activity: str, code: str) -> None:
    foundry = ScriptedFoundry(**{activity: [failure(code)]})
    ended = foundry.run()
    assert ended.custom_status["error"]["code"] == code
    assert ended.seconds < 5


@pytest.mark.parametrize("code", ["forbidden", "unauthorized", "not_found", "no_token"])
def test_the_look_for_a_run_that_may_have_been_created_is_refused_for_a_while(code: str) -> None:
    """Its creation was asked for, and the answer got lost: from then on a refusal may be one of the look for it."""
    foundry = ScriptedFoundry()

    def lost(payload: Any, seconds: float) -> Any:
        foundry.create_run(payload, seconds)
        return failure("connection_failed", retryable=True)

    foundry.overrides["create_run"] = [lost] + [failure(code)] * 9
    assert foundry.run(timeout=1200).status == "Completed"
    assert len(foundry.runs) == 1
    assert not foundry.called("cancel_run")
    wrong = ScriptedFoundry(create_run=[failure("connection_failed", retryable=True), failure("invalid_request")])
    assert "invalid_request" in wrong.run().output
    assert len(wrong.called("create_run")) == 2


@pytest.mark.parametrize("code", ["certificate", "proxy_refused"])
@pytest.mark.parametrize("activity", ["create_thread", "create_run", "get_run", "submit_tool_outputs"])
def test_what_no_waiting_mends_is_tried_three_times(activity: str, code: str) -> None:
    states: dict[float, Any] = {0: asks("c1")} if activity == "submit_tool_outputs" else {0: "active"}
    foundry = ScriptedFoundry(states, **{activity: [failure(code, retryable=True)] * 3})
    ended = foundry.run(events=[(8, "tool_outputs_1", outputs("c1"))])
    assert ended.custom_status["error"]["code"] == code
    names = [name for name, _ in foundry.acted]
    before_the_end = names[: names.index("cancel_run")] if "cancel_run" in names else names
    assert before_the_end.count(activity) == 3


@pytest.mark.parametrize(
    "refusals",
    [
        ["forbidden", "not_found"],
        ["forbidden", "service_unavailable"],
        ["invalid_request", "unauthorized", "unreadable_refusal"],
        ["certificate", "connection_failed"],
    ],
)
def test_refusals_in_turn_end_by_the_deadline(refusals: list[str]) -> None:
    """Each kind begins its own count, so that none of them is ever final."""
    many = [failure(code, retryable=code == "service_unavailable") for code in refusals] * 200
    foundry = ScriptedFoundry({0: "active"}, get_run=many, cancel_run=many)
    ended = foundry.run(timeout=900)
    assert ended.status == "Failed"
    assert 900 <= ended.seconds <= 900 + 65
    assert any(s["retrying"] for s in ended.custom_statuses)


@pytest.mark.parametrize(
    "code", [*REFUSALS, "refused_for_now", "certificate", "activity_failed", "too_many_tool_calls"]
)
@pytest.mark.parametrize("activity", ["cancel_run", "get_run"])
def test_a_cancel_is_repeated_for_all_the_time_that_stopping_has(activity: str, code: str) -> None:
    foundry = ScriptedFoundry({0: "active"})
    foundry.overrides[activity] = [] if activity == "get_run" else [failure(code)] * 12

    def refused_from_then_on(payload: Any, seconds: float) -> Any:
        foundry.overrides["get_run"] = [failure(code)] * 12 if activity == "get_run" else []
        return foundry.cancel_run(payload, seconds)

    if activity == "get_run":
        foundry.overrides["cancel_run"] = [refused_from_then_on]
    ended = foundry.run(timeout=3600, events=[(5, "cancel")])
    assert ended.output == "cancelled on request; the Foundry run run_1 was cancelled"
    for_good = ScriptedFoundry({0: "active"}, cancel_run=[failure(code)] * 999)
    ended = for_good.run(timeout=3600, events=[(5, "cancel")])
    assert f"may still be active: {code}" in ended.output
    assert 899 <= ended.seconds - 5 <= 901
    given_up = ScriptedFoundry({0: "active"}, cancel_run=[failure(code)] * 999)
    ended = given_up.run(timeout=30)
    assert "The run could not be stopped" in ended.custom_status["error"]["message"]
    assert 88 <= ended.seconds <= 92


def test_a_404_that_names_the_run_and_one_that_does_not_are_counted_apart() -> None:
    foundry = ScriptedFoundry(get_run=[failure("not_found")] * 5 + [failure("not_found", gone=True)] * 2)
    assert foundry.run(timeout=1200).status == "Completed"
    assert not foundry.called("cancel_run")


def test_a_cancel_of_a_run_that_is_gone_says_so() -> None:
    foundry = ScriptedFoundry({0: "active"}, cancel_run=[failure("not_found", gone=True)] * 9)
    ended = foundry.run(events=[(5, "cancel")])
    assert ended.output == "cancelled on request; the Foundry run is gone: nothing is left to be stopped"
    assert len(foundry.called("cancel_run")) == 3
    assert ended.seconds < 20


@pytest.mark.parametrize("code", ["unauthorized", "forbidden", "no_token"])
def test_the_answer_of_a_completed_run_is_not_lost_to_a_refused_token(code: str) -> None:
    foundry = ScriptedFoundry(get_response=[failure(code)] * 3)
    assert foundry.run().output["response"] == "answer of run_1"
    for_good = ScriptedFoundry(get_response=[failure(code)] * 99)
    assert for_good.run(timeout=7200).custom_status["error"]["code"] == code
    assert len(for_good.called("get_response")) == 10
    before = ScriptedFoundry(create_message=[failure(code)])
    assert before.run().status == "Failed"


def test_a_dead_worker_is_retried_but_a_bug_is_not() -> None:
    foundry = ScriptedFoundry(create_run=[ActivityCrashError(DEAD_WORKER)])
    assert foundry.run().status == "Completed"
    boom = ActivityCrashError("Activity function 'get_run' failed:  ValueError: boom \n {\"$type\": ...")
    foundry = ScriptedFoundry({0: "active"}, get_run=[boom])
    ended = foundry.run()
    assert ended.status == "Failed"
    assert ended.output.endswith("activity_failed: Activity function 'get_run' failed: ValueError")
    assert ended.custom_status["error"]["message"].endswith("ValueError: boom")
    assert foundry.called("cancel_run"), "the run must not be left active"
    always = ScriptedFoundry(create_run=[ActivityCrashError(DEAD_WORKER)] * 99)
    assert "worker_died" in always.run().output
    assert len(always.called("create_run")) == 8


def test_an_outage_longer_than_the_deadline_is_a_timeout_that_names_it() -> None:
    ended = ScriptedFoundry(create_message=[down(message="503 from Foundry")] * 99).run(timeout=60)
    assert (
        "timeout: not done after 60 seconds, at step create_message; last error: service_unavailable: 503"
        in ended.output
    )


@both_backends
def test_what_would_come_after_the_deadline_is_not_begun(exact: bool) -> None:
    """Told to wait for a day with five seconds left, it waits those five, and neither posts nor starts anything."""
    hint = down(retry_after_seconds=86400)
    posts = ScriptedFoundry(create_message=[hint])
    ended = posts.run(timeout=5, exact_timers=exact)
    assert (ended.status, ended.custom_status["error"]["code"]) == ("Failed", "timeout")
    assert not posts.messages
    assert not posts.runs
    runs = ScriptedFoundry(create_run=[hint])
    assert runs.run(timeout=5, exact_timers=exact).status == "Failed"
    assert not runs.runs
    assert [payload["run_id"] for payload in runs.called("cancel_run")] == [None], "one may exist all the same"


@pytest.mark.parametrize(
    ("seconds", "calls"),
    [(70, ["create_thread"]), (40, ["create_thread", "create_message"]), (25, ["create_thread", "create_message"])],
)
def test_a_step_that_outlasts_the_deadline_is_the_last_that_creates(seconds: float, calls: list[str]) -> None:
    foundry = ScriptedFoundry({0: "active"})
    ended = foundry.run(timeout=30, activity_seconds=seconds)
    assert ended.custom_status["error"]["code"] == "timeout"
    made = [c.name for c in foundry.simulation.calls if c.name.startswith("create")]
    assert made == calls[: len(made)]
    assert all(c.at < 30 for c in foundry.simulation.calls if c.name.startswith("create"))


def test_while_it_ends_a_timer_that_the_deadline_cut_leaves_one_last_try() -> None:
    foundry = ScriptedFoundry({0: "active"}, cancel_run=[down(retry_after_seconds=86400)])
    foundry.run(timeout=20)
    assert len(foundry.called("cancel_run")) == 2


def test_a_long_outage_renews_the_history_and_goes_on_counting() -> None:
    foundry = ScriptedFoundry(create_message=[failure("connection_failed", retryable=True)] * 50)
    ended = foundry.run(timeout=7200)
    assert ended.status == "Completed"
    assert ended.generations >= 3
    assert [d for _, d in ended.timers][30] == 60.5


def test_the_answer_is_asked_for_again_where_the_list_lags() -> None:
    nothing = ok(NO_ANSWER)
    foundry = ScriptedFoundry(get_response=[nothing, nothing])
    assert foundry.run().output["response"] == "answer of run_1"
    never = ScriptedFoundry(get_response=[nothing] * 9).run()
    assert never.output["response"] == ""
    assert never.output["message_id"] is None


@pytest.mark.parametrize(
    "half",
    [
        {"id": "msg_a", "text": ""},
        {"id": "msg_a", "text": "The sky is", "incomplete": "in_progress"},
    ],
)
def test_a_message_that_is_not_all_there_yet_is_asked_for_again(half: dict[str, Any]) -> None:
    listed = ok({"messages": [half]})
    foundry = ScriptedFoundry(get_response=[listed, listed])
    foundry.list_lags = True
    assert foundry.run().output["response"] == "answer of run_1"
    output = ScriptedFoundry(get_response=[listed] * 9).run().output
    assert (output["response"], output["incomplete"]) == (half["text"], half.get("incomplete", ""))


def test_what_is_cut_short_for_good_is_told_and_not_waited_for() -> None:
    foundry = ScriptedFoundry(
        get_response=[ok({"messages": [{"id": "m", "text": "", "incomplete": "content_filter"}]})]
    )
    output = foundry.run().output
    assert (output["status"], output["response"], output["incomplete"]) == ("Success", "", "content_filter")
    assert len(foundry.called("get_response")) == 1


def test_a_look_that_finds_no_answer_yet_counts_as_the_first_question() -> None:
    foundry = ScriptedFoundry()
    foundry.list_lags = True
    ended = foundry.run()
    assert ended.output["response"] == "answer of run_1"
    assert [delay for _, delay in ended.timers][-1] == 1.5
    assert len(foundry.called("get_response")) == 1


def test_a_look_that_could_not_fetch_the_answer_is_followed_by_a_question_at_once() -> None:
    foundry = ScriptedFoundry(get_response=[None])
    ended = foundry.run()
    calls = [c for c in foundry.simulation.calls if c.name in {"get_run", "get_response"}][-2:]
    assert [c.name for c in calls] == ["get_run", "get_response"]
    assert calls[1].at - calls[0].at == pytest.approx(0.1)
    assert ended.output["response"] == "answer of run_1"


# --- cancel ---


@both_backends
@pytest.mark.parametrize("tenth", [*range(20), *range(20, 200, 13), *range(300, 1000, 37)])
def test_a_cancel_at_any_moment_ends_terminated_and_stops_the_run(exact: bool, tenth: int) -> None:
    foundry = ScriptedFoundry({0: "active"})
    ended = foundry.run(timeout=600, exact_timers=exact, events=[(tenth / 10, "cancel")])
    assert ended.status == "Terminated", ended
    assert ended.output.startswith("cancelled on request")
    assert ended.seconds < tenth / 10 + 8
    if foundry.runs:
        assert foundry.called("cancel_run")
        assert ended.custom_status["run_status"] == "cancelled"
        assert any(s["status"] == "Cancelling" for s in ended.custom_statuses)
    assert foundry.simulation.calls[-1].name == "terminate_instance"


def test_nothing_but_waiting_follows_a_termination_that_is_on_its_way() -> None:
    foundry = ScriptedFoundry({0: "cancelled"})
    ended = foundry.run(termination_lags=True)
    assert ended.status == "Terminated"
    assert [c.name for c in foundry.simulation.calls].count("terminate_instance") == 1
    completed = [e for e in ended.histories[-1]["history"] if e["EventType"] == 5]
    assert len(completed) == len(foundry.simulation.calls), "the orchestrator saw the result of the termination"


def test_cancel_twice_and_cancel_before_the_thread_exists() -> None:
    foundry = ScriptedFoundry({0: "active"})
    assert foundry.run(events=[(5, "cancel"), (5.05, "cancel"), (7, "cancel")]).status == "Terminated"
    early = ScriptedFoundry()
    ended = early.run(events=[(0.01, "cancel")])
    assert ended.output == "cancelled on request, before a Foundry run was started"
    assert not early.runs
    assert not early.messages


def test_a_run_that_completes_while_being_cancelled_counts_as_completed() -> None:
    foundry = ScriptedFoundry({0: "active", 6: "completed"}, cancel_run=[ok({"run": None})])
    foundry.cancel_run = lambda p, s: ok({"run": foundry._snapshot(foundry.runs[0], s, "thread_1")})  # type: ignore[method-assign]
    foundry.overrides = {}
    ended = foundry.run(events=[(5, "cancel")])
    assert ended.status == "Completed"
    assert ended.output["response"] == "answer of run_1"


def test_a_run_stuck_in_cancelling_is_waited_for_and_said_so() -> None:
    foundry = ScriptedFoundry({0: "active"})
    foundry.cancel_takes = 10**6
    ended = foundry.run(timeout=120, events=[(5, "cancel")])
    assert ended.status == "Terminated"
    assert ended.output == "cancelled on request; the Foundry run run_1 is still 'cancelling'"
    assert 60 <= ended.seconds <= 125
    expired = ScriptedFoundry({0: "active", 100: "expired"})
    expired.cancel_takes = 10**6
    ended = expired.run(timeout=3600, events=[(5, "cancel")])
    assert ended.output == "cancelled on request; the Foundry run run_1 did not stop, and has expired"


def test_a_cancel_while_the_answer_to_create_run_is_lost_finds_the_run() -> None:
    foundry = ScriptedFoundry({0: "active"})

    def lost(payload: Any, seconds: float) -> Any:
        foundry.create_run(payload, seconds)
        return down()

    foundry.overrides["create_run"] = [lost, *[down()] * 50]
    ended = foundry.run(events=[(4, "cancel")])
    assert ended.status == "Terminated"
    assert foundry.called("cancel_run")[0]["run_id"] is None
    assert "run_1 was cancelled" in ended.output


def test_a_termination_that_fails_is_tried_again_and_nothing_follows_it() -> None:
    foundry = ScriptedFoundry({0: "cancelled"}, terminate_instance=[ActivityCrashError(DEAD_WORKER)] * 2)
    assert foundry.run().status == "Terminated"
    stuck = ScriptedFoundry({0: "cancelled"})
    stuck.terminate_instance = lambda p, s: ok(None)  # type: ignore[method-assign]
    ended = stuck.run()
    assert ended.status == "Stuck", "after the termination it only waits for an event that never comes"
    assert stuck.simulation.calls[-1].name == "terminate_instance"


@pytest.mark.parametrize("by_itself", [False, True])
def test_an_answer_to_another_message_is_no_answer(by_itself: bool) -> None:
    """Two workers looked at a free thread at once: nothing at the service keeps their messages apart."""
    other = said("theirs", of_another_message=True)
    foundry = ScriptedFoundry(get_response=[ok(other)] if by_itself else [])
    foundry._answer = lambda payload: other  # type: ignore[method-assign]
    ended = foundry.run({"thread_id": "thread_x"})
    assert ended.status == "Failed"
    assert "answer_mismatch: " in ended.output
    assert ended.custom_status["run_status"] == "completed"
    assert foundry.called("get_run")[-1]["message"]["stamp"] == foundry.messages[0]


def test_a_thread_of_our_own_needs_no_check() -> None:
    foundry = ScriptedFoundry()
    foundry.run()
    assert {payload["message"] for payload in foundry.called("get_run")} == {None}


def test_a_run_that_fails_while_it_is_being_cancelled_has_failed() -> None:
    foundry = ScriptedFoundry({0: "active", 14: "failed"})
    foundry.cancel_takes = 60
    ended = foundry.run(events=[(10, "cancel")])
    assert ended.status == "Failed"
    assert "failed: the run run_1 on thread thread_1 ended as failed" in ended.output


# --- tool calls ---


def asks(*ids: str, kind: str = "function") -> dict[str, Any]:
    return {"state": "requires_action", "pending_calls": [call(i, kind=kind) for i in ids]}


def outputs(*ids: str) -> dict[str, Any]:
    return {"tool_outputs": [{"tool_call_id": i, "output": f"out {i}"} for i in ids], "approvals": []}


@pytest.mark.parametrize("as_text", [False, True])
def test_an_answer_is_passed_on(as_text: bool) -> None:
    foundry = ScriptedFoundry({0: "active", 2: asks("c1", "c2")})
    answer: Any = outputs("c2", "c1")
    ended = foundry.run(events=[(10, "tool_outputs_1", json.dumps(answer) if as_text else answer)])
    assert ended.status == "Completed"
    assert foundry.submitted == [answer]
    shown = next(s["required_action"] for s in ended.custom_statuses if s["required_action"])
    assert shown["event"] == "tool_outputs_1"
    assert [c["id"] for c in shown["calls"]] == ["c1", "c2"]
    assert ended.custom_status["answered"] == 1
    assert ended.custom_status["required_action"] is None


def test_the_timer_that_an_answer_overtook_does_not_hold_the_end_back() -> None:
    foundry = ScriptedFoundry({0: asks("c1")})
    foundry.after_answer = {0: "completed"}
    ended = foundry.run(timeout=3000, events=[(601, "tool_outputs_1", outputs("c1"))])
    assert ended.status == "Completed"
    assert ended.seconds < 603  # the poll's timer would have fired some twenty seconds later


def test_an_answer_that_does_not_fit_is_refused_and_asked_for_under_a_fresh_name() -> None:
    foundry = ScriptedFoundry({0: "active", 2: asks("c1")})
    ended = foundry.run(
        events=[
            (8, "tool_outputs_1", outputs("c9")),
            (12, "tool_outputs_1", outputs("c1")),  # the old name answers nothing any more
            (16, "tool_outputs_2", outputs("c1")),
        ]
    )
    assert ended.status == "Completed"
    assert foundry.submitted == [outputs("c1")]
    refusal = next(s["required_action"] for s in ended.custom_statuses if (s["required_action"] or {}).get("error"))
    assert refusal["event"] == "tool_outputs_2"
    assert "missing tool call ids: c1" in refusal["error"]
    assert "unknown tool call ids: c9" in refusal["error"]


@pytest.mark.parametrize(
    "payload",
    [outputs("\ud800"), '"\ud800"', "[" * 100_000, {"tool_outputs": 10**400}],
    ids=["half-a-pair", "text-of-half-a-pair", "deep-text", "long-number"],
)
def test_an_event_that_hardly_is_json_is_refused_as_any_other(payload: Any) -> None:
    """Whoever holds the system key may raise events with whatever he likes; the run goes on."""
    foundry = ScriptedFoundry({0: asks("c1")})
    ended = foundry.run(events=[(8, "tool_outputs_1", payload), (16, "tool_outputs_2", outputs("c1"))])
    assert ended.status == "Completed"
    assert foundry.submitted == [outputs("c1")]


@pytest.mark.parametrize("times", [1, 3])
def test_an_answer_that_foundry_refuses_is_asked_for_again_with_its_words(times: int) -> None:
    refusal = failure("answer_refused", message="Foundry refused it: string too long, at most 524288")
    foundry = ScriptedFoundry({0: asks("c1", "c2")}, submit_tool_outputs=[refusal] * times)
    events = [(8 + 10 * n, f"tool_outputs_{n + 1}", outputs("c1", "c2")) for n in range(times + 1)]
    ended = foundry.run(events=events)
    assert ended.status == "Completed"
    assert foundry.submitted == [outputs("c1", "c2")]
    shown = [s["required_action"] for s in ended.custom_statuses if s["required_action"]]
    assert list(dict.fromkeys(a["event"] for a in shown)) == [f"tool_outputs_{n + 1}" for n in range(times + 1)]
    again = [a for a in shown if a["event"] != "tool_outputs_1"]
    assert {a["error"] for a in again} == {refusal["failure"]["message"]}
    assert {len(a["calls"]) for a in again} == {2}
    assert {s["retrying"] for s in ended.custom_statuses} == {None}
    assert not foundry.called("cancel_run")


def test_very_long_words_of_a_refusal_leave_room_for_the_calls() -> None:
    refusal = failure("answer_refused", message="字" * 5000)
    foundry = ScriptedFoundry({0: asks("c1", "c2")}, submit_tool_outputs=[refusal])
    ended = foundry.run(events=[(8, "tool_outputs_1", outputs("c1", "c2"))], timeout=30)
    shown = next(s["required_action"] for s in ended.custom_statuses if (s["required_action"] or {}).get("error"))
    assert [c["id"] for c in shown["calls"]] == ["c1", "c2"]


@pytest.mark.parametrize(
    "code",
    [
        *("forbidden", "invalid_request", "not_found", "unreadable_refusal", "worker_died"),
        *("refused_for_now", "service_unavailable", "bad_response"),
    ],
)
def test_an_answer_that_cannot_be_passed_on_for_minutes_is_asked_for_again(code: str) -> None:
    refused = failure(code, message="not now", retryable=code not in {"forbidden", "invalid_request", "not_found"})
    foundry = ScriptedFoundry({0: asks("c1")}, submit_tool_outputs=[refused] * 10)
    ended = foundry.run(
        events=[(8, "tool_outputs_1", outputs("c1")), (700, "tool_outputs_2", outputs("c1"))], timeout=1200
    )
    assert ended.status == "Completed"
    assert ended.generations > 1, "a new generation goes on counting, although it looks at the run first"
    assert len(foundry.called("submit_tool_outputs")) == 11
    assert [c.at for c in foundry.simulation.calls if c.name == "submit_tool_outputs"][9] < 600
    assert any((s["required_action"] or {}).get("error") == "not now" for s in ended.custom_statuses)
    assert ended.custom_status["answered"] == 2


def test_an_answer_is_waited_out_as_long_as_the_network_is_down() -> None:
    lost = failure("connection_failed", retryable=True)
    foundry = ScriptedFoundry({0: asks("c1")}, submit_tool_outputs=[lost] * 15)
    ended = foundry.run(events=[(8, "tool_outputs_1", outputs("c1"))], timeout=3600)
    assert (ended.status, ended.custom_status["answered"]) == ("Completed", 1)


@pytest.mark.parametrize(
    "refused", [failure("refused_for_now", retryable=True), failure("connection_failed", retryable=True)]
)
def test_an_answer_that_a_run_expires_over_is_told_from_none(refused: dict[str, Any]) -> None:
    foundry = ScriptedFoundry({0: asks("c1"), 100: "expired"}, submit_tool_outputs=[refused] * 99)
    ended = foundry.run(events=[(8, "tool_outputs_1", outputs("c1"))], timeout=3600)
    error = ended.custom_status["error"]
    assert error["code"] == "expired"
    assert "An answer was given, but was not taken in time" in error["message"]
    assert "Nobody answered" not in error["message"]
    assert ended.custom_status["answered"] == 0


def test_an_answer_that_finds_the_run_expired_was_not_taken() -> None:
    foundry = ScriptedFoundry({0: asks("c1")})
    foundry.after_answer = {0: "expired"}
    ended = foundry.run(events=[(8, "tool_outputs_1", outputs("c1"))])
    assert "it waited for the answer to tool call get_weather (c1)" in ended.custom_status["error"]["message"]
    assert ended.custom_status["answered"] == 0


def test_an_answer_to_a_run_that_is_gone_ends_it() -> None:
    gone = failure("not_found", message="No run found with id 'run_1'.", gone=True)
    foundry = ScriptedFoundry({0: asks("c1")}, submit_tool_outputs=[gone] * 9, get_run=[], cancel_run=[gone] * 9)
    ended = foundry.run(events=[(4, "tool_outputs_1", outputs("c1"))])
    assert ended.status == "Failed"
    assert "not_found: No run found" in ended.output
    assert ended.seconds < 40


# --- what nobody here can answer ---


def asks_for(*types: str) -> dict[str, Any]:
    return {
        "state": "requires_action",
        "pending_calls": [call(f"id_{n}", name=name, kind="unsupported") for n, name in enumerate(types)],
    }


@both_backends
@pytest.mark.parametrize("since", [0, 2, 700])
def test_an_action_that_the_app_does_not_know_is_shown_and_ends_soon(exact: bool, since: int) -> None:
    foundry = ScriptedFoundry({0: "active", since: asks_for("computer_use_preview", "submit_consent")})
    ended = foundry.run(timeout=3600, exact_timers=exact)
    assert (ended.status, ended.custom_status["error"]["code"]) == ("Failed", "unsupported_action")
    said = ended.custom_status["error"]["message"]
    assert "'computer_use_preview', 'submit_consent'" in said
    assert "Answer them where the agent is used otherwise, update this app" in said
    assert "timeout_seconds" not in said
    shown = next(s["required_action"] for s in ended.custom_statuses if s["required_action"])
    assert [(c["kind"], c["name"]) for c in shown["calls"]] == [
        ("unsupported", "computer_use_preview"), ("unsupported", "submit_consent"),
    ]  # fmt: skip
    assert foundry.called("cancel_run")
    assert ended.custom_status["run_status"] == "cancelled"
    seen = next(c.at for c in foundry.simulation.calls if c.name in {"create_message", "get_run"} and c.at >= since)
    cancelled = next(c.at for c in foundry.simulation.calls if c.name == "cancel_run")
    assert 20 <= cancelled - seen <= 23


def test_an_action_that_goes_away_by_itself_is_no_failure() -> None:
    for then in ("active", {"state": "requires_action", "pending_calls": []}):
        foundry = ScriptedFoundry({0: asks_for("null"), 15: then, 60: asks("c1")})
        ended = foundry.run(events=[(70, "tool_outputs_2", outputs("c1"))])
        assert ended.status == "Completed"
        assert foundry.submitted == [outputs("c1")]
    again = ScriptedFoundry({0: asks_for("a"), 15: "active", 18: asks_for("a"), 36: "completed"})
    assert again.run().status == "Completed", "each is waited for by itself"
    another = ScriptedFoundry({0: asks_for("a"), 15: asks_for("a", "b"), 33: "completed"})
    assert another.run().status == "Completed"


def test_no_event_answers_calls_among_which_is_one_that_the_app_does_not_know() -> None:
    mixed = {"state": "requires_action", "pending_calls": [call("c1"), call("x1", kind="unsupported")]}
    foundry = ScriptedFoundry({0: mixed})
    events = [(5, "tool_outputs_1", outputs("c1")), (6, "tool_outputs_1", outputs("c1", "x1"))]
    ended = foundry.run(events=events)
    assert ended.custom_status["error"]["code"] == "unsupported_action"
    assert not foundry.submitted


def test_a_question_of_the_usual_kind_that_comes_back_after_one_that_is_not() -> None:
    """What was answered before may be shown once more, and is then no question."""
    mixed = {"state": "requires_action", "pending_calls": [call("c1"), call("x1", kind="unsupported")]}
    foundry = ScriptedFoundry({0: asks("c1")})
    foundry.after_answer = {0: mixed, 10: asks("c1"), 60: "completed"}
    ended = foundry.run(events=[(4, "tool_outputs_1", outputs("c1"))])
    assert ended.status == "Completed"


def test_the_same_answer_twice_never_answers_the_next_question() -> None:
    foundry = ScriptedFoundry({0: "active", 2: asks("c1")})
    foundry.after_answer = {0: "active", 1: asks("c2")}
    twice = [(8, "tool_outputs_1", outputs("c1")), (8.2, "tool_outputs_1", outputs("c1"))]
    ended = foundry.run(timeout=60, events=twice)
    assert len(foundry.submitted) == 1
    assert ended.status == "Failed"
    assert "waiting for the answer to tool call get_weather (c2)" in ended.output


def test_a_question_survives_continue_as_new() -> None:
    foundry = ScriptedFoundry({0: "active", 2: asks("c1", kind="approval")})
    answer = {"tool_outputs": [], "approvals": [{"tool_call_id": "c1", "approve": True}]}
    ended = foundry.run(timeout=3000, events=[(500, "tool_outputs_1", answer)])
    assert ended.status == "Completed"
    assert ended.generations >= 2
    assert foundry.submitted == [answer]
    assert {(s["required_action"] or {}).get("event") for s in ended.custom_statuses} == {None, "tool_outputs_1"}


def test_expiry_while_waiting_says_which_call_waited() -> None:
    ended = ScriptedFoundry({0: asks("c1"), 30: "expired"}).run()
    assert "it waited for the answer to tool call get_weather (c1)" in ended.output


def test_a_cancel_while_waiting_for_an_answer() -> None:
    ended = ScriptedFoundry({0: asks("c1")}).run(events=[(20, "cancel")])
    assert ended.status == "Terminated"


def test_a_hundred_calls_fit_into_the_custom_status() -> None:
    many = [f"call_{n:028d}" for n in range(128)]
    foundry = ScriptedFoundry({0: asks(*many)})
    ended = foundry.run(timeout=20)  # the simulation checks the size of every custom status
    shown = next(s["required_action"] for s in ended.custom_statuses if s["required_action"])
    assert shown["more"] + len(shown["calls"]) == 128


def test_answers_calls_that_lag_in_the_list_are_not_asked_again() -> None:
    foundry = ScriptedFoundry({0: asks("c1")})
    foundry.after_answer = {0: asks("c1"), 4: "completed"}
    ended = foundry.run(events=[(5, "tool_outputs_1", outputs("c1"))])
    assert ended.status == "Completed"
    assert ended.custom_status["answered"] == 1
    assert len(foundry.submitted) == 1
    assert {(s["required_action"] or {}).get("event") for s in ended.custom_statuses} == {None, "tool_outputs_1"}


@pytest.mark.parametrize(
    ("then", "status", "answered"),
    [
        ({0: "completed"}, "Completed", 1),
        ({0: "incomplete"}, "Failed", 1),
        ({0: "active", 600: "completed"}, "Completed", 1),
        ({0: asks("c2"), 600: "completed"}, "Completed", 1),
        ({0: "expired"}, "Failed", 0),  # the run ended for want of an answer
    ],
)
def test_a_generation_that_finds_the_run_gone_on_counts_the_answer_as_taken(then, status, answered) -> None:
    """Foundry took the answer but the app never learnt it, and then failed until the next generation began."""
    foundry = ScriptedFoundry({0: asks("c1")})
    foundry.after_answer = then

    def taken_unheard(payload: Any, seconds: float) -> Any:
        foundry.submit_tool_outputs(payload, seconds)
        return down()

    foundry.overrides["submit_tool_outputs"] = [taken_unheard] + [down()] * 30
    ended = foundry.run(timeout=3000, events=[(5, "tool_outputs_1", outputs("c1"))])
    assert ended.generations >= 2
    assert (ended.status, ended.custom_status["answered"]) == (status, answered)
    assert foundry.submitted == [outputs("c1")]


def test_an_answer_is_shown_as_accepted_while_foundry_does_not_take_it() -> None:
    foundry = ScriptedFoundry({0: asks("c1")}, submit_tool_outputs=[down()] * 5)
    ended = foundry.run(events=[(5, "tool_outputs_1", outputs("c1"))])
    assert ended.status == "Completed"
    accepted = [s for s in ended.custom_statuses if s["answer_taken"]]
    digest = answer_digest(json.dumps(outputs("c1")))
    assert accepted[0]["answer_taken"] == {"event": "tool_outputs_1", "digest": digest}
    assert accepted[0]["answered"] == 0
    assert all(s["required_action"] is None for s in accepted)
    assert digest != answer_digest(outputs("c2"))


@pytest.mark.parametrize("end", [{0: "active", 3: "failed"}, {0: asks("c1"), 60: "expired"}])
def test_what_a_failed_orchestration_raises_holds_no_prompt_and_no_output(end: dict[float, Any]) -> None:
    """The SDK puts all actions into the exception's text, and the host logs that."""
    foundry = ScriptedFoundry(end)
    foundry.after_answer = {0: "failed"}
    ended = foundry.run({"user_message": "PROMPT-7f3a"}, events=[(10, "tool_outputs_1", outputs("c1"))])
    assert ended.status == "Failed"
    answer, raised = foundry.simulation.answer(json.dumps(ended.histories[-1]))
    assert answer["error"] == raised
    assert {"create_message", "submit_tool_outputs"} & set(json.dumps(answer).split('"'))
    assert "PROMPT-7f3a" not in json.dumps(answer)
    assert "out c1" not in json.dumps(answer)


QUOTED = "The request 'PROMPT-7f3a' is too long"
CRASH = ActivityCrashError(f"Activity function 'get_run' failed: ValueError: {QUOTED}")


@pytest.mark.parametrize(
    ("answers", "code", "says"),
    [
        (
            {"create_message": [failure("invalid_request", message=QUOTED, summary="POST answered 400")]},
            "invalid_request",
            "POST answered 400",
        ),
        ({"states": {0: {"state": "failed", "error_code": "bad", "error_message": QUOTED}}}, "bad", "ended as failed"),
        ({"create_run": [down(message=QUOTED, summary="POST answered 503")] * 99}, "timeout", "POST answered 503"),
        ({"get_run": [CRASH]}, "activity_failed", "ValueError"),
    ],
)  # fmt: skip
def test_what_foundry_quotes_is_told_to_callers_and_kept_out_of_what_the_host_logs(
    answers: dict[str, Any], code: str, says: str
) -> None:
    ended = ScriptedFoundry(**{"states": {0: "active"}, **answers}).run(timeout=60)
    assert ended.status == "Failed"
    assert ended.output.startswith(f"Orchestrator function 'agent_run' failed: {code}: ")
    assert says in ended.output
    assert "PROMPT-7f3a" not in ended.output
    assert ended.custom_status["error"]["code"] == code
    assert QUOTED in ended.custom_status["error"]["message"]


def test_a_cancel_that_foundry_refuses_is_not_quoted_in_the_reason() -> None:
    refusal = failure("invalid_request", message=QUOTED, summary="POST answered 400")
    ended = ScriptedFoundry({0: "active"}, cancel_run=[refusal] * 99).run(events=[(5, "cancel")])
    assert ended.status == "Terminated"
    assert ended.output.endswith("may still be active: invalid_request: POST answered 400")


@pytest.mark.parametrize(
    ("payload", "begins"),
    [
        ({"reason": "not needed\nany more"}, "not needed any more (cancelled on request; the Foundry run run_1 was"),
        ('{"reason": "by the Python client"}', "by the Python client (cancelled on request; "),
        (None, "cancelled on request; "),
        ({"reason": 5}, "cancelled on request; "),
        ({"reason": "x" * 501}, "cancelled on request; "),
        ({"reason": " "}, "cancelled on request; "),
        ("no JSON", "cancelled on request; "),
        ([1], "cancelled on request; "),
    ],
)
def test_a_cancel_keeps_its_reason(payload: Any, begins: str) -> None:
    ended = ScriptedFoundry({0: "active"}).run(events=[(5, "cancel", payload)])
    assert ended.status == "Terminated"
    assert ended.output.startswith(begins)


def test_the_last_custom_status_is_final() -> None:
    for ended in (
        ScriptedFoundry(create_message=[down()] * 99).run(timeout=20),
        ScriptedFoundry(create_message=[down()] * 99).run(events=[(5, "cancel")]),
        ScriptedFoundry({0: "active"}).run(events=[(5, "cancel")]),
        ScriptedFoundry(create_run=[down()]).run(),
    ):
        assert ended.custom_status["retrying"] is None
        assert ended.custom_status["status"] in {"Failed", "Cancelled", "Success"}
        assert ended.custom_status["step"] in {"create_message", "cancel_run", "done"}


def test_an_unknown_field_is_named_to_the_caller_only() -> None:
    foundry = ScriptedFoundry()
    ended = foundry.run({"PROMPT-7f3a": 1, "thread_id": "no id"})
    assert ended.output.endswith("invalid_request: thread_id does not fit; unknown fields: 1")
    assert "PROMPT-7f3a: is not a field" in ended.custom_status["error"]["message"]


# --- quota ---

LIMITED = {
    "state": "failed",
    "error_code": "rate_limit_exceeded",
    "error_message": "Rate limit is exceeded. Try again in 20 seconds.",
    "rate_limited": True,
    "retry_after_seconds": 20,
}


def test_a_run_without_quota_is_repeated_on_the_same_thread_without_a_second_message() -> None:
    foundry = ScriptedFoundry()

    def limited(payload: Any, seconds: float) -> Any:
        foundry.states = limited_twice.pop(0)
        return foundry.create_run(payload, seconds)

    limited_twice: list[Any] = [{0: "active", 2: LIMITED}, {0: "active", 2: LIMITED}, {0: "active", 2: "completed"}]
    foundry.overrides["create_run"] = [limited] * 3
    ended = foundry.run()
    assert ended.status == "Completed"
    assert len(foundry.messages) == 1
    assert [r["id"] for r in foundry.runs] == ["run_1", "run_2", "run_3"]
    assert ended.output["run_id"] == "run_3"
    assert foundry.runs[1]["at"] - foundry.runs[0]["at"] >= 20
    assert len({r["stamp"]["operation_id"] for r in foundry.runs}) == 3


def test_quota_retries_end() -> None:
    foundry = ScriptedFoundry({0: "active", 2: LIMITED})
    ended = foundry.run(policy={"rate_limit_retries": 2})
    assert len(foundry.runs) == 3
    assert "rate_limit_exceeded" in ended.output
    assert "tokens-per-minute" in ended.output
    none = ScriptedFoundry({0: "active", 2: LIMITED})
    none.run(policy={"rate_limit_retries": 0})
    assert len(none.runs) == 1


def test_a_hint_beyond_the_deadline_is_not_waited_for() -> None:
    foundry = ScriptedFoundry({0: "active", 2: {**LIMITED, "retry_after_seconds": 86400}})
    ended = foundry.run()
    assert ended.seconds < 10
    assert "rate_limit_exceeded" in ended.output


# --- busy threads ---


def busy(**more: Any) -> dict[str, Any]:
    return failure("thread_busy", message="a run run_other is active", active_run_id="run_other", **more)


def test_a_busy_thread_is_waited_for_or_not() -> None:
    foundry = ScriptedFoundry(create_message=[busy()] * 5, create_run=[busy()] * 3)
    assert foundry.run({"thread_id": "thread_x"}).status == "Completed"
    impatient = ScriptedFoundry(create_message=[busy()])
    ended = impatient.run({"thread_id": "thread_x", "if_thread_busy": "fail"})
    assert "thread_busy: a run run_other is active" in ended.output


def in_line(position: int, owner: str = "i-other") -> dict[str, Any]:
    return failure("thread_busy", message=f"instance {owner} uses it", waiting_instance=owner, position=position)


def test_a_place_in_the_line_is_waited_out_and_shown() -> None:
    foundry = ScriptedFoundry(create_message=[in_line(3), in_line(2), in_line(1)])
    ended = foundry.run({"thread_id": "thread_x"})
    assert ended.status == "Completed"
    shown = [s["waiting_for"] for s in ended.custom_statuses if s["waiting_for"]]
    assert shown == [{"instance": "i-other", "position": n} for n in (3, 2, 1)]
    assert ended.custom_status["waiting_for"] is None
    assert [delay for _, delay in ended.timers[:3]] == [3.5, 2.5, 1.5]


def test_a_thread_that_is_owned_is_waited_for_however_long_it_takes() -> None:
    foundry = ScriptedFoundry()

    def act(payload: Any, seconds: float) -> Any:
        return in_line(9) if seconds < 500 else foundry.create_message(payload, seconds)

    foundry.overrides["create_message"] = [act] * 999
    ended = foundry.run({"thread_id": "thread_x"}, timeout=3000)
    assert ended.status == "Completed"
    assert ended.seconds > 500
    assert max(delay for _, delay in ended.timers) == 6.5


def test_who_stands_far_back_asks_more_rarely_up_to_a_bound() -> None:
    def delay(position: int) -> Any:
        return ScriptedFoundry(create_message=[in_line(position)]).run({"thread_id": "thread_x"}).timers[0][1]

    assert [delay(n) for n in (1, 4, 5, 6, 26, 80)] == [1.5, 4.5, 4.5, 5.5, 15.5, 15.5]


def test_who_does_not_want_to_wait_fails_with_the_owner() -> None:
    ended = ScriptedFoundry(create_message=[in_line(1)]).run({"thread_id": "thread_x", "if_thread_busy": "fail"})
    assert ended.custom_status["error"] == {"code": "thread_busy", "message": "instance i-other uses it"}
    assert ended.custom_status["waiting_for"] is None


def test_who_replaces_goes_on_naming_the_first_owner_that_it_met() -> None:
    foundry = ScriptedFoundry(create_message=[in_line(1, "i-first"), in_line(1, "i-second")])
    assert foundry.run({"thread_id": "thread_x", "if_thread_busy": "replace"}).status == "Completed"
    assert [m["turn"] for m in foundry.called("create_message")] == [
        {"if_busy": "replace", "replaces": None},
        {"if_busy": "replace", "replaces": "i-first", "stays": True},
        {"if_busy": "replace", "replaces": "i-first", "stays": True},
    ]


@pytest.mark.parametrize("message", ["hello", None])
def test_the_turn_is_taken_by_the_message_or_else_by_the_run(message: str | None) -> None:
    foundry = ScriptedFoundry()
    foundry.run({"thread_id": "thread_x", "user_message": message})
    [run] = foundry.called("create_run")
    assert run["turn"] == (None if message else {"if_busy": "wait", "replaces": None})


def test_another_run_for_lack_of_quota_needs_no_other_turn() -> None:
    limited = {"state": "failed", "error_code": "rate_limit_exceeded", "rate_limited": True, "retry_after_seconds": 2}
    foundry = ScriptedFoundry({0: limited}, get_run=[])
    ended = foundry.run({"thread_id": "thread_x", "user_message": None}, policy={"rate_limit_retries": 1})
    assert ended.status == "Failed"
    assert [run["turn"] is None for run in foundry.called("create_run")] == [False, True]


def test_a_restarted_copy_takes_a_turn_of_its_own() -> None:
    """The message stands there; the instance that owned the thread has ended."""
    foundry = ScriptedFoundry()
    given = foundry.given({"thread_id": "thread_x"})
    progress = begin(
        parse_request(given["request"]),
        from_wire(RunPolicy, given["policy"]),
        instance_id="first",
        operation_id="op",
        now=START,
    )
    progress.message, progress.owns_thread = None, True
    foundry.simulate(instance_id="copy").run(continued_input(progress))
    [run] = foundry.called("create_run")
    assert (run["runs_as"], run["turn"]) == ("copy", {"if_busy": "wait", "replaces": None})
    again = ScriptedFoundry()
    again.simulate(instance_id="first").run(continued_input(progress))
    assert again.called("create_run")[0]["turn"] is None


def test_every_activity_on_the_thread_is_told_who_stands_in_its_line() -> None:
    foundry = ScriptedFoundry({0: "active"})
    foundry.run(events=[(5, "cancel")])
    calls = [c for c in foundry.simulation.calls if c.name != "terminate_instance"]
    assert {c.payload["runs_as"] for c in calls} == {"i1"}


def test_a_store_that_is_away_is_waited_for() -> None:
    away = failure("store_unavailable", retryable=True)
    foundry = ScriptedFoundry(create_thread=[away] * 3, create_message=[away] * 5)
    ended = foundry.run()
    assert ended.status == "Completed"
    assert "store_unavailable" in {s["retrying"] for s in ended.custom_statuses}


def test_a_cancel_while_waiting_for_a_busy_thread() -> None:
    foundry = ScriptedFoundry(create_message=[busy()] * 999)
    ended = foundry.run({"thread_id": "thread_x"}, events=[(100, "cancel")])
    assert ended.status == "Terminated"
    assert ended.seconds < 102


# --- input ---


def test_a_raw_request_is_planned_by_the_settings() -> None:
    foundry = ScriptedFoundry()
    ended = foundry.simulate().run({"user_message": "hi"})
    assert ended.output["agent_id"] == "asst_default"


@pytest.mark.parametrize("given", [None, 5, "text", [1], {"user_message": 1}, {"progress": {}}, {"progress": 1}, {}])
def test_bad_input_fails_the_instance_readably(given: Any) -> None:
    ended = ScriptedFoundry().simulate().run(given)
    assert ended.status == "Failed"
    assert "invalid_request: " in ended.output


def test_two_executions_of_one_instance_id_have_different_stamps_unless_they_are_idempotent() -> None:
    stamps = []
    for policy in ({}, {}, {"request_fingerprint": "f"}, {"request_fingerprint": "f"}, {"request_fingerprint": "g"}):
        foundry = ScriptedFoundry()
        simulation = foundry.simulate()
        simulation.now = simulation.now.replace(second=len(stamps))
        request = {"user_message": "hi"}
        simulation.run({"request": request, "policy": {"agent_id": "a", "timeout_seconds": 60, **policy}})
        stamps.append(foundry.messages[0]["operation_id"])
    assert stamps[0] != stamps[1]
    assert stamps[2] == stamps[3] != stamps[4]  # the same request adopts, another one with the key never does


# --- what a message holds, and where there is none ---


def test_a_start_without_a_message_runs_what_stands_on_the_thread() -> None:
    foundry = ScriptedFoundry()
    ended = foundry.run({"thread_id": "thread_x", "user_message": None})
    assert ended.output["response"] == "answer of run_1"
    assert not foundry.called("create_message")
    assert {p["message"] for p in foundry.called("get_run")} == {None}, "no message of ours could be another's"


def test_parts_and_attachments_are_passed_on_over_generations() -> None:
    request = {
        "user_message": "What is this?",
        "content": [{"type": "image_file", "image_file": {"file_id": "assistant-1"}}],
        "attachments": [{"file_id": "assistant-2", "tools": [{"type": "file_search"}]}],
    }
    foundry = ScriptedFoundry(create_message=[failure("connection_failed", retryable=True)] * 10)
    ended = foundry.run(request, timeout=1200)
    assert ended.generations > 1
    assert ended.status == "Completed"
    for posted in foundry.called("create_message"):
        message = posted["message"]
        assert message["content"] == [{"type": "text", "text": "What is this?"}, *request["content"]]
        assert message["attachments"] == request["attachments"]
    plain = ScriptedFoundry()
    plain.run()
    assert plain.called("create_message")[0]["message"]["content"] == "hello"


def test_the_custom_status_says_from_when_on_the_message_is_on_the_thread() -> None:
    foundry = ScriptedFoundry(create_message=[down()], create_run=[down()])
    statuses = foundry.run({"thread_id": "thread_x"}).custom_statuses
    posted = list(dict.fromkeys((s["step"], s["message_posted"]) for s in statuses))
    assert posted == [
        ("create_run", False), ("create_message", False), ("create_run", True), ("get_run", True), ("done", True),
    ]  # fmt: skip
    refused = ScriptedFoundry(create_message=[failure("invalid_request")]).run()
    assert refused.custom_status["message_posted"] is False
    assert ScriptedFoundry(create_thread=[failure("forbidden")]).run().custom_status["message_posted"] is False


def test_the_output_has_all_messages_and_the_newest_one_is_the_response() -> None:
    chart = {"kind": "image_file", "id": "file_1"}
    messages = [
        {"id": "m1", "text": "A chart.", "attachments": [chart], "annotations": [{"text": "one"}]},
        {"id": "m2", "text": "", "not_understood": ["video", "video"], "attachments": [chart]},
        {"id": "m3", "text": "No.", "refusal": True, "annotations": [{"text": "three"}], "not_understood": ["video"]},
    ]
    foundry = ScriptedFoundry()
    foundry._answer = lambda payload: {"messages": messages}  # type: ignore[method-assign]
    output = foundry.run().output
    assert [(m["id"], m["text"]) for m in output["messages"]] == [("m1", "A chart."), ("m2", ""), ("m3", "No.")]
    assert (output["response"], output["message_id"], output["refusal"]) == ("No.", "m3", True)
    assert output["annotations"] == [{"text": "three"}]
    assert output["attachments"] == [chart]
    assert output["not_understood"] == ["video"]
    assert output["thread_deleted"] is False


# --- deleted threads ---

ON_SUCCESS = {"delete_thread": "on_success"}


def test_the_thread_of_a_success_is_deleted_last_of_all() -> None:
    foundry = ScriptedFoundry(delete_thread=[down()])
    ended = foundry.run(policy=ON_SUCCESS, events=[(7, "cancel")])
    assert ended.status == "Completed"
    assert ended.output["thread_deleted"] is True
    assert (foundry.deleted, foundry.called("delete_thread")[0]["instance_id"]) == (["thread_1"], "i1")
    assert foundry.simulation.calls[-1].name == "delete_thread"
    lagging = ScriptedFoundry(get_response=[ok(NO_ANSWER)] * 2)
    lagging.run(policy=ON_SUCCESS)
    names = [c.name for c in lagging.simulation.calls]
    assert names.index("delete_thread") > max(n for n, name in enumerate(names) if name == "get_response")


@pytest.mark.parametrize(
    "answers",
    [
        [failure("forbidden")] * 9,
        [down()] * 9,
        [down(retry_after_seconds=86400)] * 9,
        [failure("not_found", gone=True)] * 9,
        [ActivityCrashError(DEAD_WORKER)] * 9,
        [ActivityCrashError("Activity function 'delete_thread' failed:  ValueError: boom")] * 9,
        [failure("timeout")] * 9,
        [ok({"deleted": False})],
    ],
)
def test_a_thread_that_cannot_be_deleted_takes_nothing_from_the_answer(
    answers: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "agent_run.orchestrator")
    foundry = ScriptedFoundry(delete_thread=answers)
    ended = foundry.run(policy=ON_SUCCESS)
    assert ended.status == "Completed"
    assert (ended.output["response"], ended.output["thread_deleted"]) == ("answer of run_1", False)
    assert len(foundry.called("delete_thread")) == (1 if len(answers) == 1 else 3 if "86400" not in str(answers) else 2)
    assert ended.seconds < 75
    assert any("agent_run.thread_not_deleted" in m for m in caplog.messages) is (len(answers) > 1)
    assert ended.custom_status["retrying"] is None


@pytest.mark.parametrize(
    ("end", "events", "policy"),
    [
        ("failed", [], ON_SUCCESS),
        ("cancelled", [], ON_SUCCESS),
        ("expired", [], ON_SUCCESS),
        ("active", [(5, "cancel")], ON_SUCCESS),
        ("active", [], ON_SUCCESS),
        ("completed", [], {"delete_thread": "with_history"}),
        ("completed", [], {}),
    ],
)
def test_no_thread_is_deleted_but_of_a_success(end: str, events: list[Any], policy: dict[str, Any]) -> None:
    foundry = ScriptedFoundry({0: "active", 3: end})
    foundry.run(timeout=20, events=events, policy=policy)
    assert not foundry.called("delete_thread")


def test_a_thread_on_which_the_answer_was_another_ones_is_kept() -> None:
    foundry = ScriptedFoundry()
    foundry._answer = lambda payload: said("theirs", of_another_message=True)  # type: ignore[method-assign]
    assert foundry.run({"thread_id": "thread_x"}, policy=ON_SUCCESS).status == "Failed"
    assert not foundry.called("delete_thread")
