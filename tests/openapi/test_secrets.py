"""No secret that the app is given leaves it: not in an answer, a log line, a history or the database.

Over runs of every end, with a token from the settings and with tokens of a managed identity, whose endpoint then fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.world import PATIENCE_SECONDS, World, agent
from tests.faults.identity import SECRET, TOKEN, IdentityEndpoint
from tests.functions_host.harness import Answer

pytestmark = pytest.mark.e2e

FIXED = "planted-token-5f2c-9d81e0"
"""The token of `tests.e2e.world`."""


class Watched:
    """A world whose every answer is kept."""

    def __init__(self, world: World, identity: IdentityEndpoint | None) -> None:
        self.world = world
        self.identity = identity
        self.answers: list[Answer] = []
        ready = world.host.ready
        self.secrets = [FIXED, SECRET, TOKEN, *(ready[name] for name in ("function_key", "host_key", "master_key"))]

    def request(self, method: str, path: str, body: Any = None, key: str = "function_key") -> Answer:
        headers = {"x-functions-key": self.world.host.ready[key]}
        answer = self.world.host.request(method, path, body, headers=headers)
        self.answers.append(answer)
        return answer

    def start(self, name: str, **fields: Any) -> str:
        answer = self.request("POST", "/api/run_agent", {"agent_id": agent(name), "user_message": "hi", **fields})
        assert answer.status == 202, answer.text
        return str(answer.json["id"])

    def until(self, instance: str, condition: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition(document := dict(self.request("GET", f"/api/runs/{instance}").json)):
            assert time.monotonic() < deadline, document
            time.sleep(0.05)
        return document

    def end(self, instance: str) -> tuple[str, str | None]:
        """How the run ends: status, and code of its error."""
        document = self.until(instance, lambda d: d["status"] not in ("Running", "Cancelling"))
        return document["status"], (document["error"] or {}).get("code")

    def told(self, text: str) -> list[str]:
        return [secret for secret in self.secrets if secret in text]


@pytest.fixture(params=["fixed token", "managed identity"])
def watched(request: pytest.FixtureRequest) -> Iterator[Watched]:
    with ExitStack() as stack:
        identity = stack.enter_context(IdentityEndpoint()) if request.param == "managed identity" else None
        env = identity.env if identity else {}
        yield Watched(stack.enter_context(World(env=env, args=["--auth", "--verbose"])), identity)


def runs_of_every_end(watched: Watched) -> list[tuple[str, str | None]]:
    """Start and see them end, among them one whose token Foundry refuses half-way, and one that it never takes."""
    faults = watched.world.emulator.faults
    together = [watched.start(name) for name in ("instant", "rich", "fails")]
    together += [watched.start("instant", thread_id="thread_nowhere"), watched.start("forever", timeout_seconds=3)]
    cancelled, asks = watched.start("forever"), watched.start("tool")
    watched.until(cancelled, lambda d: d["run_id"])
    assert watched.request("POST", f"/api/runs/{cancelled}/cancel", b"").status == 202
    calls = watched.until(asks, lambda d: d["required_action"])["required_action"]["calls"]
    wrong = {"tool_outputs": [{"tool_call_id": "call_other", "output": "rain"}]}
    assert watched.request("POST", f"/api/runs/{asks}/tool_outputs", wrong).status == 400
    right = {"tool_outputs": [{"tool_call_id": call["id"], "output": "rain"} for call in calls]}
    assert watched.request("POST", f"/api/runs/{asks}/tool_outputs", right).status == 202
    ends = [watched.end(instance) for instance in (*together, cancelled, asks)]
    faults.add("status", status=401, operation="create_run")
    ends.append(watched.end(watched.start("instant")))
    faults.add("status", status=401, operation="create_thread", times=2)
    ends.append(watched.end(watched.start("instant")))
    return ends


def test_nothing_tells_a_secret(watched: Watched) -> None:
    faults, identity = watched.world.emulator.faults, watched.identity
    ends = runs_of_every_end(watched)
    assert {status for status, _ in ends} == {"Success", "Failed", "Cancelled"}
    assert {"not_found", "timeout", "unauthorized"} <= {code for _, code in ends}
    for path in ("health/ready", "runs", "runs/counts", "agents", "openapi.json"):
        assert watched.request("GET", f"/api/{path}").status == 200
    for run in watched.request("GET", "/api/runs?limit=3").json["runs"]:
        assert watched.request("GET", f"/api/runs/{run['instanceId']}/events").json["events"]
        assert run["thread_id"] is None or watched.request("GET", f"/api/threads/{run['thread_id']}/messages").json
    if identity:
        assert len(identity.issued) > 2
        identity.fails = True
        for operation in ("list_agents", "list_named_agents"):  # the token in use is thrown away
            faults.add("status", status=401, operation=operation)
        assert watched.request("GET", "/api/agents").json["error"]["code"] == "token_unavailable"
        assert watched.request("GET", "/api/health/ready").status == 503
        assert watched.end(watched.start("instant", timeout_seconds=20)) == ("Failed", "timeout")
        assert identity.refused > 0

    webhook = watched.world.host.webhook
    instances = watched.request("GET", f"{webhook}/instances?showInput=true", key="system_key").json
    assert len(instances) == len(ends) + (1 if identity else 0)
    for instance in instances:
        path = f"{webhook}/instances/{instance['instanceId']}?showInput=true&showHistory=true&showHistoryOutput=true"
        assert watched.request("GET", path, key="system_key").json["historyEvents"]
    assert [told for answer in watched.answers if (told := watched.told(f"{answer.headers}{answer.text}"))] == []
    assert watched.told(watched.world.host.log) == []

    watched.world.host.stop()
    files = [path for path in Path(watched.world.host.db).parent.glob("state.db*") if path.is_file()]
    stored = b"".join(path.read_bytes() for path in files).decode("latin-1")
    assert all(instance["instanceId"] in stored for instance in instances)
    assert watched.told(stored) == []


def test_a_secret_would_be_found(watched: Watched) -> None:
    """The counter-check: what a caller sends is found in all those places."""
    planted = "planted-by-a-caller-3d77"
    watched.secrets = [planted]
    instance = watched.start("instant", metadata={"note": planted})
    assert watched.end(instance) == ("Success", None)
    path = f"{watched.world.host.webhook}/instances/{instance}?showInput=true&showHistory=true&showHistoryOutput=true"
    assert watched.told(watched.request("GET", path, key="system_key").text)
    watched.world.host.stop()
    assert watched.told(Path(watched.world.host.db).read_bytes().decode("latin-1"))
