"""What the settings make of a request: which agent, how long, how often. A pure decision, shared by every way to
start a run.
"""

from __future__ import annotations

import re

from contracts.codes import ErrorCode
from contracts.formats import ID_PATTERN
from contracts.request import DeleteThreadWhen, RunPolicy
from settings import Settings
from validation.field_errors import FieldError, InvalidRequestError


def policy_for(
    settings: Settings,
    *,
    agent_id: str | None,
    timeout_seconds: int | None,
    delete_thread: DeleteThreadWhen | None = None,
) -> RunPolicy:
    """Return the policy for a run; raise `InvalidRequestError` where the settings do not allow what was asked for."""
    errors = policy_errors(settings, agent_id=agent_id, timeout_seconds=timeout_seconds)
    agent = agent_id or settings.default_agent_id
    if agent is not None and not re.fullmatch(ID_PATTERN, agent):
        message = "must be the agent's id: a name is looked up by the app's own routes only"
        errors.append(FieldError(code=ErrorCode.INVALID, message=message, target="agent_id"))
    if errors or agent is None:
        raise InvalidRequestError(errors)
    return RunPolicy(
        agent_id=agent,
        timeout_seconds=timeout_seconds or settings.timeout_seconds,
        rate_limit_retries=settings.rate_limit_retries,
        delete_thread=delete_thread or settings.delete_thread,
        monitor_url=settings.monitor_url,
    )


def policy_errors(settings: Settings, *, agent_id: object, timeout_seconds: object) -> list[FieldError]:
    """Return what the settings do not allow about these two; values of a wrong type are not its business."""
    errors: list[FieldError] = []
    agent = agent_id or settings.default_agent_id
    if agent is None:
        message = "is required: name the agent (GET /api/agents lists them), or set FOUNDRY_DEFAULT_AGENT_ID"
        errors.append(FieldError(code=ErrorCode.REQUIRED, message=message, target="agent_id"))
    elif isinstance(agent, str) and not settings.allows(agent):
        message = "is not among the agents of FOUNDRY_ALLOWED_AGENT_IDS"
        errors.append(FieldError(code=ErrorCode.NOT_ALLOWED, message=message, target="agent_id"))
    return errors + timeout_errors(settings, timeout_seconds)


def timeout_errors(settings: Settings, timeout_seconds: object) -> list[FieldError]:
    """Return what the settings do not allow about the time; a value of a wrong type is not its business."""
    if not isinstance(timeout_seconds, int) or timeout_seconds <= settings.max_timeout_seconds:
        return []
    message = f"must be at most {settings.max_timeout_seconds} (RUN_MAX_TIMEOUT_SECONDS)"
    return [FieldError(code=ErrorCode.TOO_LARGE, message=message, target="timeout_seconds")]
