"""Agents of the second generation: every scripted one by its name, and some of the kinds that classic has not."""

import re
from collections.abc import Iterable

from local.foundry_emulator.scripts import Agent, Answer, Phase, Script
from local.foundry_emulator.second.objects import AgentVersion, Json, NamedAgent

LONGEST_NAME = 63
_STEPS = (Phase(status="queued", seconds=0.5), Phase(seconds=1), Phase(seconds=1))

_BUILTIN = (
    Agent(name="workflow", kind="workflow", description="A workflow of 2.5 s that answers as history."),
    Agent(
        name="silentWorkflow",
        kind="workflow",
        description="A workflow that completes after 2.5 s without a message.",
        script=Script(phases=_STEPS, answer=Answer(kind="none")),
    ),
    Agent(name="hosted", kind="hosted", description="A hosted agent; answers as history."),
    Agent(name="disabled", disabled=True, description="Switched off: every response is refused with 403."),
)


def second_only_agents() -> tuple[Agent, ...]:
    """Return the built-in agents that classic does not have."""
    return _BUILTIN


def name_of(agent: Agent) -> str:
    """Return the name under which an agent is offered: letters, digits and inner hyphens, at most 63."""
    return re.sub(r"[^A-Za-z0-9]+", "-", agent.name)[:LONGEST_NAME].strip("-") or "agent"


def named(agents: Iterable[Agent], now: float) -> dict[str, NamedAgent]:
    """Offer agents by their names. Several of one name are its versions, in their order."""
    found: dict[str, NamedAgent] = {}
    for agent in agents:
        one = found.setdefault(name_of(agent), NamedAgent(name_of(agent), [], does=agent.description))
        one.made += 1
        one.enabled = not agent.disabled
        one.versions.append(
            AgentVersion(str(one.made), now, _definition(agent), agent.script, agent.description, dict(agent.metadata))
        )
    return found


def _definition(agent: Agent) -> Json:
    if agent.kind != "prompt":
        return {"kind": agent.kind}
    return {
        "kind": "prompt",
        "model": agent.model,
        "instructions": agent.instructions,
        "tools": [_tool(one) for one in agent.tools],
    }


def _tool(classic: Json) -> Json:
    """Flatten a classic function, as this generation writes it."""
    function = classic.get("function")
    return {"type": "function", **function} if isinstance(function, dict) else classic
