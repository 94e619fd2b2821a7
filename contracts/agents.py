"""Which agent a start means, once that is known, and which ones an app lets its callers run. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import msgspec

from contracts.generations import Generation
from contracts.runs import AgentSummary


@dataclass(frozen=True)
class ResolvedAgent:
    """One agent of the project, in one version where it has any."""

    agent_id: str
    """What the caller asked for, or the id that a classic agent's name stands for."""
    generation: Generation = "classic"
    version: str | None = None
    """Of a second-generation agent."""


def allows(allowed: Collection[str] | None, agent_id: str, version: str | None = None) -> bool:
    """Say whether an agent may be run: by its id, or by its name, of which the version may be a part, in any version or
    just in that one. None allows every agent.
    """
    name, _, named_version = agent_id.partition(":")
    version = named_version or version
    return allowed is None or name in allowed or (version is not None and f"{name}:{version}" in allowed)


def runnable(allowed: Collection[str] | None, agents: Iterable[AgentSummary]) -> Iterator[AgentSummary]:
    """Yield the agents that may be run, each as a start names it: by `name:version` where just some versions may."""
    for agent in agents:
        if allows(allowed, agent.id):
            yield agent
            continue
        for given in sorted(allowed or ()):
            name, _, version = given.partition(":")
            if name == agent.id:
                older = {} if version == agent.version else {"model": None, "kind": None}
                yield msgspec.structs.replace(agent, id=given, version=version, **older)
