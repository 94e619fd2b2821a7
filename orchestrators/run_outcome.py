"""How an orchestration ends, by the state of its run (design.md, section 3). Pure."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import UTC, datetime

from contracts import Answer, Failure, Outcome, PendingCall, RunPolicy, RunSnapshot, RunState, composite_run_id
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


def failure_code(run: RunSnapshot) -> str:
    """Return the code of a run that failed: Foundry's, or else the state's name."""
    return run.error_code or run.state.value


def failure_message(run: RunSnapshot, pending_calls: Sequence[PendingCall] = (), runs: int = 1) -> str:
    """Return one readable line on why the run failed; `runs` says how many failed alike."""
    defaults = {
        RunState.EXPIRED: "Foundry ended the run because it took too long (runs expire after ten minutes)",
        RunState.INCOMPLETE: "the answer is not complete",
    }
    reason = run.error_message or defaults.get(run.state, "Foundry gave no reason")
    text = f"the run {run.run_id} on thread {run.thread_id} ended as {run.raw_status}: {reason}"
    if pending_calls:
        text += f"; it waited for the answer to {_named(pending_calls)}"
    if run.rate_limited:
        text += f"; run {runs} of its kind. Raise the model's tokens-per-minute quota, or start later"
    return " ".join(text.split())


def timeout_message(progress: Progress) -> str:
    """Return one readable line on what was not done in time."""
    text = f"not done after {progress.policy.timeout_seconds} seconds, "
    text += f"the run {progress.run_id} was '{progress.run_status}'" if progress.run_id else f"at step {progress.step}"
    if progress.pending_calls:
        text += f", waiting for the answer to {_named(progress.pending_calls)}"
    if progress.retrying:
        text += f"; last error: {progress.retrying.code}: {progress.retrying.message}"
    return " ".join(f"{text}. Give it a longer timeout_seconds".split())


def cancel_reason(run: RunSnapshot | None, obstacle: Failure | None, *, runs_before: int = 0) -> str:
    """Return one readable line on a cancel on request: what became of the Foundry run.

    `runs_before` counts those that failed for lack of quota.
    """
    if run is not None and verdict_of(run) is Verdict.CANCELLED:
        return f"cancelled on request; the Foundry run {run.run_id} was cancelled"
    if run is not None and run.state is RunState.EXPIRED:
        return f"cancelled on request; the Foundry run {run.run_id} did not stop, and has expired"
    if obstacle is not None:
        return f"cancelled on request; the Foundry run may still be active: {obstacle.code}: {obstacle.message}"
    if run is not None:
        return f"cancelled on request; the Foundry run {run.run_id} is still '{run.raw_status}'"
    if runs_before:
        return "cancelled on request, while it waited for quota: no Foundry run is active"
    return "cancelled on request, before a Foundry run was started"


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
