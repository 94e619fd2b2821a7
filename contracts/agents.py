"""The agent that a start means, once that is known."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.generations import Generation


@dataclass(frozen=True)
class ResolvedAgent:
    """One agent of the project, in one version where it has any."""

    agent_id: str
    """What the caller asked for, or the id that a classic agent's name stands for."""
    generation: Generation = "classic"
    version: str | None = None
    """Of a second-generation agent."""
