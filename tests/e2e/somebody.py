"""What somebody else does at the agent service, in the portal say, with threads or conversations."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import requests

from tests.e2e.generations import present
from tests.e2e.world import World, agent

_OTHERS_TOKEN = {"Authorization": "Bearer somebody"}


_sessions = threading.local()


def asked(world: World, method: str, path: str, body: Any = None) -> requests.Response:
    """Send a request of the present generation below the project's endpoint."""
    session = _sessions.__dict__.setdefault("session", requests.Session())
    return session.request(
        method,
        f"{world.emulator.endpoint}{path}",
        params={"api-version": "v1"} if present() == "classic" else {},
        json=body,
        headers=_OTHERS_TOKEN,
        timeout=30,
    )


def threads_path() -> str:
    return "/threads" if present() == "classic" else "/openai/v1/conversations"


def runs_path(thread_id: str) -> str:
    return f"/threads/{thread_id}/runs" if present() == "classic" else "/openai/v1/responses"


def messages_path(thread_id: str) -> str:
    return f"{threads_path()}/{thread_id}/{'messages' if present() == 'classic' else 'items'}"


def new_thread(world: World) -> str:
    """Make a thread, or a conversation."""
    answer = asked(world, "POST", threads_path(), {})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def threads_of(world: World) -> set[str]:
    """The threads, or conversations, that the service still has."""
    found = asked(world, "GET", f"{threads_path()}?limit=100").json()["data"]
    return {thread["id"] for thread in found}


def start_run(world: World, name: str, thread_id: str, metadata: Mapping[str, str] | None = None) -> str:
    """Start a run of a built-in agent on the thread; return its id."""
    if present() == "classic":
        body: dict[str, Any] = {"assistant_id": agent(name)}
    else:
        reference = {"type": "agent_reference", "name": name}
        body = {"agent_reference": reference, "conversation": thread_id, "background": True}
    answer = asked(world, "POST", runs_path(thread_id), {**body, "metadata": metadata or {}})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def cancel_run(world: World, thread_id: str, run_id: str) -> None:
    answer = asked(world, "POST", f"{runs_path(thread_id)}/{run_id}/cancel", {})
    assert answer.status_code == 200, answer.text


def say(world: World, thread_id: str, *texts: str) -> None:
    """Post messages, one in each text; in one request, where that can be."""
    said = [{"role": "user", "content": text} for text in texts]
    bodies = said if present() == "classic" else [{"items": [{"type": "message", **one} for one in said]}]
    for body in bodies:
        answer = asked(world, "POST", messages_path(thread_id), body)
        assert answer.status_code == 200, answer.text


def written_on(world: World, thread_id: str) -> list[tuple[str, str]]:
    """Who wrote what on the thread, oldest first: role and text."""
    listed = asked(world, "GET", f"{messages_path(thread_id)}?limit=100").json()["data"]
    messages = [m for m in listed if m.get("type", "message") == "message"]
    return [(m["role"], "".join(_text_of(part) for part in m["content"])) for m in messages[::-1]]


def _text_of(part: Mapping[str, Any]) -> str:
    text = part.get("text", "")
    return str(text["value"]) if isinstance(text, dict) else str(text)
