"""The orchestrator with activities that watch: what they see, and what a cancel makes of one that is under way."""

from __future__ import annotations

from typing import Any

import pytest

from look_schedule import WATCH_SECONDS
from orchestrators.activity_calls import STAYS_FROM
from tests.orchestrator.scripted_foundry import (
    DEAD_WORKER,
    ActivityCrashError,
    ScriptedFoundry,
    call,
    down,
    failure,
    ok,
)
from tests.orchestrator.simulation import Takes

both_backends = pytest.mark.parametrize("exact", [False, True], ids=["azure-storage", "exact"])


def watched(states: dict[float, Any], **overrides: Any) -> ScriptedFoundry:
    foundry = ScriptedFoundry(states, **overrides)
    foundry.watches = True
    return foundry


def calls_of(foundry: ScriptedFoundry, name: str) -> list[float]:
    return [c.at for c in foundry.simulation.calls if c.name == name]


def test_a_short_run_is_seen_to_its_end_by_the_activity_that_started_it() -> None:
    foundry = watched({0: "active", 2: "completed"})
    ended = foundry.run()
    assert ended.output["response"] == "answer of run_1"
    assert [c.name for c in foundry.simulation.calls] == ["create_thread", "create_message"]
    assert ended.custom_status["polls"] == len(foundry.looked_at) == 3
    assert ended.timers == []


def test_timers_lie_between_the_watches_of_a_longer_run() -> None:
    foundry = watched({0: "active", 14: "completed"})
    ended = foundry.run()
    assert ended.status == "Completed"
    assert len(foundry.called("get_run")) == len(ended.timers) == 2
    assert ended.custom_status["polls"] == len(foundry.looked_at) > 10
    assert [p["watch_from"] for p in foundry.called("get_run")] == [
        pytest.approx(6.4, abs=0.3),
        pytest.approx(12.6, abs=0.3),
    ]


def test_an_old_run_is_looked_at_once() -> None:
    foundry = watched({0: "active", 300: "completed"})
    foundry.run(timeout=900)
    looks = [p["watch_from"] for p in foundry.called("get_run")]
    assert looks[0] is not None
    assert looks[-10:] == [None] * 10


def test_a_run_that_asks_something_is_looked_at_once_and_its_answer_is_not_kept_waiting() -> None:
    asks = {"state": "requires_action", "pending_calls": [call("c1")]}
    foundry = watched({0: "active", 1: asks})
    answer = {"tool_outputs": [{"tool_call_id": "c1", "output": "42"}], "approvals": []}
    ended = foundry.run(events=[(9, "tool_outputs_1", answer)])
    assert ended.status == "Completed"
    assert {p["watch_from"] for p in foundry.called("get_run")} == {None}
    assert calls_of(foundry, "submit_tool_outputs") == [pytest.approx(9, abs=0.2)]
    assert len(foundry.called("submit_tool_outputs")) == 1  # which saw the run's end, at its third look
    assert ended.seconds == pytest.approx(12.1, abs=0.2)


@both_backends
@pytest.mark.parametrize("tenth", range(2, 110, 9))
def test_a_cancel_is_heard_at_once_while_a_watch_is_under_way(exact: bool, tenth: int) -> None:
    foundry = watched({0: "active"})
    ended = foundry.run(events=[(tenth / 10, "cancel")], exact_timers=exact)
    assert ended.status == "Terminated"
    assert calls_of(foundry, "cancel_run")[0] <= tenth / 10 + 0.3
    assert ended.custom_statuses[-2]["status"] == "Cancelling"


def test_a_cancel_in_the_first_watch_finds_the_run_by_its_stamp() -> None:
    foundry = watched({0: "active"})
    ended = foundry.run(events=[(2, "cancel")])
    assert [(p["run_id"], p["effect"]["stamp"]) for p in foundry.called("cancel_run")] == [
        (None, foundry.runs[0]["stamp"])
    ]
    assert ended.output == "cancelled on request; the Foundry run run_1 was cancelled"


def test_a_run_that_is_created_after_its_cancel_is_stopped_too() -> None:
    """The activity was still on its way when the cancel looked for the run."""
    foundry = watched({0: "active"}, cancel_run=[ok({"run": None})])
    ended = foundry.run(events=[(2, "cancel")])
    assert calls_of(foundry, "cancel_run") == [2.0, pytest.approx(WATCH_SECONDS, abs=0.3)]
    assert ended.output == "cancelled on request; the Foundry run run_1 was cancelled"


def test_a_cancel_before_a_creation_that_fails_finds_no_run() -> None:
    def slow(_payload: Any, _seconds: float) -> Any:
        return Takes(failure("forbidden"), 5)

    foundry = ScriptedFoundry(create_run=[slow])
    ended = foundry.run(events=[(1, "cancel")])
    assert ended.output == "cancelled on request, before a Foundry run was started"
    assert calls_of(foundry, "cancel_run") == [1.0, pytest.approx(5.3, abs=0.2)]


def test_an_interrupted_watch_whose_worker_dies_is_no_failure() -> None:
    foundry = ScriptedFoundry(create_run=[lambda *_: Takes(ActivityCrashError(DEAD_WORKER), 5)])
    ended = foundry.run(events=[(1, "cancel")])
    assert (ended.status, len(foundry.runs)) == ("Terminated", 0)


def test_the_end_waits_for_a_watch_that_a_cancel_has_interrupted() -> None:
    """The run completes before it can be cancelled: an instance ends only when no activity is open."""
    done = {"run_id": "run_1", "thread_id": "thread_1", "state": "completed", "raw_status": "completed"}
    foundry = watched({0: "active"}, cancel_run=[ok({"run": done})])
    ended = foundry.run(events=[(1, "cancel")])
    assert (ended.status, ended.output["run_id"]) == ("Completed", "run_1")
    assert ended.seconds == pytest.approx(WATCH_SECONDS, abs=0.3)


def test_the_deadline_is_told_to_every_watch() -> None:
    foundry = watched({0: "active"})
    foundry.run(timeout=20)
    looking = [*foundry.called("create_run"), *foundry.called("get_run")]
    assert {p["until"] for p in looking[:3]} == {"2026-11-21T10:00:20Z"}


def test_an_activity_that_is_open_for_longer_than_the_timer_of_its_race_is_still_waited_for() -> None:
    foundry = ScriptedFoundry(create_run=[lambda *_: Takes(down(), 400)])
    ended = foundry.run(timeout=900)
    assert (ended.status, len(foundry.runs)) == ("Completed", 1)


def busy(position: int, *, stays: float = 0.0) -> Any:
    return lambda *_: Takes(failure("thread_busy", waiting_instance="other", position=position), stays)


@pytest.mark.parametrize(("position", "stays"), [(1, True), (STAYS_FROM, True), (STAYS_FROM + 1, None)])
def test_who_was_seen_near_the_front_may_stay_until_its_turn_comes(position: int, stays: bool | None) -> None:
    foundry = ScriptedFoundry(create_message=[busy(position)])
    foundry.run({"thread_id": "thread_x"})
    assert [p["turn"].get("stays") for p in foundry.called("create_message")] == [None, stays]


@both_backends
def test_a_cancel_is_acknowledged_at_once_while_it_stays_and_ended_when_no_message_can_follow(exact: bool) -> None:
    foundry = ScriptedFoundry(create_message=[busy(1), busy(1, stays=4)])
    ended = foundry.run({"thread_id": "thread_x"}, events=[(3, "cancel")], exact_timers=exact)
    began = calls_of(foundry, "create_message")[1]
    assert began < 3
    statuses = [status["status"] for status in ended.custom_statuses]
    assert ended.shown_at[statuses.index("Cancelling")] == pytest.approx(3, abs=0.3)
    assert calls_of(foundry, "terminate_instance") == [pytest.approx(began + 4, abs=0.3)]
    assert (ended.status, ended.output) == ("Terminated", "cancelled on request, before a Foundry run was started")
    assert len(foundry.called("create_message")) == 2
    assert not foundry.called("create_run")


# --- the activity that posts the message goes on with the run ---


def test_a_run_that_could_not_be_started_at_once_is_tried_again_by_itself() -> None:
    foundry = watched({0: "active", 2: "completed"}, create_run=[down(), down(retry_after_seconds=7)])
    ended = foundry.run()
    assert ended.status == "Completed"
    assert [c.name for c in foundry.simulation.calls] == ["create_thread", "create_message", "create_run", "create_run"]
    assert (len(foundry.messages), len(foundry.runs)) == (1, 1)
    assert {s["retrying"] for s in ended.custom_statuses} == {"service_unavailable", None}
    assert all(s["message_posted"] for s in ended.custom_statuses if s["retrying"])


def test_the_run_of_a_message_is_the_same_whoever_starts_it() -> None:
    foundry = watched({0: "active", 2: "completed"}, create_run=[down()])
    foundry.run({"thread_id": "thread_x", "metadata": {"a": "b"}, "run_options": {"temperature": 0.5}})
    at_once, by_itself = foundry.called("create_run")
    assert at_once["message"] == {**by_itself["message"], "message_id": None}, "its id is not known before"
    assert by_itself["message"]["message_id"] == "msg_1"
    different = {key for key in by_itself if at_once[key] != by_itself[key]}
    assert different == {"message"}


def test_a_failure_for_good_of_the_run_is_the_end() -> None:
    foundry = watched({0: "active"}, create_run=[failure("invalid_request", message="no such agent")])
    ended = foundry.run()
    assert (ended.status, ended.custom_status["message_posted"]) == ("Failed", True)
    assert ended.output.endswith("invalid_request: no such agent")


def test_a_worker_that_dies_with_both_leaves_no_second_run() -> None:
    """It may have started the run: whatever comes next looks for that."""

    def dies(payload: Any, seconds: float) -> Any:
        foundry.create_run(payload, seconds)
        return ActivityCrashError(DEAD_WORKER)

    foundry = ScriptedFoundry({0: "active", 9: "completed"}, create_run=[dies])
    ended = foundry.run()
    assert (ended.status, len(foundry.messages), len(foundry.runs)) == ("Completed", 1, 1)
    retrying = next(s for s in ended.custom_statuses if s["retrying"])
    assert (retrying["step"], retrying["run_requested"]) == ("create_message", True)


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_run_that_a_dead_worker_has_left_is_stopped(cancelled: bool) -> None:
    def dies(payload: Any, seconds: float) -> Any:
        foundry.create_run(payload, seconds)
        return ActivityCrashError(DEAD_WORKER)

    refused = [None, failure("forbidden")]
    foundry = ScriptedFoundry({0: "active"}, create_run=[dies], create_message=[None] if cancelled else refused)
    ended = foundry.run(events=[(1, "cancel")] if cancelled else [], timeout=40)
    assert ended.status == ("Terminated" if cancelled else "Failed")
    assert foundry.called("cancel_run")
    assert ended.custom_status["run_status"] == "cancelled"


def test_a_worker_that_dies_at_the_message_of_many_generations_posts_it_once() -> None:
    foundry = ScriptedFoundry(
        create_message=[ActivityCrashError(DEAD_WORKER), *[failure("connection_failed", retryable=True)] * 12]
    )
    ended = foundry.run(timeout=3600)
    assert ended.generations > 1
    assert (ended.status, len(foundry.messages), len(foundry.runs)) == ("Completed", 1, 1)


def test_whoever_stands_far_back_starts_no_run_with_its_message() -> None:
    foundry = ScriptedFoundry(create_message=[busy(STAYS_FROM + 1), busy(STAYS_FROM), None])
    ended = foundry.run({"thread_id": "thread_x"})
    assert ["run" in payload for payload in foundry.called("create_message")] == [True, False, True]
    assert not any(s["run_requested"] for s in ended.custom_statuses if s["step"] == "create_message")
    steps = [s["step"] for s in ended.custom_statuses]
    assert list(dict.fromkeys(steps)) == ["create_run", "create_message", "get_run", "done"]


def test_instances_of_the_version_before_start_their_run_by_an_activity_of_its_own() -> None:
    foundry = watched({0: "active", 2: "completed"})
    ended = foundry.run(version="1.0")
    assert ended.status == "Completed"
    assert [c.name for c in foundry.simulation.calls] == ["create_thread", "create_message", "create_run"]
    assert "run" not in foundry.called("create_message")[0]


@pytest.mark.parametrize(
    ("moment", "worked"), [("10:00:04Z", WATCH_SECONDS), ("23:00:00Z", 0), ("01:00:00Z", WATCH_SECONDS + 4)]
)
def test_the_age_of_a_run_counts_from_when_it_was_asked_for(moment: str, worked: float) -> None:
    """Not from when the activity began, which may have stayed in the line before; and within the activity's own time,
    since the worker's clock may be another one.
    """
    foundry = watched({0: "active", 30: "completed"})
    post = foundry.create_message

    def late(payload: Any, seconds: float) -> Any:
        taken = post(payload, seconds)
        value = {**taken.answer["value"], "run_requested_at": f"2026-11-21T{moment}"}
        return Takes(ok(value), taken.seconds + 4)

    foundry.overrides["create_message"] = [late]
    foundry.run()
    assert foundry.called("get_run")[0]["watch_from"] == pytest.approx(worked + 1.2, abs=0.3)


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_run_that_an_earlier_execution_has_started_is_stopped(cancelled: bool) -> None:
    """A host that dies gives the activity back, and its second execution may fail before it has found anything."""

    def again(payload: Any, seconds: float) -> Any:
        foundry.create_run(payload["run"], seconds)
        return down(retry_after_seconds=100)

    foundry = ScriptedFoundry({0: "active"}, create_message=[again])
    ended = foundry.run(events=[(1, "cancel")] if cancelled else [], timeout=40)
    assert ended.status == ("Terminated" if cancelled else "Failed")
    assert foundry.called("cancel_run")
    assert ended.custom_status["run_status"] == "cancelled"


def test_a_message_that_is_posted_after_its_cancel_is_known_to_be() -> None:
    foundry = ScriptedFoundry(create_run=[lambda *_: Takes(failure("forbidden"), 5)])
    ended = foundry.run(events=[(1, "cancel")])
    assert ended.output == "cancelled on request, before a Foundry run was started"
    assert ended.custom_status["message_posted"] is True
