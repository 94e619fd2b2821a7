"""`GET /api/agents`: job discovery. Also the one place of the HTTP API that talks to Foundry."""

from __future__ import annotations

import asyncio

import azure.durable_functions as df
import azure.functions as func

from foundry.connection import agent_service
from foundry.errors import FoundryError
from http_api.answers import ApiError, answering, json_answer
from settings import Settings, load_settings

blueprint = df.Blueprint()


@blueprint.route(route="agents", methods=["GET"])
@answering
async def list_agents(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the trigger's parameter
    """List every agent that callers may run: `id`, `name`, `model`, ordered by name."""
    settings = load_settings()
    try:
        # In a thread of the loop's own: those of the worker are as many as there are activities and orchestrators.
        listed = await asyncio.to_thread(lambda: list(agent_service(settings).list_agents()))
    except FoundryError as error:
        raise ApiError(502, error.code, error.message) from None
    agents = [agent for agent in listed if settings.allows(agent.id)]
    return json_answer({"agents": sorted(agents, key=lambda a: ((a.name or "").lower(), a.id))})


def foundry_problem(settings: Settings) -> tuple[str, str] | None:
    """Ask the project for something small; return the code and message of what is wrong, if anything is."""
    try:
        agent_service(settings).check()
    except FoundryError as error:
        return error.code, error.message
    return None
