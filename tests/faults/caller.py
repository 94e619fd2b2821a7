"""A caller as it should be: it repeats what got no answer, and can therefore live with a host that dies."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from local.foundry_emulator.second.ids import key_of
from tests.e2e.generations import present
from tests.e2e.world import World, agent
from tests.faults.held import Held, held
from tests.functions_host.harness import Answer

PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.1
ENDED = {"Success", "Failed", "Cancelled"}
_NO_ANSWER = (OSError, http.client.HTTPException)


class Caller:
    """Talks to a world's host. `looks` limits how many callers ask for a status at the same moment."""

    def __init__(self, world: World, *, patience: float = PATIENCE_SECONDS, look_seconds: float = LOOK_SECONDS) -> None:
        self.world = world
        self._patience = patience
        self._look_seconds = look_seconds
        self._looks = threading.Semaphore(8)
        self._instances: dict[str, str] = {}

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send until there is an answer at all: the host may be starting again."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return self.world.host.request(method, path, body, headers=headers)
            except _NO_ANSWER:
                assert time.monotonic() < deadline, f"no answer to {method} {path}"
                time.sleep(0.05)

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
        return self.send("POST", path, body, headers)

    def insist(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send until there is an answer that is no 5xx."""
        deadline = time.monotonic() + self._patience
        while (answer := self.send(method, path, body, headers)).status >= 500:
            assert time.monotonic() < deadline, f"{method} {path}: {answer.text}"
            time.sleep(self._look_seconds)
        return answer

    def terminate(self, instance_id: str) -> Answer:
        """Terminate by the webhook that a start names as `terminatePostUri`: 202, or 410 where it has ended."""
        answer = self.insist("POST", f"{self.world.host.webhook}/instances/{instance_id}/terminate?reason=outside", b"")
        assert answer.status in (202, 410), answer.text
        return answer

    def start(self, name: str, message: str, *, instance_id: str | None = None, **fields: Any) -> str:
        """Start a run in a way that can be repeated: by an id of our own over the webhook, or by an idempotency key."""
        request = {"agent_id": agent(name), "user_message": message, **fields}
        if instance_id is not None:
            path = f"{self.world.host.webhook}/orchestrators/agent_run/{instance_id}"
            answer = self.post(path, request)
            assert answer.status in (202, 409), answer.text  # 409: an earlier try has got through
            self._instances[message] = instance_id
            return instance_id
        started = self.start_unless_busy(name, message, **fields)
        assert started is not None, "its thread was busy"
        return started

    def start_unless_busy(self, name: str, message: str, **fields: Any) -> str | None:
        """Start a run with an idempotency key; None where it is refused at once, since its thread is busy."""
        request = {"agent_id": agent(name), "user_message": message, **fields}
        answer = self.insist("POST", "/api/run_agent", request, {"Idempotency-Key": message})
        if answer.status == 409 and answer.json["error"]["code"] == "thread_busy":
            return None
        assert answer.status == 202, answer.text
        self._instances[message] = str(answer.json["id"])
        return str(answer.json["id"])

    def threads(self) -> Held:
        """What the agent service holds now."""
        return held(self.world.emulator.ledger(), self._instances)

    def document(self, instance_id: str) -> dict[str, Any]:
        with self._looks:
            answer = self.send("GET", f"/api/runs/{instance_id}")
        assert answer.status in (200, 202), answer.text
        return dict(answer.json)

    def until(self, instance_id: str, condition: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Look until the status document meets a condition."""
        deadline = time.monotonic() + self._patience
        while True:
            document = self.document(instance_id)
            if condition(document):
                return document
            assert time.monotonic() < deadline, f"does not get there: {shown(document)}"
            time.sleep(self._look_seconds)

    def until_true(self, condition: Callable[[], Any]) -> Any:
        """Look until the condition holds; return what it returned."""
        deadline = time.monotonic() + self._patience
        while not (result := condition()):
            assert time.monotonic() < deadline, "the condition is never met"
            time.sleep(self._look_seconds)
        return result

    def end(self, instance_id: str) -> dict[str, Any]:
        return self.until(instance_id, lambda d: d["status"] in ENDED)

    def cancel(self, instance_id: str) -> Answer:
        """Cancel as the API says it: a 503 means ask again."""
        return self._acknowledged(f"/api/runs/{instance_id}/cancel", None)

    def answer(self, instance_id: str, document: Mapping[str, Any]) -> Answer:
        """Answer every call that the status document shows."""
        return self._acknowledged(f"/api/runs/{instance_id}/tool_outputs", tool_answer(document))

    def answer_until_ended(self, instance_id: str) -> dict[str, Any]:
        """Answer every question once, until the run has ended: an answer that was accepted must not get lost."""
        answered: set[str] = set()
        while True:
            document = self.until(instance_id, lambda d: d["status"] in ENDED or _unanswered(d, answered))
            if document["status"] in ENDED:
                return document
            event = document["required_action"]["event"]
            answer = self.answer(instance_id, document)
            assert answer.status in (202, 400, 409), answer.text  # one that has got through already is refused
            if answer.status == 202:
                answered.add(event)

    def _acknowledged(self, path: str, body: Any) -> Answer:
        deadline = time.monotonic() + self._patience
        while True:
            answer = self.post(path, body)
            if answer.status != 503:
                return answer
            assert time.monotonic() < deadline, answer.text


def _unanswered(document: Mapping[str, Any], answered: set[str]) -> bool:
    question = document["required_action"]
    return question is not None and question["event"] not in answered


def tool_answer(document: Mapping[str, Any]) -> dict[str, Any]:
    calls = document["required_action"]["calls"]
    return {
        "tool_outputs": [{"tool_call_id": c["id"], "output": c["name"]} for c in calls if c["kind"] == "function"],
        "approvals": [{"tool_call_id": c["id"], "approve": True} for c in calls if c["kind"] == "approval"],
    }


def shown(document: Mapping[str, Any]) -> str:
    """What matters of a status document, for a message."""
    names = ("instanceId", "runtimeStatus", "status", "thread_id", "run_id", "run_status", "error", "output")
    custom = document.get("customStatus") or {}
    return str({n: document.get(n) for n in names} | {n: custom.get(n) for n in ("step", "retrying", "polls")})


def new_thread(world: World) -> str:
    """Make a thread, or a conversation, as somebody else does, so that all requests about it are known by its id."""
    classic = present() == "classic"
    return post_thread(world.emulator.endpoint, "/threads?api-version=v1" if classic else "/openai/v1/conversations")


def mentioned_by(thread_id: str) -> str:
    """Return the text that all requests about a thread, or a conversation, mention."""
    return thread_id if thread_id.startswith("thread_") else key_of(thread_id)


def post_thread(endpoint: str, path: str = "/threads?api-version=v1") -> str:
    """Make a thread in the project."""
    request = urllib.request.Request(
        f"{endpoint}{path}",
        b"{}",
        {"Authorization": "Bearer x", "Content-Type": "application/json"},
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return str(json.load(answer)["id"])
        except _NO_ANSWER:  # another case has the port refused just now
            assert time.monotonic() < deadline, "the emulator does not come back"
            time.sleep(0.05)
