"""Starts a response (foundry-responses.md, sections 1.3 and 6)."""

from __future__ import annotations

from typing import Any

from foundry.errors import BackgroundRefusedError
from foundry.second import grace
from foundry.second.background import ForegroundAgents
from foundry.second.paths import RESPONSES
from foundry.transport import Transport

SYNCHRONOUS_SECONDS = 125.0
"""The gateway cuts what takes longer than 120 s, and says so."""


class Starter:
    """Starts responses in the background, or, of an agent that refuses that, while the request waits."""

    def __init__(self, transport: Transport, foreground: ForegroundAgents) -> None:
        self._transport = transport
        self._foreground = foreground

    def start(self, thread_id: str, agent: dict[str, str], metadata: dict[str, str], **more: Any) -> dict[str, Any]:
        """Start a response of the agent, an `agent_reference`; return it as it is then. `more`: what else it is given,
        unless that is None.
        """
        body = {
            "conversation": thread_id,
            "agent_reference": agent,
            "store": True,
            "metadata": metadata,
            **{name: value for name, value in more.items() if value is not None},
        }
        name = f"{agent['name']}:{agent.get('version', '')}"
        if name not in self._foreground:
            try:
                return self._transport.post(RESPONSES, {**body, "background": True})
            except BackgroundRefusedError:
                self._foreground.add(name)
        with grace.in_doubt(grace.SYNCHRONOUS_SECONDS):
            return self._transport.patient(SYNCHRONOUS_SECONDS).post(RESPONSES, body)
