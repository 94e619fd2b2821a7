"""The agent services of the worker process: built at the first use, kept for as long as the settings are the same."""

from __future__ import annotations

import functools

from contracts.generations import Generation
from foundry.classic import ClassicAgentService
from foundry.credential import EntraToken, FixedToken, scope_for
from foundry.directory import AgentDirectory
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


@functools.lru_cache(maxsize=1)
def _services(settings: Settings) -> dict[Generation, AgentService]:
    scope = scope_for(settings.project_endpoint, settings.token_scope)
    tokens = FixedToken(settings.access_token) if settings.access_token else EntraToken(settings.client_id, scope)
    transport = Transport(settings.project_endpoint, settings.api_version, tokens, secrets=mcp_secrets())
    return {"classic": ClassicAgentService(transport), "responses": ResponsesAgentService(transport)}
