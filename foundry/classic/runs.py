"""What a run of the wire says (foundry-api.md, section 1.3). Pure."""

from __future__ import annotations

import re
from typing import Any

from contracts.codes import ErrorCode
from contracts.runs import RunSnapshot, RunState, Tokens
from foundry import errors
from foundry.classic.fields import id_of, instance_of, obj, optional, text_of, word
from foundry.classic.pending import pending_calls
from foundry.harmless import numbers, unix_seconds
from foundry.quotes import without_credentials
from foundry.remedies import advice_on_run
from foundry.responses import hint_in_text

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

_NO_WAITING_HELPS = re.compile(
    r"request too large|tokens must be reduced|exceeded your current quota|insufficient.quota|billing", re.IGNORECASE
)
"""A used-up quota that the same run would meet again, however long it waits."""

_NO_WAITING = (
    "No waiting mends that: raise the quota of the model's deployment or the account's budget, or ask for less at a "
    "time (a new thread, or truncation_strategy in run_options)"
)


def snapshot(run: dict[str, Any], thread_id: str, run_id: str | None = None) -> RunSnapshot:
    """Return the run, which must be the one that was asked for."""
    if id_of(run, "thread_id") != thread_id or (run_id is not None and id_of(run, "id") != run_id):
        raise errors.BadResponseError(f"Foundry's answer is about another run than {run_id or 'one'} of {thread_id}")
    raw = text_of(run, "status")
    action = run.get("required_action")
    state = _STATES.get(raw, RunState.REQUIRES_ACTION if action else RunState.ACTIVE)
    error = obj(run.get("last_error"))
    summary = None
    if state is RunState.INCOMPLETE:
        reason = word(obj(run.get("incomplete_details")).get("reason"))
        summary = f"the answer is not complete: {reason or 'no reason given'}"
        error = {"code": reason or ErrorCode.INCOMPLETE, "message": summary}
    code, message = word(error.get("code")), error.get("message")
    told = str(message) if message else ""
    of_quota = code == "rate_limit_exceeded"
    rate_limited = of_quota and not _NO_WAITING_HELPS.search(told)
    advice = _NO_WAITING if of_quota and not rate_limited else advice_on_run(code, told[:1000])
    return RunSnapshot(
        run_id=id_of(run, "id"),
        thread_id=thread_id,
        state=state,
        raw_status=raw[:64],
        error_code=code,
        error_message=without_credentials(told[:1000]) or None,
        error_summary=summary,
        error_advice=advice if state is RunState.FAILED else None,
        rate_limited=rate_limited,
        retry_after_seconds=hint_in_text(told) if rate_limited else None,
        instance_id=instance_of(run),
        pending_calls=tuple(pending_calls(action)) if state is RunState.REQUIRES_ACTION else (),
        model=(optional(run, "model") or "")[:256] or None,
        usage=numbers(run.get("usage")),
        tokens=_tokens(run.get("usage")),
        created_at=unix_seconds(run.get("created_at")),
        started_at=unix_seconds(run.get("started_at")),
        completed_at=unix_seconds(run.get("completed_at")),
        expires_at=unix_seconds(run.get("expires_at")),
    )


def _tokens(usage: Any) -> Tokens | None:
    found = numbers(usage)
    if not found:
        return None
    details = numbers(obj(usage).get("prompt_token_details")) or numbers(obj(usage).get("prompt_tokens_details")) or {}
    given = (found.get("prompt_tokens"), found.get("completion_tokens"), found.get("total_tokens"))
    values = (value if isinstance(value, int) else None for value in (*given, details.get("cached_tokens")))
    prompt, completion, total, cached = values
    return Tokens(input=prompt, output=completion, total=total, cached=cached)
