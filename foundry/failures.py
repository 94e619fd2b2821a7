"""Why a run failed, whichever generation it is of. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from contracts.codes import ErrorCode
from contracts.runs import RunState
from foundry.fields import obj, word
from foundry.quotes import without_credentials
from foundry.remedies import advice_on_run
from foundry.responses import hint_in_text

_LONGEST_MESSAGE = 1000

_NO_WAITING_HELPS = re.compile(
    r"request too large|tokens must be reduced|exceeded your current quota|insufficient.quota|billing", re.IGNORECASE
)
"""A used-up quota that the same run would meet again, however long it waits."""

_NO_WAITING = (
    "No waiting mends that: raise the quota of the model's deployment or the account's budget, or ask for less at a "
    "time (a new thread, or truncation_strategy in run_options)"
)


@dataclass(frozen=True)
class RunFailure:
    """What a run that did not end well says; `contracts.runs.RunSnapshot` has the same fields."""

    code: str | None
    message: str | None
    summary: str | None
    advice: str | None
    rate_limited: bool
    retry_after_seconds: float | None


def failure_of(state: RunState, *, error: Any, incomplete_details: Any) -> RunFailure:
    """Return what the error of a run means, if there is one."""
    found, summary = obj(error), None
    if state is RunState.INCOMPLETE:
        reason = word(obj(incomplete_details).get("reason"))
        summary = f"the answer is not complete: {reason or 'no reason given'}"
        found = {"code": reason or ErrorCode.INCOMPLETE, "message": summary}
    code, message = word(found.get("code")), found.get("message")
    told = str(message) if message else ""
    of_quota = code == "rate_limit_exceeded"
    rate_limited = of_quota and not _NO_WAITING_HELPS.search(told)
    advice = _NO_WAITING if of_quota and not rate_limited else advice_on_run(code, told[:_LONGEST_MESSAGE])
    return RunFailure(
        code=code,
        message=without_credentials(told[:_LONGEST_MESSAGE]) or None,
        summary=summary,
        advice=advice if state is RunState.FAILED else None,
        rate_limited=rate_limited,
        retry_after_seconds=hint_in_text(told) if rate_limited else None,
    )
