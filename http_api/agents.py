"""`GET /api/agents`: job discovery. Also how an agent is found that a start names."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from contracts.agents import ResolvedAgent, runnable
from contracts.codes import ErrorCode
from contracts.generations import Generation
from contracts.runs import AgentSummary
from foundry.connection import agent_service, resolved_agent
from foundry.directory import complete, is_agent_id
from foundry.errors import AgentDisabledError, AmbiguousAgentError, FoundryError, UnknownAgentError
from http_api.answers import ApiError, answering, json_answer
from http_api.messages import AgentList, ListingWarning
from settings import Settings, load_settings
from validation.given_ids import of_another_kind

blueprint = df.Blueprint()

LISTING_SECONDS = 30.0
CHECK_SECONDS = 12.0
"""Of one generation, and there are two."""
LOOKUP_SECONDS = 3.0
"""A start does not wait longer to learn whether its agent exists."""

# Threads of their own: those of the worker are as many as there are activities and orchestrators, and those of the loop
# are shared with the scan for orphans. However many slow listings there are, nothing else waits for them.
_listings = ThreadPoolExecutor(4, thread_name_prefix="listing")
_lookups = ThreadPoolExecutor(4, thread_name_prefix="lookup")
checks = ThreadPoolExecutor(2, thread_name_prefix="check")


@blueprint.route(route="agents", methods=["GET"])
@answering
async def list_agents(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the trigger's parameter
    """List every agent that callers may run, ordered by name. Where one generation cannot be listed, the other's
    agents, and why; where none can, a 502.
    """
    settings = load_settings()
    listings = await asyncio.gather(*(_listed(settings, generation) for generation in settings.generations))
    warnings = [listing for listing in listings if isinstance(listing, ListingWarning)]
    if len(warnings) == len(listings):
        raise ApiError(502, warnings[0].code, warnings[0].message)
    found = [agent for listing in listings if not isinstance(listing, ListingWarning) for agent in listing]
    agents = sorted(runnable(settings.allowed_agent_ids, found), key=lambda a: ((a.name or "").lower(), a.id))
    return json_answer(AgentList(agents=agents, warnings=warnings))


async def _listed(settings: Settings, generation: Generation) -> list[AgentSummary] | ListingWarning:
    service = agent_service(settings, generation)
    try:
        agents: list[AgentSummary] = await in_time(
            _listings, lambda: list(service.within(LISTING_SECONDS).list_agents())
        )
    except FoundryError as error:
        return ListingWarning(generation=generation, code=error.code, message=error.message)
    except TimeoutError:
        message = f"Foundry has not listed its agents within {LISTING_SECONDS:.0f} seconds: ask again"
        return ListingWarning(generation=generation, code=ErrorCode.CONNECTION_FAILED, message=message)
    return agents


def is_agent_name(given: str) -> bool:
    """Say whether this names an agent otherwise than by its id."""
    return not is_agent_id(given)


async def known_agent(settings: Settings, given: str) -> ResolvedAgent:
    """Return the agent that is meant; raise a 404 where there is none, a 400 where there are several or it is disabled.

    Where Foundry does not tell in time, what names an agent completely is taken as it is: the run will tell.
    """
    try:
        resolve = lambda: resolved_agent(settings, given, LOOKUP_SECONDS)  # noqa: E731
        agent: ResolvedAgent = await in_time(_lookups, resolve, LOOKUP_SECONDS + 1)
    except UnknownAgentError as error:
        other = of_another_kind(given, "an agent")
        message = f"{error.message} ({other})" if other else error.message
        raise ApiError(404, error.code, message, target="agent_id") from None
    except (AmbiguousAgentError, AgentDisabledError) as error:
        raise ApiError(400, error.code, error.message, target="agent_id") from None
    except (FoundryError, TimeoutError) as error:
        if (named := complete(given)) is not None:
            return named
        code = error.code if isinstance(error, FoundryError) else ErrorCode.CONNECTION_FAILED
        message = (
            f"Foundry does not tell now which agent has the name {given!r}: name it by its id, or with its version "
            "(name:version), or ask again"
        )
        raise ApiError(502, code, message, target="agent_id") from None
    return agent


async def in_time(threads: ThreadPoolExecutor, work: Callable[[], Any], seconds: float | None = None) -> Any:
    """Run what blocks in one of these threads; raise `TimeoutError` where that takes too long, the wait for a free
    thread included.
    """
    run = contextvars.copy_context().run  # within the trace, that is
    started = asyncio.get_running_loop().run_in_executor(threads, lambda: run(work))
    return await asyncio.wait_for(started, seconds or LISTING_SECONDS)


def foundry_problem(settings: Settings, generation: Generation) -> FoundryError | None:
    """Ask the project for something small; return what is wrong with this generation, if anything is."""
    try:
        agent_service(settings, generation).within(CHECK_SECONDS).check()
    except FoundryError as error:
        return error
    return None
