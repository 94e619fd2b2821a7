"""What to do about a run that did not succeed, by what was said or last seen of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.activities import Failure
from contracts.codes import ErrorCode
from contracts.runs import PendingCall, RunSnapshot, RunState
from orchestrators.progress import Progress, lifetime_of

LONGER_TIMEOUT = "Give it a longer timeout_seconds"

_QUOTA = "Raise the model's tokens-per-minute quota, or start later"
_FILTERED = "Change the message or the agent's instructions, or the content filter of the model's deployment"
_NOT_TAKEN = "An answer was given, but was not taken in time: start it again, and answer sooner or otherwise"

OF_CODES = {
    "rate_limit_exceeded": _QUOTA,
    "server_error": "Foundry says no more: start it again, and look at the service's health where it stays",
    "invalid_prompt": "Change the message, the instructions or what else stands on the thread",
    "tool_user_error": (
        "A tool of the agent failed, or refused what it was given: look at the run's steps, then at the tool's settings"
    ),
    "content_filter": _FILTERED,
    "max_completion_tokens": "Raise max_completion_tokens in run_options, or ask for a shorter answer",
    "max_prompt_tokens": "Raise max_prompt_tokens or set a truncation_strategy in run_options, or use another thread",
}
"""By Foundry's code for a run that has failed or is incomplete (foundry-api.md, section 2)."""


def of_run(run: RunSnapshot, progress: Progress) -> str | None:
    """Return what to do about a run that ended without success, if anything is known."""
    if run.error_advice is not None:
        return run.error_advice
    if run.error_code in OF_CODES:
        return OF_CODES[run.error_code]
    return OF_CODES["rate_limit_exceeded"] if run.rate_limited else _of_expiry(run, progress)


def why_expired(run: RunSnapshot, progress: Progress) -> str:
    """Return why Foundry expired the run, with the time that it had, where Foundry says so."""
    lifetime = lifetime_of(run) or progress.run_lifetime
    if lifetime is None:
        return "Foundry ended the run because it took longer than Foundry allows"
    return f"Foundry ended the run {spoken(lifetime)} after its creation, as long as Foundry allows it"


def _of_expiry(run: RunSnapshot, progress: Progress) -> str | None:
    if run.state is not RunState.EXPIRED:
        return None
    if progress.question.was_tried:
        return f"{_NOT_TAKEN}. A longer timeout_seconds does not help"
    if progress.question.calls:
        return "Nobody answered it in that time: answer required_action sooner. A longer timeout_seconds does not help"
    return "A longer timeout_seconds does not help: ask for less at a time, or look in Foundry for what took so long"


def of_unsupported(calls: Sequence[PendingCall]) -> str:
    """Return what to do about calls that this app does not know."""
    these = "it" if len(calls) == 1 else "them"
    return f"Answer {these} where the agent is used otherwise, update this app, or take such tools from the agent"


def of_timeout(progress: Progress) -> str:
    """Return what would have helped a run that was not done in time, by what was last seen of it."""
    last = progress.attempts.last
    if progress.run_state is RunState.COMPLETED:
        return f"The run has completed: read its answer on thread {progress.thread_id} in Foundry"
    if last is not None:
        return _of_last_failure(last)
    if progress.question.unsupported:
        return of_unsupported(progress.question.unsupported)
    if progress.question.calls:
        return _NOT_TAKEN if progress.question.was_tried else "Answer required_action in time"
    if progress.run_state is RunState.CANCELLING:
        return "Somebody else is cancelling the run: start another one"
    if progress.run_number:
        return f"{_QUOTA}, or give it a longer timeout_seconds: it has waited for quota before"
    return LONGER_TIMEOUT


def _of_last_failure(last: Failure) -> str:
    match last.code:
        case ErrorCode.THREAD_BUSY:
            return _of_busy_thread(last)
        case ErrorCode.RATE_LIMITED | "rate_limit_exceeded":
            return _QUOTA
        case ErrorCode.SERVICE_UNAVAILABLE | ErrorCode.REFUSED_FOR_NOW | ErrorCode.BAD_RESPONSE:
            return "Start it again when Foundry answers as it should"
        case ErrorCode.CONNECTION_FAILED:
            return "Start it again when Foundry can be reached from this app: its name, the network, the firewall"
        case _:
            return "Mend that, then start it again"


def _of_busy_thread(failure: Failure) -> str:
    if failure.active_run_id is not None:
        doing = f" ('{failure.active_run_status}')" if failure.active_run_status else ""
        return f"Wait for the end of run {failure.active_run_id}{doing} or cancel it, or use another thread"
    if failure.waiting_instance is not None:
        return f"Wait for the end of instance {failure.waiting_instance} or cancel it, or use another thread"
    return "Wait until the thread is free, or use another one"


def spoken(seconds: int) -> str:
    """Return the time as people say it."""
    minutes, rest = divmod(seconds, 60)
    if minutes and not rest:
        return "a minute" if minutes == 1 else f"{minutes} minutes"
    return f"{seconds} seconds"
