"""Acting on runs over real HTTP: cancel, tool outputs, idempotent starts, bounded waiting, busy threads, quota."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.world import World, agent, one_message_one_run

pytestmark = pytest.mark.e2e


# --- cancel ---


def test_cancel_reaches_foundry(world: World) -> None:
    instance = world.start("forever")
    running = world.until(instance, lambda d: d["run_id"])
    answer = world.post(f"/api/runs/{instance}/cancel", None)
    assert answer.status == 202
    document = world.end(instance)
    assert (document["status"], document["runtimeStatus"]) == ("Cancelled", "Terminated")
    assert document["output"] == f"cancelled on request; the Foundry run {running['run_id']} was cancelled"
    assert world.thread(document["thread_id"])["runs"][0]["status"] == "cancelled"


def test_cancel_at_once_and_twice_at_once(world: World) -> None:
    instances = [world.start("forever") for _ in range(6)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda i: world.post(f"/api/runs/{i}/cancel", None), instances * 2))
    assert {a.status for a in answers} <= {202, 409}
    for instance in instances:
        assert world.end(instance)["status"] == "Cancelled"
    assert not world.active_runs()


def test_cancel_of_an_ended_or_unknown_run(world: World) -> None:
    document = world.run("instant")
    answer = world.post(f"/api/runs/{document['instanceId']}/cancel", None)
    assert answer.status == 409
    assert answer.json["error"]["code"] == "already_ended"
    assert "Success" in answer.json["error"]["message"]
    assert world.post("/api/runs/nobody/cancel", None).status == 404


@pytest.mark.classic("a cancelled response is told as cancelled at once, even if it completes later")
def test_a_run_that_completes_anyway_counts_as_completed(world: World) -> None:
    instance = world.start("completesAnyway")
    world.until(instance, lambda d: d["run_id"])
    assert world.post(f"/api/runs/{instance}/cancel", None).status in (202, 409)
    assert world.end(instance)["status"] == "Success"


# --- tool outputs ---


def answer_to(document: dict[str, Any]) -> dict[str, Any]:
    calls = document["required_action"]["calls"]
    return {
        "tool_outputs": [
            {"tool_call_id": c["id"], "output": f"out of {c['name']}"} for c in calls if c["kind"] == "function"
        ],
        "approvals": [{"tool_call_id": c["id"], "approve": True} for c in calls if c["kind"] == "approval"],
    }


def asked(document: dict[str, Any]) -> Any:
    return document["required_action"]


@pytest.mark.parametrize("name", ["tool", "mcpApproval"])
def test_one_question(world: World, name: str) -> None:
    instance = world.start(name)
    document = world.until(instance, asked)
    assert document["status"] == "Running"
    assert document["required_action"]["event"] == "tool_outputs_1"
    assert document["required_action"]["calls"][0]["name"]
    answer = world.post(f"/api/runs/{instance}/tool_outputs", answer_to(document))
    assert answer.status == 202, answer.text
    done = world.end(instance)
    assert done["status"] == "Success", done
    one_message_one_run(world, done)


def test_several_rounds_and_an_answer_posted_twice(world: World) -> None:
    instance = world.start("twoToolRounds")
    first = world.until(instance, asked)
    assert len(first["required_action"]["calls"]) == 2
    answer = answer_to(first)
    assert world.post(f"/api/runs/{instance}/tool_outputs", answer).status == 202
    again = world.post(f"/api/runs/{instance}/tool_outputs", answer)
    assert again.status in (202, 400, 409)  # 202 as long as no later question has come (docs/api.md)
    second = world.until(instance, lambda d: asked(d) and d["required_action"]["event"] == "tool_outputs_2")
    refused = world.post(f"/api/runs/{instance}/tool_outputs", answer)
    assert refused.status == 400
    assert {d["code"] for d in refused.json["error"]["details"]} == {"missing", "unknown"}
    assert world.post(f"/api/runs/{instance}/tool_outputs", answer_to(second)).status == 202
    assert world.end(instance)["status"] == "Success"
    late = world.post(f"/api/runs/{instance}/tool_outputs", answer)
    assert late.status == 409
    assert late.json["error"]["code"] == "already_ended"


def test_bad_tool_outputs(world: World) -> None:
    instance = world.start("forever")
    world.until(instance, lambda d: d["run_id"])
    nothing = world.post(f"/api/runs/{instance}/tool_outputs", {"tool_outputs": []})
    assert (nothing.status, nothing.json["error"]["code"]) == (409, "nothing_pending")
    assert world.post(f"/api/runs/{instance}/tool_outputs", b"[]").status == 400
    assert world.post(f"/api/runs/{instance}/tool_outputs", b"<x/>", {"Content-Type": "text/xml"}).status == 415
    assert world.post("/api/runs/nobody/tool_outputs", {}).status == 404
    world.post(f"/api/runs/{instance}/cancel", None)
    world.end(instance)


def test_without_an_answer_the_deadline_says_which_call_waited(world: World) -> None:
    document = world.run("tool", timeout_seconds=20)
    assert document["error"]["code"] == "timeout"
    assert "get_weather" in document["error"]["message"]


# --- idempotent starts ---


def test_the_same_key_starts_once(world: World) -> None:
    body = {"agent_id": agent("history"), "user_message": "only once"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: world.post("/api/run_agent", body, {"Idempotency-Key": "k-1"}), range(8)))
    assert {a.status for a in answers} == {202}
    assert len({a.json["id"] for a in answers}) == 1
    document = world.end(answers[0].json["id"])
    one_message_one_run(world, document)
    again = world.post("/api/run_agent", {**body, "idempotency_key": "k-1"})
    assert again.json["id"] == document["instanceId"]
    other = world.post("/api/run_agent", {**body, "user_message": "another"}, {"Idempotency-Key": "k-1"})
    assert (other.status, other.json["error"]["code"]) == (409, "idempotency_conflict")
    both = world.post("/api/run_agent", {**body, "idempotency_key": "k-2"}, {"Idempotency-Key": "k-3"})
    assert both.status == 400


def test_a_key_is_recognised_after_continue_as_new(world: World) -> None:
    body = {"agent_id": agent("forever"), "user_message": "long", "timeout_seconds": 600, "idempotency_key": "k-long"}
    instance = world.post("/api/run_agent", body).json["id"]
    world.until(instance, lambda d: d["customStatus"] and d["customStatus"].get("polls", 0) > 22)
    assert world.post("/api/run_agent", body).json["id"] == instance
    assert world.post("/api/run_agent", {**body, "user_message": "x"}).status == 409
    world.post(f"/api/runs/{instance}/cancel", None)
    assert world.end(instance)["status"] == "Cancelled"


# --- bounded waiting ---


def test_prefer_wait_answers_with_the_outcome(world: World) -> None:
    body = {"agent_id": agent("instant"), "user_message": "now"}
    answer = world.post("/api/run_agent", body, {"Prefer": "respond-async, wait=20"})
    assert answer.status == 200
    assert answer.json["status"] == "Success"
    assert "now" in answer.json["response"]
    assert answer.headers["Preference-Applied"] == "wait=20"


def test_prefer_wait_gives_up_in_time(world: World) -> None:
    body = {"agent_id": agent("forever"), "user_message": "never"}
    answer = world.post("/api/run_agent", body, {"Prefer": "wait=1"})
    assert answer.status == 202
    assert answer.json["runUri"]
    world.post(f"/api/runs/{answer.json['id']}/cancel", None)
    world.end(answer.json["id"])


def test_who_waits_is_told_the_id_when_the_host_is_stopped() -> None:
    body = {"agent_id": agent("forever"), "user_message": "never"}
    with World() as own, ThreadPoolExecutor(2) as pool:
        instance = own.start("forever")
        own.until(instance, lambda d: d["run_id"])
        starting = pool.submit(own.post, "/api/run_agent", body, {"Prefer": "wait=60"})
        looking = pool.submit(own.host.request, "GET", f"/api/runs/{instance}", headers={"Prefer": "wait=60"})
        time.sleep(1)  # until both wait
        own.host.stop()
        started, looked = starting.result(), looking.result()
        assert (started.status, looked.status) == (202, 202)
        assert looked.json["instanceId"] == instance
        own.host.start()
        assert own.document(started.json["id"])["status"] == "Running"


# --- busy threads ---


def test_two_starts_on_one_thread_each_get_their_own_answer(world: World) -> None:
    thread_id = world.run("instant", "begin")["thread_id"]
    messages = [f"question {n}" for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        instances = list(pool.map(lambda m: world.start("history", m, thread_id=thread_id), messages))
    for message, instance in zip(messages, instances, strict=True):
        document = world.end(instance)
        assert document["status"] == "Success", document
        assert f'You wrote: "{message}"' in document["response"]
    thread = world.thread(thread_id)
    assert thread["user_messages"] == 5
    assert len(thread["runs"]) == 5


def test_a_caller_that_does_not_want_to_wait_is_told_who_is_busy(world: World) -> None:
    first = world.start("forever")
    thread_id = world.until(first, lambda d: d["run_id"])["thread_id"]
    body = {"agent_id": agent("instant"), "user_message": "hi", "thread_id": thread_id, "if_thread_busy": "fail"}
    refused = world.post("/api/run_agent", body)
    assert (refused.status, refused.json["error"]["code"]) == (409, "thread_busy")
    assert first in refused.json["error"]["message"]
    assert refused.headers["Location"] == f"{world.host.url}/api/runs/{first}"
    assert world.get(f"/api/runs/{first}").json["status"] == "Running"
    assert world.thread(thread_id)["user_messages"] == 1
    world.post(f"/api/runs/{first}/cancel", None)
    world.end(first)
    taken = world.post("/api/run_agent", body)
    assert taken.status == 202
    assert world.end(taken.json["id"])["status"] == "Success"


# --- quota ---


def test_rate_limited_runs_are_repeated_on_the_same_thread(world: World) -> None:
    document = world.run("rateLimitedTwice")
    assert document["status"] == "Success"
    thread = world.thread(document["thread_id"])
    assert thread["user_messages"] == 1
    assert [r["status"] for r in thread["runs"]] == ["failed", "failed", "completed"]


def test_rate_limits_that_do_not_end_fail_with_advice(world: World) -> None:
    document = world.run("rateLimitedAlways", timeout_seconds=120)
    assert document["error"]["code"] in ("rate_limit_exceeded", "timeout")  # whichever the deadline cuts
    assert "quota" in document["error"]["message"]
    assert len(world.thread(document["thread_id"])["runs"]) > 2, "until the deadline"
    day = world.run("rateLimitedForADay")
    assert day["error"]["code"] == "rate_limit_exceeded"
    assert "quota" in day["error"]["message"]
