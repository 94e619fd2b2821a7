"""A second-generation service for the simulation: its threads take the message along, and answers start other runs."""

from __future__ import annotations

from typing import Any

from tests.orchestrator.scripted_foundry import ScriptedFoundry, ok
from tests.orchestrator.simulation import Ended

POLICY = {"agent_id": "historian", "generation": "responses", "agent_version": "3"}


class Conversations(ScriptedFoundry):
    """A second-generation service: `rounds` are the states of one response after the other."""

    def __init__(self, *rounds: dict[float, Any], **overrides: list[Any]) -> None:
        super().__init__(rounds[0] if rounds else None, **overrides)
        self.rounds = list(rounds[1:])
        self.taken_back: list[str] = []
        self.on_thread: list[str] = []
        """Ids of the runs that were on the thread before."""
        self.names_first_message = True
        """A new thread tells the id of the message that it took along."""

    def create_thread(self, payload: Any, seconds: float) -> Any:
        self.threads += 1
        self.messages.append(payload["message"])
        return ok({"thread_id": f"conv_{self.threads}", "message_id": "msg_1" if self.names_first_message else None})

    def create_message(self, payload: Any, seconds: float) -> Any:
        message = payload["message"]
        if message is not None and message not in self.messages:
            self.messages.append(message)
        return ok({"message_id": "msg_1" if message else None, "known_runs": self.on_thread})

    def submit_tool_outputs(self, payload: Any, seconds: float) -> Any:
        self.submitted.append(payload["answer"])
        self.states = self.rounds.pop(0)
        return self.create_run(payload, seconds)

    def cancel_run(self, payload: Any, seconds: float) -> Any:
        taken = super().cancel_run(payload, seconds)
        if taken == ok({"run": None}) and payload["message_id"]:
            self.taken_back.append(payload["message_id"])
        return taken

    def go(self, request: dict[str, Any] | None = None, **options: Any) -> Ended:
        return self.run(request, policy=POLICY, **options)
