"""No part of an answer vanishes, positions fit what the caller gets, and headers of a tool's server stay secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.foundry_emulator.ledger import masked
from local.foundry_emulator.scripts import Agent, Answer, Call, Phase, Script, Written
from tests.e2e.generations import present
from tests.e2e.world import World, of_own

pytestmark = pytest.mark.e2e

MARK = "\u30104:0\u2020source\u3011"
PATH = "sandbox:/mnt/data/sales.csv"
SECRET = "Bearer planted-header-of-github-93b1"
HEADERS = json.dumps({"server_label": "github", "headers": {"Authorization": SECRET}})


FILES = {
    "classic": [("image_file", "assistant-chart"), ("file_path", "assistant-csv"), ("file", "assistant-notes")],
    "responses": [("container_file_citation", "assistant-chart"), ("file_path", "assistant-csv")],
}
"""What the messages bring along. Nothing is attached to those of a conversation."""
PICTURE = {"classic": "", "responses": "\n"}
"""What a picture adds to the text: as a citation it is a part without a text."""


def text(value: str, *annotations: dict[str, Any]) -> dict[str, Any]:
    return {"type": "text", "text": {"value": value, "annotations": list(annotations)}}


CHART = Written(
    content=[
        {"type": "image_file", "image_file": {"file_id": "assistant-chart"}},
        text(
            f"\U0001f600 Sales rose{MARK}. All of them: {PATH}",
            # UTF-16 units, and no positions at all.
            {
                "type": "file_citation",
                "text": MARK,
                "start_index": 13,
                "end_index": 26,
                "file_citation": {"file_id": "f"},
            },
            {"type": "file_path", "text": PATH, "file_path": {"file_id": "assistant-csv"}},
        ),
    ]
)
QUESTION = Written(
    content=[text("By region[4:1\u2020source]?")], attachments=({"file_id": "assistant-notes", "tools": []},)
)
ODD: tuple[Any, ...] = (
    {"type": "refusal", "refusal": "I cannot name people."},
    {"type": "text", "text": "Bare."},
    {"type": "hologram", "hologram": {"depth": 3}},
)


def writes(name: str, *messages: Written) -> Agent:
    return Agent(
        name=name,
        script=Script(phases=(Phase(seconds=0.1),), answer=Answer(kind="messages", messages=messages)),
    )


AGENTS = [
    writes("draws", CHART, QUESTION),
    writes("refuses", Written(content=list(ODD))),
    writes("talks", *(Written(content=[text(f"{n}" + "x" * 300_000)]) for n in range(5))),
    Agent(
        name="approves",
        script=Script(
            phases=(
                Phase(seconds=0.1),
                Phase(calls=(Call(type="mcp", name="create_issue", server_label="github"),)),
                Phase(seconds=0.1),
            ),
            answer=Answer(kind="tools"),
        ),
    ),
]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(emulator={"agents": AGENTS}, env={"MCP_HEADERS_GITHUB": HEADERS}) as made:
        yield made


def start(world: World, name: str, **fields: Any) -> str:
    answer = world.post("/api/run_agent", {"agent_id": of_own(AGENTS, name), "user_message": "hello", **fields})
    assert answer.status == 202, answer.text
    return str(answer.json["id"])


def test_all_messages_of_a_run_are_told_on_new_and_on_reused_threads(world: World) -> None:
    first = world.end(start(world, "draws"))
    second = world.end(start(world, "draws", thread_id=first["thread_id"]))
    for document in (first, second):
        output = document["output"]
        assert document["response"] == output["response"] == "By region?"
        assert [m["text"] for m in output["messages"]] == [
            f"{PICTURE[present()]}\U0001f600 Sales rose. All of them: {PATH}",
            "By region?",
        ]
        assert output["message_id"] == output["messages"][1]["id"]
        assert [(a["kind"], a["id"]) for a in output["attachments"]] == FILES[present()]
        chart = output["messages"][0]
        *_, cited, linked = chart["annotations"]
        assert cited["part"] == len(PICTURE[present()])
        # In a conversation the citation of a file has no positions but an index.
        positions = {"classic": (12, 12), "responses": (None, None)}[present()]
        assert (cited.get("start_index"), cited.get("end_index")) == positions
        assert chart["text"][linked["start_index"] : linked["end_index"]] == PATH
        assert (output["refusal"], output["not_understood"]) == (False, [])


def test_refusals_bare_texts_and_unknown_parts_do_not_vanish(world: World) -> None:
    output = world.end(start(world, "refuses"))["output"]
    assert output["response"] == "I cannot name people.\nBare."
    assert (output["refusal"], output["not_understood"]) == (True, ["hologram"])


def test_texts_of_older_messages_give_way_to_the_answer(world: World) -> None:
    document = world.end(start(world, "talks"))
    assert document["status"] == "Success", document["error"]
    texts = [m["text"] and m["text"][0] for m in document["output"]["messages"]]
    assert texts == [None, None, None, "3", "4"]
    assert document["response"] == "4" + "x" * 300_000


@pytest.mark.classic("an approval takes no headers")
def test_headers_reach_foundry_and_nothing_else(world: World) -> None:
    instance = start(world, "approves")
    [call] = world.until(instance, lambda d: d["required_action"])["required_action"]["calls"]
    approval = {"tool_call_id": call["id"], "approve": True}
    wrong = world.post(f"/api/runs/{instance}/tool_outputs", {"approvals": [{**approval, "headers_ref": "GITLAB"}]})
    assert (wrong.status, wrong.json["error"]["code"]) == (400, "answer_refused")
    assert "MCP_HEADERS_GITLAB is not set" in wrong.json["error"]["message"]
    right = world.post(f"/api/runs/{instance}/tool_outputs", {"approvals": [{**approval, "headers_ref": "GitHub"}]})
    assert right.status == 202, right.text
    assert world.end(instance)["status"] == "Success"
    [posted] = [e for e in world.emulator.ledger().requests if e.path.endswith("/submit_tool_outputs")]
    assert posted.body["tool_approvals"] == [{**approval, "headers": {"Authorization": masked(SECRET)}}]
    history = json.dumps(world.host.status(instance, "?showHistory=true&showHistoryOutput=true"))
    assert "submit_tool_outputs" in history
    for kept in (history, world.host.log, wrong.text, right.text):
        assert "planted-header" not in kept
    for file in Path(world.host.db).parent.glob(Path(world.host.db).name + "*"):
        assert b"planted-header" not in file.read_bytes()
