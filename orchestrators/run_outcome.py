"""How an orchestration ends, by the state of its run (design.md, section 3). Pure.

A failure has two texts: its message, which callers read, may hold Foundry's own words; its summary, which the host
logs, does not, since they may quote the request.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from contracts.activities import Failure
from contracts.codes import ErrorCode
from contracts.formats import utc_text
from contracts.outcome import Outcome, usage_of
from contracts.request import RunPolicy
from contracts.runs import Answer, AnswerMessage, PendingCall, RunSnapshot, RunState, Tokens, composite_run_id
from orchestrators import remedies
from orchestrators.progress import Progress
from orchestrators.shown_status import shortened

T = TypeVar("T")

_LONGEST_REASON = 600
"""Of Foundry's own words, so that what to do stands behind them in the custom status."""

_MOST_NAMED = 5


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


def run_failure(run: RunSnapshot, progress: Progress) -> Failure:
    """Return why the run failed, and what to do, under Foundry's code or else the state's name."""
    waited = f"; it waited for the answer to {_named(progress.question.calls)}" if progress.question.calls else ""
    if run.rate_limited:
        waited += f"; run {progress.run_number + 1} of its kind"
    told = "Foundry's reason is in the custom status" if run.error_message else "Foundry gave no reason"
    ours = run.error_summary or _reason(run, progress)
    remedy = remedies.of_run(run, progress)

    def line(reason: str) -> str:
        text = f"the run {run.run_id} on thread {run.thread_id} ended as {run.raw_status}: {reason}{waited}"
        return _one_line(f"{_open_ended(text)}. {remedy}" if remedy else text)

    theirs = shortened(run.error_message, _LONGEST_REASON) if run.error_message else None
    return Failure(
        code=run.error_code or run.state.value, message=line(theirs or ours or told), summary=line(ours or told)
    )


def _reason(run: RunSnapshot, progress: Progress) -> str | None:
    match run.state:
        case RunState.EXPIRED:
            return remedies.why_expired(run, progress)
        case RunState.INCOMPLETE:
            return "the answer is not complete"
        case _:
            return None


def unsupported_action(progress: Progress) -> Failure:
    """Return that the run waits for what nobody can answer over this app."""
    calls = progress.question.unsupported
    types = ", ".join(f"'{name}'" for name in dict.fromkeys(call.name[:64] for call in calls[:_MOST_NAMED]))
    more = f" and {len(calls) - _MOST_NAMED} more" if len(calls) > _MOST_NAMED else ""
    message = f"the run {progress.run_id} waits for what this app does not know: {types}{more}"
    return Failure(code=ErrorCode.UNSUPPORTED_ACTION, message=_one_line(f"{message}. {remedies.of_unsupported(calls)}"))


def timeout_failure(progress: Progress) -> Failure:
    """Return what was not done in time."""
    text = f"not done after {progress.policy.timeout_seconds} seconds, "
    text += f"the run {progress.run_id} was '{progress.run_status}'" if progress.run_id else f"at step {progress.step}"
    if progress.question.calls:
        text += f", waiting for the answer to {_named(progress.question.calls)}"

    last = progress.attempts.last

    def line(words: str) -> str:
        error = f"; last error: {last.code}: {words}" if last else ""
        return _one_line(f"{_open_ended(text + error)}. {remedies.of_timeout(progress)}")

    theirs = shortened(last.message, _LONGEST_REASON) if last else ""
    return Failure(code=ErrorCode.TIMEOUT, message=line(theirs), summary=line(last.loggable if last else ""))


def not_stopped(failure: Failure, obstacle: Failure | None) -> Failure:
    """Return the failure with the remark that its run goes on, and why; or that there is none any more."""

    def line(words: str, why: str) -> str:
        if obstacle is not None and obstacle.gone:
            return f"{_open_ended(words)}. The run is gone: nothing is left to be stopped"
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
    if obstacle is not None and obstacle.gone:
        return "cancelled on request; the Foundry run is gone: nothing is left to be stopped"
    if obstacle is not None:
        return f"cancelled on request; the Foundry run may still be active: {obstacle.code}: {obstacle.loggable}"
    if run is not None:
        return f"cancelled on request; the Foundry run {run.run_id} is still '{run.raw_status}'"
    if runs_before:
        return "cancelled on request, while it waited for quota: no Foundry run is active"
    return "cancelled on request, before a Foundry run was started"


def _open_ended(text: str) -> str:
    """Return the text, which may be a sentence of Foundry's, so that a full stop can follow."""
    return text.rstrip(" .!")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _named(calls: Sequence[PendingCall]) -> str:
    shown = ", ".join(f"{call.name or call.kind} ({call.id})" for call in calls[:_MOST_NAMED])
    return f"tool call {shown}" + (f" and {len(calls) - _MOST_NAMED} more" if len(calls) > _MOST_NAMED else "")


def outcome_of(
    run: RunSnapshot,
    answer: Answer,
    policy: RunPolicy,
    *,
    used: Tokens | None,
    started: datetime,
    now: datetime,
    thread_deleted: bool,
) -> Outcome:
    """Return the output of a successful run. Where Foundry gave no times, the orchestration's own stand in."""
    newest = answer.newest or AnswerMessage(id="", text="")
    return Outcome(
        status="Success",
        response=answer.text,
        thread_id=run.thread_id,
        run_id=run.run_id,
        composite_run_id=composite_run_id(run.thread_id, run.run_id),
        agent_id=policy.agent_id,
        generation=policy.generation,
        agent_version=policy.agent_version,
        run_status=run.raw_status,
        message_id=newest.id or None,
        annotations=newest.annotations,
        attachments=_once(attachment for message in answer.messages for attachment in message.attachments),
        usage=usage_of(used, policy.generation),
        model=run.model,
        monitor_url=policy.monitor_url,
        started_at=_iso(run.started_at or run.created_at, started),
        completed_at=_iso(run.completed_at, now),
        messages=answer.messages,
        refusal=newest.refusal,
        not_understood=_once(kind for message in answer.messages for kind in message.not_understood),
        left_out=_once(name for message in answer.messages for name in message.left_out),
        incomplete=newest.incomplete,
        thread_deleted=thread_deleted,
    )


def _once(items: Iterable[T]) -> list[T]:
    """Return the items in their order, each once."""
    return list(dict.fromkeys(items))


def _iso(unix_seconds: int | None, otherwise: datetime) -> str:
    moment = otherwise if unix_seconds is None else datetime.fromtimestamp(unix_seconds, UTC)
    return utc_text(moment)
