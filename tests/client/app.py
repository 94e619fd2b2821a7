"""An app that answers what a test has scripted, and a clock that pauses move on."""

from __future__ import annotations

import functools
import json
from typing import Any

from client import AgentRuns
from client.address import Address, address_of
from client.transport import Transport
from tests.unit.scripted import ScriptedNetwork, reply

URL = "https://app.example"
KEY = "k3y-of-the-app"
RUN_ID = "fe5de8f1c3a2-61ae4a9a86935293eefe"


class Clock:
    """Stands still but for pauses."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class App:
    """A client whose app answers with a script; `requests` are what it has sent."""

    def __init__(self, *script: Any, address: Address | None = None, patience: float = 120.0) -> None:
        self.network = ScriptedNetwork(*script)
        self.clock = Clock()
        self.notices: list[str] = []
        self.runs = AgentRuns(
            address or address_of(URL, KEY),
            patience=patience,
            notice=self.notices.append,
            make_transport=functools.partial(Transport, adapter=self.network, pause=self.clock.pause, clock=self.clock),
        )

    @property
    def requests(self) -> list[Any]:
        return self.network.requests

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(r.body) if r.body else None for r in self.requests]

    def lasting(self, seconds: float, answer: Any) -> Any:
        """An answer that takes its time."""

        def answered(_request: Any) -> Any:
            self.clock.now += seconds
            return answer

        return answered


def status(name: str = "Running", **fields: Any) -> dict[str, Any]:
    """A status document."""
    known = {
        "instanceId": RUN_ID, "status": name, "response": None, "thread_id": None, "run_id": None, "agent_id": None,
        "step": None, "run_status": None, "waiting_for": None, "required_action": None, "error": None,
        "customStatus": None, "createdTime": "2026-11-26T15:11:48.000000Z",
    }  # fmt: skip
    return {**known, **fields}


def going_on(headers: dict[str, str] | None = None, **fields: Any) -> tuple[int, bytes, dict[str, str]]:
    return reply(202, status(**fields), {"Retry-After": "2", **(headers or {})})


def ended(name: str = "Success", **fields: Any) -> tuple[int, bytes, dict[str, str]]:
    return reply(200, status(name, **fields))


def started() -> tuple[int, bytes, dict[str, str]]:
    return reply(202, {"id": RUN_ID, "runUri": f"{URL}/api/runs/{RUN_ID}"})


def error(number: int, code: str, message: str = "", **more: Any) -> tuple[int, bytes, dict[str, str]]:
    return reply(number, {"error": {"code": code, "message": message, **more}})


QUESTION = {
    "event": "tool_outputs_1",
    "error": None,
    "calls": [
        {"id": "call_1", "kind": "function", "name": "get_weather", "arguments": '{"city": "Oslo"}'},
        {"id": "call_2", "kind": "approval", "name": "pay", "server_label": "bank", "arguments": "{}"},
    ],
}
