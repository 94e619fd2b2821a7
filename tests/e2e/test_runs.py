"""Runs from start to end, over real HTTP, for every way in which a Foundry run ends."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.generations import Generation
from tests.e2e.generations import OPTIONS, operation, present, run_prefix, thread_prefix
from tests.e2e.somebody import written_on
from tests.e2e.world import World, agent, one_message_one_run

pytestmark = pytest.mark.e2e

OLD_NAMES: dict[Generation, set[str]] = {"classic": {"prompt_tokens", "completion_tokens"}, "responses": set()}
"""Of what a run has used; callers of classic agents know them."""
TOO_LONG = {"classic": "max_completion_tokens", "responses": "max_output_tokens"}


def test_a_run_answers_and_every_output_is_there(world: World) -> None:
    answer = world.post("/api/run_agent", {"agent_id": agent("history"), "user_message": "Why is the sky blue?"})
    assert answer.status == 202
    payload = answer.json
    assert payload["runUri"] == answer.headers["Location"]
    assert int(answer.headers["Retry-After"]) > 0
    assert {"sendEventPostUri", "terminatePostUri", "purgeHistoryDeleteUri", "suspendPostUri", "resumePostUri"} <= set(
        payload
    )
    assert payload["runUri"] == f"{world.host.url}/api/runs/{payload['id']}"
    running = world.host.request("GET", payload["runUri"])
    assert running.status == 202
    assert running.headers["Location"] == payload["runUri"]
    assert running.json["status"] == "Running"

    document = world.end(payload["id"])
    assert document["status"] == "Success"
    assert document["runtimeStatus"] == "Completed"
    assert "scatter" in document["response"]
    assert document["thread_id"].startswith(thread_prefix())
    assert document["run_id"].startswith(run_prefix())
    assert document["composite_run_id"] == f"agent#{document['thread_id']}#{document['run_id']}"
    assert document["run_status"] == "completed"
    assert document["agent_id"] == agent("history")
    told = (document["generation"], document["agent_version"])
    assert told == (present(), None if present() == "classic" else "1")
    assert document["error"] is None
    assert "input" not in document
    output = document["output"]
    assert set(output) == {
        "status", "response", "thread_id", "run_id", "composite_run_id", "agent_id", "run_status", "message_id",
        "annotations", "attachments", "usage", "model", "monitor_url", "started_at", "completed_at", "messages",
        "refusal", "not_understood", "incomplete", "left_out", "thread_deleted", "generation", "agent_version",
    }  # fmt: skip
    assert set(output["usage"]) - OLD_NAMES[present()] == {
        "input_tokens", "output_tokens", "total_tokens", "cached_tokens",
    }  # fmt: skip
    assert output["usage"]["total_tokens"] == output["usage"]["input_tokens"] + output["usage"]["output_tokens"] > 0
    assert output["message_id"].startswith("msg_")
    assert output["started_at"] <= output["completed_at"]
    one_message_one_run(world, document)


def test_the_durable_status_url_shows_the_same_outcome(world: World) -> None:
    payload = world.post("/api/run_agent", {"agent_id": agent("instant"), "user_message": "hi"}).json
    document = world.end(payload["id"])
    durable = world.host.request("GET", payload["statusQueryGetUri"])
    assert durable.status == 200
    assert durable.json["output"]["response"] == document["response"]
    assert durable.json["output"]["thread_id"] == document["thread_id"]


def test_two_runs_share_a_thread(world: World) -> None:
    first = world.run("history", "My name is Ada.")
    second = world.run("history", "What did I say?", thread_id=first["thread_id"])
    assert second["thread_id"] == first["thread_id"]
    assert second["run_id"] != first["run_id"]
    assert "My name is Ada." in second["response"]
    thread = world.thread(first["thread_id"])
    assert thread["user_messages"] == 2
    assert len(thread["runs"]) == 2


def test_the_agent_may_be_in_the_route_and_the_message_plain_text(world: World) -> None:
    answer = world.post(f"/api/agents/{agent('instant')}/runs", b"Good morning", {"Content-Type": "text/plain"})
    assert answer.status == 202
    assert "Good morning" in world.end(answer.json["id"])["response"]


def test_parameters_may_come_from_the_query(world: World) -> None:
    answer = world.post(f"/api/run_agent?agent_id={agent('instant')}&timeout_seconds=60", {"user_message": "hi"})
    assert answer.status == 202
    assert world.end(answer.json["id"])["status"] == "Success"


def test_empty_and_null_optional_fields_count_as_absent(world: World) -> None:
    document = world.run("instant", thread_id="", timeout_seconds=None)
    assert document["status"] == "Success"


def test_options_and_metadata_reach_foundry_beside_our_stamp(world: World) -> None:
    document = world.run("instant", run_options=OPTIONS[present()], metadata={"job": "nightly"})
    [created] = world.sent("create_run", document["thread_id"])
    assert {name: created.body[name] for name in OPTIONS[present()]} == OPTIONS[present()]
    [run] = world.thread(document["thread_id"])["runs"]
    assert (run["metadata"]["job"], run["metadata"]["durable_instance_id"]) == ("nightly", document["instanceId"])


@pytest.mark.classic("an item of a conversation carries no metadata")
def test_metadata_reach_the_message_too(world: World) -> None:
    document = world.run("instant", metadata={"job": "nightly"})
    [message] = world.sent("create_message", document["thread_id"])
    metadata = message.body["metadata"]
    assert (metadata["job"], metadata["durable_instance_id"]) == ("nightly", document["instanceId"])


def test_a_run_that_fails_fails_the_instance_in_one_readable_line(world: World) -> None:
    for name, code, says in (
        ("fails", "server_error", "ended as failed"),
        ("incomplete", TOO_LONG[present()], TOO_LONG[present()]),
        ("contentFilter", "content_filter", "content_filter"),
    ):
        failed_in_one_line(world, world.run(name), code, says)


@pytest.mark.classic("no response expires")
def test_a_run_that_expires_fails_the_instance_in_one_readable_line(world: World) -> None:
    failed_in_one_line(world, world.run("expires"), "expired", "expired")


def failed_in_one_line(world: World, document: dict[str, Any], code: str, says: str) -> None:
    assert (document["status"], document["runtimeStatus"]) == ("Failed", "Failed")
    assert document["error"]["code"] == code
    assert says in "{code}: {message}".format(**document["error"])
    assert "\n" not in document["output"]
    assert document["output"].startswith(f"Orchestrator function 'agent_run' failed: {code}: ")
    assert document["thread_id"].startswith(thread_prefix())
    assert document["customStatus"]["error"]["code"] == code
    one_message_one_run(world, document)


def test_a_run_that_was_cut_short_keeps_what_it_wrote(world: World) -> None:
    document = world.run("incomplete")
    [written] = [text for role, text in written_on(world, document["thread_id"]) if role == "assistant"]
    assert written
    assert (document["status"], document["response"]) == ("Failed", written)
    for asked in ("list_messages", "get_run"):  # the answer is with the thread's messages, or with the response
        world.emulator.faults.add("status", operation=operation(asked), status=503, times=None)
    assert world.document(document["instanceId"])["response"] is None
    world.emulator.faults.clear()


def test_a_run_that_somebody_else_cancels_ends_terminated(world: World) -> None:
    document = world.run("cancelledOutside")
    assert (document["status"], document["runtimeStatus"]) == ("Cancelled", "Terminated")
    assert document["output"] == f"cancelled: the Foundry run {document['run_id']} was cancelled"
    assert document["run_status"] == "cancelled"


@pytest.mark.parametrize("name", ["unknownStatus", "laggingList"])
def test_odd_runs_end_well(world: World, name: str) -> None:
    document = world.run(name, "odd but fine")
    assert document["status"] == "Success"
    assert "odd but fine" in document["response"]


def test_an_unknown_status_is_shown_as_it_is(world: World) -> None:
    instance = world.start("unknownStatus")
    shown = world.until(instance, lambda d: d["run_status"] == "weird_new")
    assert shown["status"] == "Running"
    assert world.end(instance)["status"] == "Success"


def test_an_answer_of_images_and_several_texts(world: World) -> None:
    output = world.run("rich")["output"]
    assert output["attachments"], output
    assert all(a["id"] for a in output["attachments"])
    assert output["response"].count("\n") >= 1
    assert "【" not in output["response"]
    assert output["annotations"]


def test_an_answer_without_text_is_an_empty_response(world: World) -> None:
    image = world.run("imageOnly")
    assert (image["status"], image["response"]) == ("Success", "")
    assert image["output"]["attachments"]
    silent = world.run("silent")
    assert (silent["status"], silent["response"]) == ("Success", "")
    assert silent["output"]["message_id"] is None


def test_the_deadline_cancels_the_foundry_run(world: World) -> None:
    document = world.run("forever", timeout_seconds=8)
    assert (document["status"], document["error"]["code"]) == ("Failed", "timeout")
    assert document["run_id"] in document["error"]["message"]
    assert world.thread(document["thread_id"])["runs"][0]["status"] == "cancelled"
    assert document["run_status"] == "cancelled"


@pytest.mark.classic("a cancelled response is told as cancelled at once, even if it completes later")
def test_a_run_that_completes_at_the_deadline_counts_as_completed(world: World) -> None:
    document = world.run("completesAnyway", timeout_seconds=6)
    assert document["status"] == "Success"
    assert document["response"]


def test_a_long_run_continues_as_new_and_keeps_its_state(world: World) -> None:
    document = world.run("slow", "patience", timeout_seconds=600)
    assert document["status"] == "Success"
    long = world.start("forever", timeout_seconds=120)
    document = world.end(long)
    assert document["customStatus"]["polls"] > 10
    assert document["error"]["code"] == "timeout"
    one_message_one_run(world, document)


def test_the_webhook_starts_a_run_with_the_same_json(world: World) -> None:
    body = {"agent_id": agent("instant"), "user_message": "by webhook"}
    instance = world.host.launch("agent_run", "by-webhook", body)
    document = world.end(instance)
    assert document["status"] == "Success"
    assert "by webhook" in document["response"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"agent_id": "asst_x"}, "user_message"),
        ({"agent_id": " a", "user_message": "x"}, "agent_id"),
        ({"user_message": "x"}, "agent_id: is required"),
        ({"agent_id": "asst_x", "user_message": "x", "timeout_seconds": 10**6}, "RUN_MAX_TIMEOUT_SECONDS"),
        ({"agent_id": "asst_x", "user_message": "x", "surprise": 1}, "surprise"),
        ({"request": {"user_message": ""}, "policy": {"agent_id": "asst_x", "timeout_seconds": 5}}, "user_message"),
        ({"progress": {"nonsense": True}}, "invalid_request"),
    ],
)
def test_the_webhook_validates_as_the_route_does(world: World, body: dict[str, object], says: str) -> None:
    instance = world.host.launch("agent_run", f"bad-{abs(hash(str(body)))}", body)
    document = world.end(instance)
    assert document["error"]["code"] == "invalid_request"
    assert says in "{code}: {message}".format(**document["error"])
    assert "invalid_request: " in document["output"]
    assert "surprise" not in document["output"], "it may be a prompt, and the host logs it"
