"""What an agent of the wire says, and how a request names one (foundry-responses.md, section 1.1). Pure."""

from __future__ import annotations

from typing import Any

from contracts.runs import AgentSummary
from foundry.fields import obj, optional, text_of, word


def name_and_version(agent_id: str, version: str | None = None) -> tuple[str, str | None]:
    """Return name and version of `name` or `name:version`; a `version` beside it wins, None stands for the latest."""
    name, _, own = agent_id.partition(":")
    return name, version or own or None


def reference_to(agent_id: str, version: str | None) -> dict[str, str]:
    """Return the agent as a new response names it."""
    name, wanted = name_and_version(agent_id, version)
    return {"type": "agent_reference", "name": name, **({"version": wanted} if wanted else {})}


def reference_in(holder: dict[str, Any]) -> dict[str, str] | None:
    """Return the agent that a response says it is of; None where it does not say."""
    found = obj(holder.get("agent_reference"))
    name, version = optional(found, "name"), optional(found, "version")
    return reference_to(name, version) if name else None


def summary_of(agent: dict[str, Any]) -> AgentSummary:
    """Return the agent, in its latest version."""
    version = obj(obj(agent.get("versions")).get("latest"))
    return summary_of_version(version, text_of(agent, "name"), enabled=agent.get("state") != "disabled")


def summary_of_version(version: dict[str, Any], name: str, *, enabled: bool) -> AgentSummary:
    """Return one version of an agent."""
    definition = obj(version.get("definition"))
    return AgentSummary(
        id=name,
        name=name,
        model=optional(definition, "model") or None,
        generation="responses",
        version=optional(version, "version") or None,
        kind=word(definition.get("kind")),
        enabled=enabled,
    )
