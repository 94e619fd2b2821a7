"""What a start hands on to Foundry: parts of the message, files, options of the run; and starts without a message."""

from __future__ import annotations

from typing import Any

import pytest

from local.foundry_emulator.ledger import Entry
from local.foundry_emulator.scripts import File
from tests.e2e.generations import OPTIONS, present
from tests.e2e.world import World, agent, one_message_one_run

pytestmark = pytest.mark.e2e

INCLUDE = "step_details.tool_calls[*].file_search.results[*].content"
PROMPT = "a message nobody logs 5ac3"


@pytest.fixture(scope="module")
def file_id(world: World) -> str:
    return str(world.emulator.add_file(File(filename="cat.png", text="meow")))


def run_sent(world: World, thread_id: str) -> Entry:
    [entry] = world.sent("create_run", thread_id)
    return entry


def content_sent(world: World, thread_id: str) -> list[dict[str, Any]]:
    """The parts of the message that a new thread or conversation was given."""
    if present() == "classic":
        [entry] = world.sent("create_message", thread_id)
        return list(entry.body["content"])
    [entry] = world.sent("create_thread", thread_id)
    [item] = entry.body["items"]
    return list(item["content"])


def as_sent(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    """Parts of a start as the present generation's service is given them."""
    if present() == "classic":
        return list(parts)
    texts = [{"type": "input_text", "text": part["text"]} for part in parts if part["type"] == "text"]
    images = [part["image_url"] for part in parts if part["type"] == "image_url"]
    return texts + [{"type": "input_image", "image_url": i["url"], "detail": i["detail"]} for i in images]


def start(world: World, fields: dict[str, Any], query: str = "") -> dict[str, Any]:
    answer = world.post(f"/api/run_agent{query}", {"agent_id": agent("instant"), **fields})
    assert answer.status == 202, answer.text
    document = world.end(answer.json["id"])
    assert document["status"] == "Success", document["error"]
    return document


def test_parts_get_onto_the_thread(world: World) -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}}
    document = start(world, {"user_message": PROMPT, "content": [image]})
    one_message_one_run(world, document)
    assert content_sent(world, document["thread_id"]) == as_sent({"type": "text", "text": PROMPT}, image)
    assert PROMPT not in world.host.log


@pytest.mark.classic("files of a message have no counterpart")
def test_files_get_onto_the_thread(world: World, file_id: str) -> None:
    stored = {"type": "image_file", "image_file": {"file_id": file_id}}
    attachments = [{"file_id": file_id, "tools": [{"type": "file_search"}]}]
    document = start(world, {"user_message": PROMPT, "content": [stored], "attachments": attachments})
    one_message_one_run(world, document)
    [message] = world.sent("create_message", document["thread_id"])
    assert message.body["content"] == [{"type": "text", "text": PROMPT}, stored]
    assert message.body["attachments"] == attachments


def test_a_start_may_have_nothing_but_parts(world: World) -> None:
    document = start(world, {"content": [{"type": "text", "text": PROMPT}]})
    assert content_sent(world, document["thread_id"]) == as_sent({"type": "text", "text": PROMPT})


def test_an_image_in_its_url_may_be_large(world: World) -> None:
    url = "data:image/png;base64," + "A" * 1_900_000
    document = start(world, {"content": [{"type": "image_url", "image_url": {"url": url}}]})
    one_message_one_run(world, document)


def test_a_start_over_the_webhook_takes_the_same_fields(world: World) -> None:
    fields = {
        "agent_id": agent("instant"),
        "content": [{"type": "text", "text": PROMPT}],
        "delete_thread": "on_success",
    }
    document = world.end(world.host.launch("agent_run", "parts-by-webhook", fields))
    assert (document["status"], document["output"]["thread_deleted"]) == ("Success", True)
    instance = world.host.launch("agent_run", "bad-parts", {**fields, "content": [{"type": "x"}], "thread_id": "run_1"})
    document = world.end(instance)
    assert document["error"]["code"] == "invalid_request"
    for said in ("content[0].type: must be 'text' or 'image_file'", "the id of a run was given"):
        assert said in document["error"]["message"]


def test_parts_may_come_in_the_query(world: World) -> None:
    query = "?content=%5B%7B%22type%22%3A%22text%22%2C%22text%22%3A%22hi%22%7D%5D"
    document = start(world, {}, query)
    assert content_sent(world, document["thread_id"]) == as_sent({"type": "text", "text": "hi"})


@pytest.mark.classic("tools and further messages of a run are the agent's own")
def test_options_of_the_run_are_handed_on(world: World, file_id: str) -> None:
    options = {
        "tool_resources": {"code_interpreter": {"file_ids": [file_id]}},
        "additional_messages": [{"role": "assistant", "content": "I am listening", "metadata": {"a": "b"}}],
        "include": [INCLUDE],
    }
    document = start(world, {"user_message": "hi", "run_options": options})
    created = run_sent(world, document["thread_id"])
    assert created.query["include[]"] == INCLUDE
    assert "include" not in created.body
    assert created.body["tool_resources"] == options["tool_resources"]
    [message] = created.body["additional_messages"]
    assert (message["role"], message["content"], message["metadata"]["a"]) == ("assistant", "I am listening", "b")


@pytest.mark.classic("a response takes no further messages")
def test_additional_messages_of_a_run_are_nobody_elses(world: World) -> None:
    """On a thread that goes on, the run answers its own messages: that is no `answer_mismatch`."""
    first = start(world, {"user_message": "hi"})
    options = {"additional_messages": [{"role": "user", "content": "and this"}]}
    again = start(world, {"user_message": "more", "thread_id": first["thread_id"], "run_options": options})
    assert again["thread_id"] == first["thread_id"]


def test_what_stands_on_a_thread_is_run_without_a_message(world: World) -> None:
    first = start(world, {"user_message": "hi"})
    again = start(world, {"thread_id": first["thread_id"]})
    thread = world.thread(first["thread_id"])
    assert (thread["user_messages"], len(thread["runs"])) == (1, 2)
    assert again["run_id"] != first["run_id"]


def test_parts_are_part_of_what_an_idempotency_key_stands_for(world: World) -> None:
    once = {"agent_id": agent("instant"), "idempotency_key": "parts", "content": [{"type": "text", "text": "a"}]}
    first, same = world.post("/api/run_agent", once), world.post("/api/run_agent", once)
    assert first.json["id"] == same.json["id"]
    for change in (
        {"content": [{"type": "text", "text": "b"}]},
        {"run_options": OPTIONS[present()]},
        {"delete_thread": "never"},
    ):
        assert world.post("/api/run_agent", {**once, **change}).status == 409
    world.end(first.json["id"])
