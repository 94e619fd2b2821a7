"""What happened in a run, over real HTTP: its timeline, as JSON and as server-sent events, and its conversation."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from contracts.generations import CAPABILITIES
from tests.e2e.generations import present
from tests.e2e.world import PATIENCE_SECONDS, World
from tests.functions_host.harness import Answer

pytestmark = pytest.mark.e2e

STREAM = {"Accept": "text/event-stream"}
SECRET = "the secret prompt 5f2c"


def timeline(world: World, instance: str, after: str = "") -> dict[str, Any]:
    answer = world.get(f"/api/runs/{instance}/events" + (f"?after={after}" if after else ""))
    assert answer.status == 200, answer.text
    return dict(answer.json)


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event.get("step", event["kind"]) for event in events]


def events_of(answer: Answer) -> list[tuple[str, dict[str, Any]]]:
    """The events of an answer, each with the id to go on from."""
    found = []
    for block in answer.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if "data" in fields:
            found.append((fields["id"], json.loads(fields["data"])))
    return found


class Follower:
    """Asks for server-sent events until there are no more, as a browser does; hangs up early now and then."""

    def __init__(self, world: World, instance: str) -> None:
        self.world = world
        self.path = f"/api/runs/{instance}/events"
        self.told: list[dict[str, Any]] = []
        self.kept: dict[str, dict[str, Any]] = {}

    def follows(self) -> None:
        last = ""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            headers = {**STREAM, **({"Last-Event-ID": last} if last else {})}
            answer = self.world.host.request("GET", self.path, headers=headers)
            if answer.status == 204:
                return
            assert answer.status == 200, answer.text
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            events = events_of(answer)
            for cursor, event in events[: max(1, len(events) - len(self.told) % 2)]:
                self.told.append(event)
                self.kept[event["id"]] = event
                last = cursor
        raise AssertionError("the run's events do not end")


def test_a_run_from_its_first_step_to_its_end(world: World) -> None:
    found = timeline(world, world.run("history", SECRET)["instanceId"])
    assert (found["status"], found["step"]) == ("Success", "done")
    posts = [] if CAPABILITIES[present()].opens_with_message else ["create_message"]
    assert names(found["events"]) == ["create_thread", *posts, "create_run", "looks", "ended"]
    assert all(event["ended"] and event["state"] == "done" for event in found["events"])
    assert SECRET not in json.dumps(found)


def test_who_follows_a_run_is_told_everything_once(world: World) -> None:
    instance = world.start("tool", SECRET)
    follower = Follower(world, instance)
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(follower.follows)
        action = world.until(instance, lambda d: d["required_action"])["required_action"]
        outputs = [{"tool_call_id": call["id"], "output": SECRET} for call in action["calls"]]
        assert world.post(f"/api/runs/{instance}/tool_outputs", {"tool_outputs": outputs}).status == 202
        following.result()
    events = timeline(world, instance)["events"]
    assert {event["id"]: event for event in events}.items() <= follower.kept.items()
    texts = [json.dumps(event) for event in follower.told]
    assert len(set(texts)) == len(texts)
    assert [n for n in names(events) if n in ("question", "answer", "submit_tool_outputs")] == [
        "question",
        "answer",
        "submit_tool_outputs",
    ]
    question = next(event for event in events if event["kind"] == "question")
    assert (question["event"], question["calls"], question["state"]) == ("tool_outputs_1", 1, "done")
    assert SECRET not in json.dumps(texts)


def test_a_cancel_with_its_reason(world: World) -> None:
    instance = world.start("forever")
    world.until(instance, lambda d: d["run_id"])
    assert world.post(f"/api/runs/{instance}/cancel", {"reason": "enough"}).status == 202
    world.end(instance)
    events = timeline(world, instance)["events"]
    assert [event["reason"] for event in events if event["kind"] == "cancel"] == ["enough"]
    assert events[-1]["status"] == "Cancelled"
    assert names(events)[-2] == "terminate_instance"


def test_a_long_run_tells_all_that_happened_in_its_generations(world: World) -> None:
    instance = world.start("tool", SECRET)
    generations: set[str] = set()
    seen: dict[str, str] = {}

    def is_of_the_third_generation(document: dict[str, Any]) -> bool:
        generations.add(document["createdTime"])
        seen.update((event["id"], event["started"]) for event in timeline(world, instance)["events"])
        return len(generations) > 2

    action = world.until(instance, is_of_the_third_generation)["required_action"]
    outputs = [{"tool_call_id": call["id"], "output": SECRET} for call in action["calls"]]
    assert world.post(f"/api/runs/{instance}/tool_outputs", {"tool_outputs": outputs}).status == 202
    document = world.end(instance)
    events = timeline(world, instance)["events"]
    assert names(events)[0] == "create_thread"
    assert not [event for event in events if event["kind"] == "earlier" or event.get("continued")]
    assert [n for n in names(events) if n in ("question", "answer", "submit_tool_outputs")] == [
        "question",
        "answer",
        "submit_tool_outputs",
    ]
    assert seen.items() <= {event["id"]: event["started"] for event in events}.items()
    assert sum(event.get("looks", 0) for event in events) >= document["customStatus"]["polls"] > 16
    assert SECRET not in json.dumps(events)


def test_a_rewind_is_told_and_nothing_of_before_changes_its_id(world: World) -> None:
    instance = world.run("fails")["instanceId"]
    before = timeline(world, instance)
    assert before["events"][-1]["code"] == "server_error"
    assert world.post(f"{world.host.webhook}/instances/{instance}/rewind?reason=by+hand", b"").status == 202
    world.until(instance, lambda _: "rewound" in names(timeline(world, instance)["events"]))
    world.end(instance)
    after, new = timeline(world, instance), timeline(world, instance, before["next"])
    ids = [event["id"] for event in before["events"][:-1]]
    assert [event["id"] for event in after["events"]][: len(ids)] == ids
    assert names(new["events"]) == ["rewound", "ended"]


def test_a_purged_run_has_no_events(world: World) -> None:
    instance = world.run("instant")["instanceId"]
    assert world.host.request("DELETE", f"{world.host.webhook}/instances/{instance}").status == 200
    for headers in ({}, STREAM):
        answer = world.host.request("GET", f"/api/runs/{instance}/events", headers=headers)
        assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")


# --- conversations ----------------------------------------------------------------------------------------------------


def test_a_conversation_page_by_page(world: World) -> None:
    thread = world.run("history", "first")["thread_id"]
    second = world.run("history", "second", thread_id=thread)
    texts: list[str] = []
    cursor, pages = "", 0
    while True:
        page = world.get(f"/api/threads/{thread}/messages?limit=3" + (f"&cursor={cursor}" if cursor else "")).json
        texts[:0] = [message["text"] for message in page["messages"]]
        pages += 1
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert pages == 2
    assert [texts[0], texts[2], texts[3]] == ["first", "second", second["response"]]
    newest = world.get(f"/api/threads/{thread}/messages?limit=1").json["messages"]
    assert [(m["role"], m["run_id"], m["agent_id"]) for m in newest] == [
        ("assistant", second["run_id"], second["agent_id"])
    ]


def test_what_is_no_thread_and_no_cursor(world: World) -> None:
    thread = world.run("instant")["thread_id"]
    assert world.get("/api/threads/thread_nowhere/messages").status == 404
    answer = world.get(f"/api/threads/{thread}/messages?cursor=msg_nowhere")
    assert (answer.status, answer.json["error"]["target"]) == (400, "cursor")
