"""How an orchestration ends: what is still to be done, what becomes of it, and `end`, through which every end passes.

A run that is paid for is neither dropped nor left active: whatever ends the orchestration, its Foundry run is stopped
first, and one that completes meanwhile counts as completed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from contracts.activities import Failure
from contracts.codes import ErrorCode
from contracts.outcome import Outcome
from contracts.runs import Answer, RunSnapshot, RunState, Tokens
from contracts.status import CustomStatus
from contracts.wire import to_wire
from look_schedule import next_poll_delay
from orchestrators import activity_calls
from orchestrators.activity_calls import show
from orchestrators.progress import STOPPING_STEP, Progress
from orchestrators.run_outcome import (
    Verdict,
    cancel_reason,
    not_stopped,
    outcome_of,
    run_failure,
    timeout_failure,
    verdict_of,
)
from orchestrators.shown_status import with_error
from orchestrators.steps import DeadlinePassed, Step, StepFailed, Steps

LOOKS_FOR_THE_ANSWER = 4
"""The message list can lag behind the run: an empty one is asked again this often."""

STOPPING_SECONDS = 60.0
"""How long, beyond the deadline if need be, an orchestration that ends goes on trying to stop its Foundry run."""

ANSWERING_SECONDS = 3600
"""How long a completed run's answer is asked for at most, where Foundry does not give it out."""

CANCELLING_SECONDS = 900
"""A run stuck in `cancelling`, or whose cancel is refused, is waited for at most this long: most runs expire sooner."""

DELETING_SECONDS = 60.0
"""The answer waits at most this long for the deletion of the thread."""

_LONGEST_REASON = 1000


@dataclass(frozen=True)
class Succeeded:
    """The instance completes with this output."""

    outcome: Outcome


@dataclass(frozen=True)
class Failed:
    """The instance fails."""

    failure: Failure


@dataclass(frozen=True)
class Cancelled:
    """The instance is terminated, for this reason."""

    reason: str


Ending = Succeeded | Failed | Cancelled


class AgentRunFailedError(Exception):
    """Ends the instance as Failed; its text becomes the output, so it is one readable line. The host logs it, too."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.code}: {failure.loggable}")


# --- the one way out ---


def end(steps: Steps, progress: Progress | None, ending: Ending) -> Step[dict[str, Any]]:
    """End the instance: show it, log it, and complete, fail, or terminate. Called once, and nothing follows it.

    There is no progress where the input did not fit.
    """
    steps.only_finish()
    if not isinstance(ending, Cancelled):  # the platform would hold the end back until then; a termination it does not
        yield from steps.wait_for_interrupted()
    steps.show(_last_status(progress, ending))
    steps.log("agent_run.ended", **_ended_event(steps, progress, ending))
    match ending:
        case Succeeded(outcome):
            return to_wire(outcome)
        case Failed(failure):
            raise AgentRunFailedError(failure)
        case Cancelled(reason):
            assert progress is not None
            yield from _terminate(steps, progress, reason)
            raise AssertionError("an event that never comes has come")


def _terminate(steps: Steps, progress: Progress, reason: str) -> Step[None]:
    """Have the instance terminated. Nothing may follow but a wait for an event that never comes."""
    finish_within(steps, progress, STOPPING_SECONDS)
    try:
        yield from activity_calls.terminate_instance(steps, progress, " ".join(reason.split())[:_LONGEST_REASON])
    except (DeadlinePassed, StepFailed):
        last = progress.attempts.last
        failure = Failure(
            code=ErrorCode.CANCELLED,
            message=f"{reason}; it could not end as Terminated" + (f" ({last.loggable})" if last else ""),
        )
        progress.failure = failure
        show(steps, progress, progress.step, "Failed")
        raise AgentRunFailedError(failure) from None
    yield from steps.wait_for_ever()


def _last_status(progress: Progress | None, ending: Ending) -> CustomStatus:
    if progress is None:
        assert isinstance(ending, Failed)
        return with_error(CustomStatus(status="Failed", step="validate_input"), ending.failure)
    progress.attempts.settled()
    match ending:
        case Succeeded():
            progress.status, progress.step, progress.failure = "Success", "done", None
        case Failed(failure):
            progress.status, progress.failure = "Failed", failure
        case Cancelled():
            progress.status = "Cancelled"
    return progress.custom_status()


def _ended_event(steps: Steps, progress: Progress | None, ending: Ending) -> dict[str, Any]:
    """Return the fields of the log event `agent_run.ended`."""
    tokens = (progress.used if progress else None) or Tokens()
    failure = ending.failure if isinstance(ending, Failed) else None
    return {
        "instance_id": progress.instance_id if progress else steps.instance_id,
        "agent_id": progress.policy.agent_id if progress else None,
        "thread_id": progress.thread_id if progress else None,
        "run_id": progress.run_id if progress else None,
        "status": {Succeeded: "Success", Failed: "Failed", Cancelled: "Cancelled"}[type(ending)],
        "code": failure.code if failure else None,
        "run_status": progress.run_status if progress else None,
        "seconds": round((steps.now - progress.started).total_seconds(), 1) if progress else 0.0,
        "polls": progress.polls if progress else 0,
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.total,
    }


# --- what is still to be done ---


def conclude(steps: Steps, progress: Progress, run: RunSnapshot) -> Step[Ending]:
    """Return the ending that a run which has ended demands."""
    match verdict_of(run):
        case Verdict.SUCCEEDED:
            return (yield from _succeed(steps, progress, run))
        case Verdict.CANCELLED:
            return Cancelled(f"cancelled: the Foundry run {run.run_id} was cancelled")
        case _:
            return Failed(run_failure(run, progress))


def cancel(steps: Steps, progress: Progress, why: str | None) -> Step[Ending]:
    """Cancel the Foundry run and wait for its end; it is cancelled, unless the run has ended by itself meanwhile.

    `why` is the caller's reason, if he gave one.
    """
    finish_within(steps, progress, CANCELLING_SECONDS)
    show(steps, progress, STOPPING_STEP, "Cancelling")
    run, obstacle = yield from _stop_run(steps, progress)
    if run is not None and run.state in {RunState.COMPLETED, RunState.FAILED, RunState.INCOMPLETE}:
        return (yield from conclude(steps, progress, run))
    told = cancel_reason(run, obstacle, runs_before=progress.run_number)
    return Cancelled(f"{why} ({told})" if why else told)


def give_up(steps: Steps, progress: Progress, failure: Failure) -> Step[Ending]:
    """Stop the Foundry run if there may be one, and fail, unless the run completes meanwhile."""
    finish_within(steps, progress, STOPPING_SECONDS)
    progress.failure = failure
    show(steps, progress, STOPPING_STEP)
    run, obstacle = yield from _stop_run(steps, progress)
    if run is not None and verdict_of(run) is Verdict.SUCCEEDED:
        return (yield from _succeed(steps, progress, run))
    if obstacle is not None or (run is not None and verdict_of(run) is Verdict.GOES_ON):
        failure = not_stopped(failure, obstacle)
    return Failed(failure)


def finish_within(steps: Steps, progress: Progress, longest: float) -> None:
    """From here on it only ends: it has until its deadline, but at least a minute and at most `longest` seconds."""
    steps.only_finish()
    progress.attempts.begin_anew()
    latest, soonest = (steps.now + timedelta(seconds=s) for s in (longest, STOPPING_SECONDS))
    progress.deadline = min(max(progress.deadline, soonest), latest)


def _succeed(steps: Steps, progress: Progress, run: RunSnapshot) -> Step[Ending]:
    """Fetch the answer. The run is paid for: neither a cancel nor a near deadline drops it."""
    finish_within(steps, progress, ANSWERING_SECONDS)
    try:
        answer = yield from _answer_of(steps, progress, run)
    except DeadlinePassed:
        return Failed(timeout_failure(progress))
    except StepFailed as signal:
        return Failed(signal.failure)
    if answer.of_another_message:
        message = (
            f"another message was added to thread {run.thread_id} at the same moment, and run {run.run_id} "
            "has answered that one: start again"
        )
        return Failed(Failure(code=ErrorCode.ANSWER_MISMATCH, message=message))
    deleted = yield from _delete_thread(steps, progress)
    return Succeeded(
        outcome_of(
            run,
            answer,
            progress.policy,
            used=progress.used,
            started=progress.started,
            now=steps.now,
            thread_deleted=deleted,
        )
    )


def _delete_thread(steps: Steps, progress: Progress) -> Step[bool]:
    """Delete the thread where that was asked for; return whether it is gone. The run has succeeded either way."""
    if progress.policy.delete_thread != "on_success":
        return False
    finish_within(steps, progress, DELETING_SECONDS)
    try:
        return (yield from activity_calls.delete_thread(steps, progress))
    except (DeadlinePassed, StepFailed):
        last = progress.attempts.last
        steps.log(
            "agent_run.thread_not_deleted",
            instance_id=progress.instance_id,
            error=last.code if last else None,
            kept=False,
        )
        return False


def _answer_of(steps: Steps, progress: Progress, run: RunSnapshot) -> Step[Answer]:
    """Return what the run's agent wrote, if anything."""
    answer = run.answer or Answer()
    looks = LOOKS_FOR_THE_ANSWER if progress.can.shows_answers_late else 1
    for look in range(0 if run.answer is None else 1, looks):
        if answer.found:
            break
        show(steps, progress, "get_response")
        if look > 0:
            yield from steps.sleep(0.5 + look, progress)
        answer = yield from activity_calls.get_response(steps, progress)
    return answer


def _stop_run(steps: Steps, progress: Progress) -> Step[tuple[RunSnapshot | None, Failure | None]]:
    """Cancel the run and wait until it has ended; return it as it was last seen, and what kept us from stopping it."""
    if progress.is_creating:
        # Whoever comes next on the thread is to meet no message of this run, and none is to be taken from a run that is
        # just being created.
        yield from activity_calls.meet_interrupted(steps, progress)
    if progress.thread_id is None or not (progress.run_requested or progress.may_take_back):
        return None, None
    asked_at = steps.now
    run: RunSnapshot | None = None
    try:
        run = yield from activity_calls.cancel_run(steps, progress)
        if run is None and (yield from activity_calls.meet_interrupted(steps, progress)):
            run = yield from activity_calls.cancel_run(steps, progress)  # it may have been created after the look
        while run is not None and verdict_of(run) is Verdict.GOES_ON:
            steps.show(progress.custom_status())
            delay = next_poll_delay((steps.now - asked_at).total_seconds(), as_before_1_1=steps.began_before_1_1)
            yield from steps.sleep(delay, progress)
            run = yield from activity_calls.get_run(steps, progress, asked_at)
    except (DeadlinePassed, StepFailed):
        return run, progress.attempts.last
    return run, None
