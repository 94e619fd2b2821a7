"""`POST /api/runs/{id}/retry`: what failed is run again, and nothing gets onto the thread twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.generations import OPTIONS, operation, present
from tests.e2e.somebody import cancel_run, new_thread
from tests.e2e.world import World, agent

pytestmark = pytest.mark.e2e


LOOKS_BEFORE_A_MESSAGE = {"classic": 1, "responses": 3}
"""At what stands on a thread: for the message; in a conversation for open calls, too, at the start and in the run."""


def retry(world: World, instance: str, body: Any = b"", headers: dict[str, str] | None = None) -> Any:
    return world.post(f"/api/runs/{instance}/retry", body, headers)


def repeated(world: World, instance: str, body: Any = b"") -> dict[str, Any]:
    answer = retry(world, instance, body)
    assert answer.status == 202, answer.text
    assert answer.json["runUri"].endswith(answer.json["id"])
    return world.end(answer.json["id"])


def test_a_run_that_failed_is_repeated_on_its_thread_without_a_second_message(world: World) -> None:
    failed = world.run("failsOnce", "once", metadata={"job": "a"}, run_options=OPTIONS[present()])
    assert failed["status"] == "Failed"
    document = repeated(world, failed["instanceId"])
    assert (document["status"], document["thread_id"]) == ("Success", failed["thread_id"])
    thread = world.thread(failed["thread_id"])
    assert (thread["user_messages"], len(thread["runs"])) == (1, 2)
    first, second = (entry.body for entry in world.sent("create_run", failed["thread_id"]))
    stamp = {"durable_instance_id", "durable_operation_id"}
    for body in (first, second):
        body["metadata"] = {name: value for name, value in body["metadata"].items() if name not in stamp}
    assert first == second


def test_two_callers_and_a_lost_answer_get_the_same_repetition(world: World) -> None:
    failed = world.run("failsOnce")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: retry(world, failed["instanceId"]), range(4)))
    assert {a.status for a in answers} == {202}
    [instance] = {a.json["id"] for a in answers}
    assert world.end(instance)["status"] == "Success"
    waited = retry(world, failed["instanceId"], headers={"Prefer": "wait=20"})
    assert (waited.status, waited.json["instanceId"], waited.json["status"]) == (200, instance, "Success")
    thread = world.thread(failed["thread_id"])
    assert (thread["user_messages"], len(thread["runs"])) == (1, 2)


def test_a_repetition_that_fails_is_repeated_by_its_own_id(world: World) -> None:
    failed = world.run("fails")
    again = repeated(world, failed["instanceId"])
    assert again["status"] == "Failed"
    third = repeated(world, again["instanceId"])
    assert len({failed["instanceId"], again["instanceId"], third["instanceId"]}) == 3
    thread = world.thread(failed["thread_id"])
    assert (thread["user_messages"], len(thread["runs"])) == (1, 3)
    refused = retry(world, again["instanceId"])
    assert refused.json["id"] == third["instanceId"]


def test_a_repetition_that_succeeds_takes_the_thread_along_where_the_run_would_have(world: World) -> None:
    failed = world.run("failsOnce", delete_thread="on_success")
    assert world.thread(failed["thread_id"])["user_messages"] == 1
    document = repeated(world, failed["instanceId"])
    assert (document["status"], document["output"]["thread_deleted"]) == ("Success", True)


def test_a_run_that_timed_out_is_repeated_with_more_time(world: World) -> None:
    late = world.run("slow", timeout_seconds=2)
    assert late["error"]["code"] == "timeout"
    document = repeated(world, late["instanceId"], {"timeout_seconds": 300})
    assert document["status"] == "Success", document["error"]
    assert world.thread(late["thread_id"])["user_messages"] == 1


def test_a_cancelled_run_is_repeated(world: World) -> None:
    instance = world.start("forever")
    world.until(instance, lambda d: d["run_id"])
    assert world.post(f"/api/runs/{instance}/cancel", b"").status == 202
    assert world.end(instance)["status"] == "Cancelled"
    answer = retry(world, instance)
    assert answer.status == 202
    again = world.until(answer.json["id"], lambda d: d["run_id"])
    assert retry(world, answer.json["id"]).json["error"]["code"] == "nothing_to_retry"
    world.post(f"/api/runs/{answer.json['id']}/cancel", b"")
    world.end(answer.json["id"])
    assert world.thread(again["thread_id"])["user_messages"] == 1


def test_a_message_that_never_got_onto_the_thread_is_posted(world: World) -> None:
    thread_id = new_thread(world)
    world.emulator.faults.add(kind="status", status=400, operation=operation("create_message"), times=1)
    failed = world.run("instant", thread_id=thread_id)
    assert (failed["status"], failed["customStatus"]["message_posted"]) == ("Failed", False)
    document = repeated(world, failed["instanceId"])
    assert (document["status"], document["thread_id"]) == ("Success", failed["thread_id"])
    assert world.thread(failed["thread_id"])["user_messages"] == 1


def test_a_message_whose_answer_was_lost_is_not_posted_again(world: World) -> None:
    """It is on the thread, and the instance has ended without having learnt that."""
    thread_id = new_thread(world)
    faults = world.emulator.faults
    faults.add(kind="reset", operation=operation("create_message"), effect="first")
    looks = {"operation": operation("list_messages"), "skip": LOOKS_BEFORE_A_MESSAGE[present()]}
    silence = faults.add(kind="status", status=503, times=None, **looks)
    failed = world.run("instant", timeout_seconds=10, thread_id=thread_id)
    assert faults.remove(silence.id)
    assert (failed["error"]["code"], failed["customStatus"]["message_posted"]) == ("timeout", False)
    assert world.thread(failed["thread_id"])["user_messages"] == 1
    document = repeated(world, failed["instanceId"], {"timeout_seconds": 300})
    assert document["status"] == "Success", document["error"]
    thread = world.thread(failed["thread_id"])
    assert (thread["user_messages"], len(thread["runs"])) == (1, 1)


def test_a_foundry_run_that_could_not_be_stopped_is_waited_for(world: World) -> None:
    faults = world.emulator.faults
    deaf = faults.add(kind="status", status=503, operation=operation("cancel_run"), times=None)
    late = world.run("forever", timeout_seconds=40)
    assert faults.remove(deaf.id)
    [left] = world.thread(late["thread_id"])["runs"]
    assert left["status"] == "in_progress"
    instance = retry(world, late["instanceId"], {"timeout_seconds": 300}).json["id"]
    world.until(instance, lambda d: d["customStatus"] and d["customStatus"]["retrying"] == "thread_busy")
    cancel_run(world, late["thread_id"], left["id"])
    again = world.until(instance, lambda d: d["run_id"])
    assert again["run_id"] != left["id"]
    assert world.post(f"/api/runs/{instance}/cancel", b"").status == 202
    assert world.thread(late["thread_id"])["user_messages"] == 1


def test_where_there_is_no_thread_it_starts_anew(world: World) -> None:
    world.emulator.faults.add(kind="status", status=400, operation=operation("create_thread"), times=1)
    failed = world.run("instant")
    assert (failed["status"], failed["thread_id"]) == ("Failed", None)
    assert repeated(world, failed["instanceId"])["status"] == "Success"


def test_a_start_over_the_webhook_is_repeated(world: World) -> None:
    fields = {"agent_id": agent("failsOnce"), "user_message": "hi"}
    failed = world.end(world.host.launch("agent_run", "fails-by-webhook", fields))
    assert repeated(world, failed["instanceId"])["status"] == "Success"


def test_a_long_run_is_repeated_after_many_generations(world: World) -> None:
    late = world.run("forever", "a long one", timeout_seconds=200)
    assert late["error"]["code"] == "timeout"
    answer = retry(world, late["instanceId"], {"timeout_seconds": 30})
    assert answer.status == 202, answer.text
    document = world.end(answer.json["id"])
    assert (document["thread_id"], document["agent_id"]) == (late["thread_id"], agent("forever"))
    assert world.thread(late["thread_id"])["user_messages"] == 1


def test_one_that_succeeded_or_goes_on_is_not_repeated(world: World) -> None:
    good = world.run("instant")
    answer = retry(world, good["instanceId"])
    assert (answer.status, answer.json["error"]["code"]) == (409, "nothing_to_retry")
    assert retry(world, "nobody").status == 404
