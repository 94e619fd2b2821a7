"""The agent services of the worker process: built at the first use, kept for as long as the settings are the same."""

from __future__ import annotations

import functools

from contracts.agents import ResolvedAgent
from contracts.generations import Generation
from foundry.classic import ClassicAgentService
from foundry.credential import EntraToken, FixedToken, scope_for
from foundry.directory import AgentDirectory, complete
from foundry.second import ResponsesAgentService
from foundry.service import AgentService
from foundry.transport import Transport
from settings import Settings, mcp_secrets


@functools.lru_cache(maxsize=1)
def agent_directory(settings: Settings) -> AgentDirectory:  # noqa: ARG001 - one for each project
    """Return what this worker knows of the project's agents."""
    return AgentDirectory()


def agent_service(settings: Settings, generation: Generation) -> AgentService:
    """Return the service of this generation that the settings name."""
    return _services(settings)[generation]


def agent_services(settings: Settings) -> dict[Generation, AgentService]:
    """Return the services of the generations that the app speaks to."""
    return {generation: agent_service(settings, generation) for generation in settings.generations}


def resolved_agent(settings: Settings, given: str, seconds: float) -> ResolvedAgent:
    """Return the agent that is meant, as far as callers may run it. Blocks for so long at most, and raises as
    `AgentDirectory.resolve`.
    """
    services = {generation: each.within(seconds) for generation, each in agent_services(settings).items()}
    return agent_directory(settings).resolve(services, given, settings.allowed_agent_ids)


def planned_agent(settings: Settings, given: str, seconds: float) -> ResolvedAgent:
    """Return the same, for a start that no caller waits for: nobody is asked where the run will tell as well."""
    return complete(given) or resolved_agent(settings, given, seconds)


@functools.lru_cache(maxsize=1)
def _services(settings: Settings) -> dict[Generation, AgentService]:
    scope = scope_for(settings.project_endpoint, settings.token_scope)
    tokens = FixedToken(settings.access_token) if settings.access_token else EntraToken(settings.client_id, scope)
    transport = Transport(settings.project_endpoint, settings.api_version, tokens, secrets=mcp_secrets())
    return {"classic": ClassicAgentService(transport), "responses": ResponsesAgentService(transport)}
