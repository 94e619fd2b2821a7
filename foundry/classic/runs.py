"""What a run of the wire says (foundry-api.md, section 1.3). Pure."""

from __future__ import annotations

from typing import Any

from contracts.runs import RunSnapshot, RunState
from foundry import errors
from foundry.classic.pending import pending_calls
from foundry.failures import failure_of
from foundry.fields import id_of, instance_of, optional, text_of
from foundry.harmless import numbers, unix_seconds
from foundry.usage import tokens_of

_STATES = {
    "queued": RunState.ACTIVE,
    "in_progress": RunState.ACTIVE,
    "requires_action": RunState.REQUIRES_ACTION,
    "cancelling": RunState.CANCELLING,
    "completed": RunState.COMPLETED,
    "failed": RunState.FAILED,
    "expired": RunState.EXPIRED,
    "incomplete": RunState.INCOMPLETE,
    "cancelled": RunState.CANCELLED,
}
"""A status that is not listed is one that Foundry invented later: the run counts as active, until the deadline, unless
it asks something.
"""

_DETAILS = ("prompt_token_details", "prompt_tokens_details")


def snapshot(run: dict[str, Any], thread_id: str, run_id: str | None = None) -> RunSnapshot:
    """Return the run, which must be the one that was asked for."""
    if id_of(run, "thread_id") != thread_id or (run_id is not None and id_of(run, "id") != run_id):
        raise errors.BadResponseError(f"Foundry's answer is about another run than {run_id or 'one'} of {thread_id}")
    raw = text_of(run, "status")
    action = run.get("required_action")
    state = _STATES.get(raw, RunState.REQUIRES_ACTION if action else RunState.ACTIVE)
    failure = failure_of(state, error=run.get("last_error"), incomplete_details=run.get("incomplete_details"))
    return RunSnapshot(
        run_id=id_of(run, "id"),
        thread_id=thread_id,
        state=state,
        raw_status=raw[:64],
        error_code=failure.code,
        error_message=failure.message,
        error_summary=failure.summary,
        error_advice=failure.advice,
        rate_limited=failure.rate_limited,
        retry_after_seconds=failure.retry_after_seconds,
        instance_id=instance_of(run),
        pending_calls=tuple(pending_calls(action)) if state is RunState.REQUIRES_ACTION else (),
        model=(optional(run, "model") or "")[:256] or None,
        usage=numbers(run.get("usage")),
        tokens=tokens_of(run.get("usage"), "prompt_tokens", "completion_tokens", _DETAILS),
        created_at=unix_seconds(run.get("created_at")),
        started_at=unix_seconds(run.get("started_at")),
        completed_at=unix_seconds(run.get("completed_at")),
        expires_at=unix_seconds(run.get("expires_at")),
    )
