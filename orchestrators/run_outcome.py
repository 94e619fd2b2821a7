"""How an orchestration ends, by the state of its run (design.md, section 3). Pure.

A failure has two texts: its message, which callers read, may hold Foundry's own words; its summary, which the host
logs, does not, since they may quote the request.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from contracts.activities import Failure
from contracts.codes import ErrorCode
from contracts.outcome import Outcome
from contracts.request import RunPolicy
from contracts.runs import Answer, PendingCall, RunSnapshot, RunState, composite_run_id
from orchestrators.progress import Progress


class Verdict(enum.Enum):
    """What a run's state means for the orchestration."""

    GOES_ON = "goes on"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


VERDICTS = {
    RunState.ACTIVE: Verdict.GOES_ON,
    RunState.REQUIRES_ACTION: Verdict.GOES_ON,
    RunState.CANCELLING: Verdict.GOES_ON,
    RunState.COMPLETED: Verdict.SUCCEEDED,
    RunState.FAILED: Verdict.FAILED,
    RunState.EXPIRED: Verdict.FAILED,
    RunState.INCOMPLETE: Verdict.FAILED,
    RunState.CANCELLED: Verdict.CANCELLED,
}


def verdict_of(run: RunSnapshot) -> Verdict:
    """Return what the run's state means."""
    return VERDICTS[run.state]


_REASONS = {
    RunState.EXPIRED: "Foundry ended the run because it took too long (runs expire after ten minutes)",
    RunState.INCOMPLETE: "the answer is not complete",
}


def run_failure(run: RunSnapshot, pending_calls: Sequence[PendingCall] = (), runs: int = 1) -> Failure:
    """Return why the run failed, under Foundry's code or else the state's name; `runs` says how many failed alike."""
    after = f"; it waited for the answer to {_named(pending_calls)}" if pending_calls else ""
    if run.rate_limited:
        after += f"; run {runs} of its kind. Raise the model's tokens-per-minute quota, or start later"
    told = "Foundry's reason is in the custom status" if run.error_message else "Foundry gave no reason"
    ours = run.error_summary or _REASONS.get(run.state)

    def line(reason: str) -> str:
        return _one_line(f"the run {run.run_id} on thread {run.thread_id} ended as {run.raw_status}: {reason}{after}")

    return Failure(
        code=run.error_code or run.state.value,
        message=line(run.error_message or ours or told),
        summary=line(ours or told),
    )


def timeout_failure(progress: Progress) -> Failure:
    """Return what was not done in time."""
    text = f"not done after {progress.policy.timeout_seconds} seconds, "
    text += f"the run {progress.run_id} was '{progress.run_status}'" if progress.run_id else f"at step {progress.step}"
    if progress.question.calls:
        text += f", waiting for the answer to {_named(progress.question.calls)}"

    last = progress.attempts.last

    def line(words: str) -> str:
        error = f"; last error: {last.code}: {words}" if last else ""
        return _one_line(f"{_open_ended(text + error)}. Give it a longer timeout_seconds")

    return Failure(
        code=ErrorCode.TIMEOUT, message=line(last.message if last else ""), summary=line(last.loggable if last else "")
    )


def not_stopped(failure: Failure, obstacle: Failure | None) -> Failure:
    """Return the failure with the remark that its run goes on, and why."""

    def line(words: str, why: str) -> str:
        return f"{_open_ended(words)}. The run could not be stopped" + (f": {why}" if obstacle else "")

    return msgspec.structs.replace(
        failure,
        message=line(failure.message, obstacle.message if obstacle else ""),
        summary=line(failure.loggable, obstacle.loggable if obstacle else ""),
    )


def cancel_reason(run: RunSnapshot | None, obstacle: Failure | None, *, runs_before: int = 0) -> str:
    """Return one readable line on a cancel on request: what became of the Foundry run.

    `runs_before` counts those that failed for lack of quota.
    """
    if run is not None and verdict_of(run) is Verdict.CANCELLED:
        return f"cancelled on request; the Foundry run {run.run_id} was cancelled"
    if run is not None and run.state is RunState.EXPIRED:
        return f"cancelled on request; the Foundry run {run.run_id} did not stop, and has expired"
    if obstacle is not None:
        return f"cancelled on request; the Foundry run may still be active: {obstacle.code}: {obstacle.loggable}"
    if run is not None:
        return f"cancelled on request; the Foundry run {run.run_id} is still '{run.raw_status}'"
    if runs_before:
        return "cancelled on request, while it waited for quota: no Foundry run is active"
    return "cancelled on request, before a Foundry run was started"


def _open_ended(text: str) -> str:
    """Return the text, which may be a sentence of Foundry's, so that a full stop can follow."""
    return text.rstrip(" .")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _named(calls: Sequence[PendingCall]) -> str:
    shown = ", ".join(f"{call.name or call.kind} ({call.id})" for call in calls[:5])
    return f"tool call {shown}" + (f" and {len(calls) - 5} more" if len(calls) > 5 else "")


def outcome_of(run: RunSnapshot, answer: Answer, policy: RunPolicy, *, started: datetime, now: datetime) -> Outcome:
    """Return the output of a successful run. Where Foundry gave no times, the orchestration's own stand in."""
    return Outcome(
        status="Success",
        response=answer.text,
        thread_id=run.thread_id,
        run_id=run.run_id,
        composite_run_id=composite_run_id(run.thread_id, run.run_id),
        agent_id=policy.agent_id,
        run_status=run.raw_status,
        message_id=answer.message_id,
        annotations=answer.annotations,
        attachments=answer.attachments,
        usage=run.usage,
        model=run.model,
        monitor_url=policy.monitor_url,
        started_at=_iso(run.started_at or run.created_at, started),
        completed_at=_iso(run.completed_at, now),
    )


def _iso(unix_seconds: int | None, otherwise: datetime) -> str:
    moment = otherwise if unix_seconds is None else datetime.fromtimestamp(unix_seconds, UTC)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
