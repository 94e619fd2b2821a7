"""How an orchestration ends, by the state of its run (design.md, section 3). Pure."""

from __future__ import annotations

import enum
from datetime import UTC, datetime

from contracts import Answer, Outcome, RunPolicy, RunSnapshot, RunState, composite_run_id


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


def failure_message(run: RunSnapshot) -> str:
    """Return one readable line on why the run failed."""
    defaults = {
        RunState.EXPIRED: "Foundry ended the run because it took too long (runs expire after ten minutes)",
        RunState.INCOMPLETE: "the answer is not complete",
    }
    reason = run.error_message or defaults.get(run.state, "Foundry gave no reason")
    return " ".join(f"the run {run.run_id} on thread {run.thread_id} ended as {run.raw_status}: {reason}".split())


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
