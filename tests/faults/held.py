"""What the agent service holds in the end, of either generation in the same words: threads with messages and runs.

Items of a conversation carry no stamp: a message is known by its words, which every caller makes his own. A run is the
chain of the responses that go on behind each other's calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from contracts.runs import METADATA_INSTANCE, METADATA_OPERATION
from local.foundry_emulator.ledger import Ledger

Held = dict[str, dict[str, Any]]


def held(ledger: Ledger, instances: Mapping[str, str]) -> Held:
    """Return all threads, and all conversations as such; `instances` are those that were started, by their messages."""
    seen = {thread_id: _as_thread(one, instances) for thread_id, one in ledger.conversations.items()}
    return {**ledger.threads, **seen}


def _as_thread(conversation: Mapping[str, Any], instances: Mapping[str, str]) -> dict[str, Any]:
    # One of this app's that nobody has used is as good as empty: its message came with it, and its id was lost.
    unused = METADATA_INSTANCE in conversation["metadata"] and not conversation["responses"]
    users = [one for one in conversation["items"] if one["role"] == "user" and not unused]
    messages = [_as_message(one, instances) for one in users]
    return {**conversation, "messages": messages, "runs": list(_as_runs(conversation["responses"]))}


def _as_message(item: Mapping[str, Any], instances: Mapping[str, str]) -> dict[str, Any]:
    owner = instances.get(item["text"])
    stamp = {METADATA_INSTANCE: owner, METADATA_OPERATION: f"{owner}:message"} if owner else {}
    return {"id": item["id"], "role": "user", "metadata": stamp}


def _as_runs(responses: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the runs; a second response behind the same calls is one of its own. What closes calls is none, and a
    response that failed behind some leaves them open for the next.
    """
    runs: dict[str, dict[str, Any]] = {}
    for one in responses:
        if one["metadata"].get(METADATA_OPERATION, "").startswith("close:"):
            continue
        run = runs.pop(one["continues"], None) if one["continues"] else None
        if run is None:
            run = {**one, "agent_id": one["agent"].rpartition(":")[0], "tool_rounds_answered": 0}
            yield run
        else:
            run["status"] = one["status"]
            run["tool_rounds_answered"] += one["status"] != "failed"
        runs[one["continues"] if one["status"] == "failed" else one["id"]] = run


def poisoned(threads: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Find conversations that do nothing any more, or that wait for somebody."""
    for thread_id, thread in threads.items():
        if thread.get("broken"):
            yield f"{thread_id} is broken for good"
        if thread.get("open_calls"):
            yield f"{thread_id} waits for {thread['open_calls']}"
