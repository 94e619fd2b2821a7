"""What is read about many runs, or looked at by a page, tells no words of callers, agents and tools, and nothing a key.

The conversation on a thread is there to tell those words, and shows here that they would be found.
"""

from __future__ import annotations

from typing import Any

import pytest

from http_api.console import files
from tests.e2e.world import World, agent
from tests.functions_host.harness import Answer
from tests.openapi.description import Description
from tests.openapi.test_answers import Caller, ended

pytestmark = pytest.mark.e2e

PROMPT, OUTPUT = "planted-prompt-71c4", "planted-output-9ab2"
ARGUMENT = "Oslo"  # of the call that the emulator's agent `tool` makes
WORDS = {PROMPT, OUTPUT, ARGUMENT}
TOKEN = "planted-token-5f2c-9d81e0"


def told(answer: Answer, texts: set[str]) -> set[str]:
    return {text for text in texts if text in f"{answer.headers}{answer.text}"}


def runs_of_both_generations(call: Caller) -> list[dict[str, Any]]:
    """Three that have ended: a classic one, one of the second generation, and one whose question was answered; and one
    that asks.
    """
    asked = {"user_message": PROMPT}
    instances = [call("run_agent", {**asked, "agent_id": name}).json["id"] for name in (agent("instant"), "history")]
    answered, asking = (call.start("tool", **asked) for _ in range(2))
    waits = [call.until(i, lambda d: d["required_action"])["required_action"]["calls"] for i in (answered, asking)]
    outputs = [{"tool_call_id": each["id"], "output": OUTPUT} for each in waits[0]]
    assert call("submit_agent_run_tool_outputs", {"tool_outputs": outputs}, instance_id=answered).status == 202
    documents = [call.until(instance, ended) for instance in (*instances, answered)]
    assert {document["status"] for document in documents} == {"Success"}
    return [*documents, call("agent_run_status", instance_id=asking).json]


def test_lists_events_and_console_tell_no_words_and_nothing_tells_a_key(
    world: World, description: Description, key: dict[str, str]
) -> None:
    call = Caller(world, description, key)
    keys = {TOKEN, *(world.host.ready[name] for name in ("function_key", "host_key", "master_key", "system_key"))}
    documents = runs_of_both_generations(call)
    stream = {"Accept": "text/event-stream"}
    about_many = [
        call("list_runs"),
        call("list_runs", query="?needs_answer=true"),
        call("count_runs"),
        call("cancel_runs", {"reason": "enough", "thread_id": documents[-1]["thread_id"]}),
        call("list_runs", query="?status=Success,Cancelled"),
        *(call("agent_run_events", instance_id=document["instanceId"]) for document in documents),
        *(call("agent_run_events", headers=stream, instance_id=document["instanceId"]) for document in documents),
        *(world.get(f"/api/console{file}") for file in ("", *(f"/{name}" for name in files()))),
    ]
    assert [told(answer, WORDS | keys) for answer in about_many] == [set()] * len(about_many)
    assert {document["instanceId"] for document in documents} <= {
        run["instanceId"] for run in about_many[0].json["runs"]
    }

    conversations = [call("thread_messages", thread_id=document["thread_id"]) for document in documents]
    assert [told(answer, {PROMPT, OUTPUT}) for answer in conversations] == [
        {PROMPT},
        {PROMPT},
        {PROMPT, OUTPUT},
        {PROMPT},
    ]
    assert told(call("agent_run_status", instance_id=documents[2]["instanceId"]), WORDS) >= {OUTPUT}
    assert [told(answer, keys) for answer in conversations] == [set()] * len(conversations)
    assert [text for text in (PROMPT, OUTPUT, *keys) if text in world.host.log] == []
