"""What the settings make of a request: which agent, how long, how often. A pure decision, shared by every way to
start a run.
"""

from __future__ import annotations

from contracts import FieldError, InvalidRequestError, RunPolicy
from settings import Settings


def policy_for(settings: Settings, *, agent_id: str | None, timeout_seconds: int | None) -> RunPolicy:
    """Return the policy for a run; raise `InvalidRequestError` where the settings do not allow what was asked for."""
    errors: list[FieldError] = []
    agent = agent_id or settings.default_agent_id
    if agent is None:
        errors.append(
            FieldError(
                code="required",
                message="is required: name the agent (GET /api/agents lists them), or set FOUNDRY_DEFAULT_AGENT_ID",
                target="agent_id",
            )
        )
    elif not settings.allows(agent):
        errors.append(
            FieldError(
                code="not_allowed",
                message="is not among the agents of FOUNDRY_ALLOWED_AGENT_IDS",
                target="agent_id",
            )
        )
    if timeout_seconds is not None and timeout_seconds > settings.max_timeout_seconds:
        errors.append(
            FieldError(
                code="too_large",
                message=f"must be at most {settings.max_timeout_seconds} (RUN_MAX_TIMEOUT_SECONDS)",
                target="timeout_seconds",
            )
        )
    if errors:
        raise InvalidRequestError(errors)
    return RunPolicy(
        agent_id=agent or "",
        timeout_seconds=timeout_seconds or settings.timeout_seconds,
        rate_limit_retries=settings.rate_limit_retries,
        monitor_url=settings.monitor_url,
    )
