"""What the settings make of a request: which agent, how long, how often. A pure decision, shared by every way to
start a run.
"""

from __future__ import annotations

import re

from contracts.agents import ResolvedAgent
from contracts.codes import ErrorCode
from contracts.formats import AGENT_ID_PATTERN
from contracts.request import DeleteThreadWhen, RunPolicy
from settings import Settings
from validation.field_errors import FieldError, InvalidRequestError


def policy_for(
    settings: Settings,
    *,
    agent: ResolvedAgent | None,
    timeout_seconds: int | None,
    delete_thread: DeleteThreadWhen | None = None,
) -> RunPolicy:
    """Return the policy for a run of this agent; raise `InvalidRequestError` where there is none, or where the settings
    do not allow what was asked for.
    """
    errors = agent_errors(settings, agent) or _generation_errors(settings, agent)
    errors += timeout_errors(settings, timeout_seconds)
    if errors or agent is None:
        raise InvalidRequestError(errors)
    return RunPolicy(
        agent_id=agent.agent_id,
        generation=agent.generation,
        agent_version=agent.version,
        timeout_seconds=timeout_seconds or settings.timeout_seconds,
        rate_limit_retries=settings.rate_limit_retries,
        delete_thread=delete_thread or settings.delete_thread,
        monitor_url=settings.monitor_url,
    )


def agent_errors(settings: Settings, agent: ResolvedAgent | None) -> list[FieldError]:
    """Return why this agent may not be run. Whether its generation is switched on counts at the start only: a run that
    is under way goes on.
    """
    if agent is None:
        return [_no_agent()]
    if not re.fullmatch(AGENT_ID_PATTERN, agent.agent_id):
        message = "must be the agent's id, or the name of a second-generation agent"
        return [FieldError(code=ErrorCode.INVALID, message=message, target="agent_id")]
    if not settings.allows(agent.agent_id, agent.version):
        return [_not_allowed()]
    return []


def _generation_errors(settings: Settings, agent: ResolvedAgent | None) -> list[FieldError]:
    if agent is None or agent.generation in settings.generations:
        return []
    message = f"is an agent of the generation '{agent.generation}', which FOUNDRY_GENERATIONS leaves out"
    return [FieldError(code=ErrorCode.NOT_ALLOWED, message=message, target="agent_id")]


def policy_errors(settings: Settings, *, agent_id: object, timeout_seconds: object) -> list[FieldError]:
    """Return what the settings do not allow about these two, before it is known which agent is meant; values of a wrong
    type are not its business.
    """
    errors: list[FieldError] = []
    agent = agent_id or settings.default_agent_id
    if agent is None:
        errors.append(_no_agent())
    elif isinstance(agent, str) and not settings.allows(agent):
        errors.append(_not_allowed())
    return errors + timeout_errors(settings, timeout_seconds)


def _no_agent() -> FieldError:
    message = "is required: name the agent (GET /api/agents lists them), or set FOUNDRY_DEFAULT_AGENT_ID"
    return FieldError(code=ErrorCode.REQUIRED, message=message, target="agent_id")


def _not_allowed() -> FieldError:
    message = "is not among the agents of FOUNDRY_ALLOWED_AGENT_IDS"
    return FieldError(code=ErrorCode.NOT_ALLOWED, message=message, target="agent_id")


def timeout_errors(settings: Settings, timeout_seconds: object) -> list[FieldError]:
    """Return what the settings do not allow about the time; a value of a wrong type is not its business."""
    if not isinstance(timeout_seconds, int) or timeout_seconds <= settings.max_timeout_seconds:
        return []
    message = f"must be at most {settings.max_timeout_seconds} (RUN_MAX_TIMEOUT_SECONDS)"
    return [FieldError(code=ErrorCode.TOO_LARGE, message=message, target="timeout_seconds")]
