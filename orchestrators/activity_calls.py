"""The activities of one run, each called with what the progress knows, and what it answers put into the progress."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

import msgspec

from contracts.activities import (
    ActivityResult,
    CancelledRun,
    CancelRun,
    CreateMessage,
    CreateRun,
    CreateThread,
    DeleteThread,
    Failure,
    MessageRef,
    NewMessage,
    PlanRun,
    RunRef,
    SubmitToolOutputs,
    TerminateInstance,
    ThreadDeletion,
    ThreadRef,
    Turn,
)
from contracts.codes import ErrorCode
from contracts.generations import Generation
from contracts.request import AgentRunRequest, RunPolicy
from contracts.runs import Answer, RunSnapshot, RunState
from contracts.status import Status
from look_schedule import is_watched
from orchestrators.progress import Progress
from orchestrators.question import Stage
from orchestrators.retry_policy import is_to_be_asked_again
from orchestrators.shown_status import shortened
from orchestrators.steps import CancelRequested, Course, Step, StepFailed, Steps
from validation.tool_answers import read_tool_answer

_LONGEST_REFUSAL = 1000
_MOST_PLANS = 3
STAYS_FROM = 6
"""Who was seen at this position may be near the front by the next attempt."""


def plan_run(steps: Steps, request: AgentRunRequest) -> Step[RunPolicy]:
    """Ask the settings for the policy. There is no deadline yet, so a worker that dies meanwhile is waited for
    thrice.
    """
    question = PlanRun(
        agent_id=request.agent_id, timeout_seconds=request.timeout_seconds, delete_thread=request.delete_thread
    )
    failure = Failure(code=ErrorCode.ACTIVITY_FAILED, message="plan_run returned nothing")
    for _ in range(_MOST_PLANS):
        result = yield from steps.attempt("plan_run", question, RunPolicy)
        if result.value is not None:
            return result.value
        failure = result.failure or failure
        if not failure.retryable:
            break
    raise StepFailed(failure)


def create_thread(steps: Steps, progress: Progress) -> Step[None]:
    """Create the thread, unless there is one; with the message, where a new thread takes it along."""
    if progress.thread_id is not None:
        return
    message = _new_message(progress) if progress.can.opens_with_message else None

    def wanted() -> CreateThread:
        # With an idempotency key the start itself may be repeated, and an earlier one may have created the thread.
        repeated = progress.attempts.failed > 0 or progress.policy.request_fingerprint is not None
        return CreateThread(
            **_asked_by(steps, progress), stamp=progress.thread_stamp(), repeated=repeated, message=message
        )

    show(steps, progress, "create_thread")
    thread = yield from steps.call("create_thread", wanted, ThreadRef, progress)
    progress.thread_id = thread.thread_id
    if message is not None:
        _has_posted(progress, thread.message_id)


def create_message(steps: Steps, progress: Progress) -> Step[ActivityResult[RunSnapshot] | None]:
    """Post the message, unless it is posted, or there is none. Then the thread is this instance's until its run has
    ended. Where stamps do not tell the runs apart, the thread is taken over even without a message.

    Where they do, the same activity goes on with the run, unless many come before this instance: that is an episode and
    an activity less, between the message and its run. Return what came of it; None where it was not attempted.
    """
    message = _new_message(progress)
    if progress.message_posted or (message is None and _needs_no_message(progress)):
        return None

    asked_at = steps.now

    def wanted() -> CreateMessage:
        nonlocal asked_at
        asked_at = steps.now
        turn = _turn(progress)
        goes_on = _goes_on(steps, progress, turn)
        progress.goes_on = goes_on or msgspec.UNSET
        return CreateMessage(
            **_asked_by(steps, progress),
            thread_id=_thread_id(progress),
            message=message,
            stamp=progress.message_stamp(),
            turn=turn,
            doubt_until=progress.doubt_until,
            run=_new_run(steps, progress, None) if goes_on else msgspec.UNSET,
        )

    show(steps, progress, "create_run" if _goes_on(steps, progress, _turn(progress)) else "create_message")
    try:
        posted = yield from steps.call("create_message", wanted, MessageRef, progress)
    except CancelRequested:
        progress.run_requested |= steps.has_interrupted and progress.goes_on is True
        raise
    progress.known_runs, progress.owns_thread = posted.known_runs, True
    if posted.run_requested_at is not None:  # by the worker's clock
        progress.run_requested_at = min(max(posted.run_requested_at, asked_at), steps.now)
    if message is not None:
        _has_posted(progress, posted.message_id)
    return posted.run


def _needs_no_message(progress: Progress) -> bool:
    return progress.run_requested or progress.can.stamps_messages or progress.owns_thread


def _goes_on(steps: Steps, progress: Progress, turn: Turn) -> bool:
    """Say whether the activity that posts the message starts the run, too. It is raced with a cancel then, which costs
    whoever stands far back more than it saves.
    """
    if steps.began_before_1_1 or not progress.can.stamps_all:
        return False
    return progress.position is None or turn.stays is True


def _has_posted(progress: Progress, message_id: str | None) -> None:
    progress.message_posted, progress.message_id, progress.owns_thread = True, message_id, True
    if not progress.can.takes_back_messages:
        progress.message = None


def create_run(
    steps: Steps, progress: Progress, attempted: ActivityResult[RunSnapshot] | None = None
) -> Step[RunSnapshot]:
    """Start the run, or look at the one that an earlier generation started; watch it. `attempted`: what came of the
    first attempt, where `create_message` has made it.
    """
    if progress.run_id is not None:
        return (yield from get_run(steps, progress))

    def wanted() -> CreateRun:
        return _new_run(steps, progress, None if progress.owns_thread else _turn(progress))

    show(steps, progress, "create_run")
    progress.run_requested = True
    progress.run_requested_at = progress.run_requested_at or steps.now
    run = yield from steps.call("create_run", wanted, RunSnapshot, progress, attempted)
    progress.owns_thread = True
    progress.saw(run, steps.now)
    return run


def get_run(steps: Steps, progress: Progress, since: datetime | None = None) -> Step[RunSnapshot]:
    """Look at the run, and watch it while it is young; `since`: when it began to do what is waited for, if that is not
    its work.

    While it asks something it is looked at once: the answer comes as an event, and no watch may stand in its way.
    """

    def wanted() -> RunRef:
        age = progress.run_age(steps.now) if since is None else (steps.now - since).total_seconds()
        watches = is_watched(age) and progress.question.stage is Stage.NONE
        return msgspec.structs.replace(_run_ref(steps, progress), watch_from=age if watches else None)

    run = yield from steps.call("get_run", wanted, RunSnapshot, progress)
    progress.saw(run, steps.now)
    return run


def submit_tool_outputs(steps: Steps, progress: Progress, run: RunSnapshot) -> Step[RunSnapshot]:
    """Pass on the answer that is held; ask again where it does not fit, or where Foundry does not take it."""
    question = progress.question
    answer, problems = read_tool_answer(question.answers[0], question.calls)
    if problems:
        question.refused(shortened("; ".join(f"{p.target} {p.message}" for p in problems), _LONGEST_REFUSAL))
        return run
    show(steps, progress, "submit_tool_outputs")

    def wanted() -> SubmitToolOutputs:
        return SubmitToolOutputs(
            **_asked_by(steps, progress),
            thread_id=run.thread_id,
            run_id=run.run_id,
            answer=answer,
            agent_id=progress.policy.agent_id,
            agent_version=progress.policy.agent_version,
            effect=progress.effect(),
            metadata=progress.metadata,
            message=progress.posted_message(),
            earlier_runs=_behind(progress, run),
        )

    try:
        after = yield from steps.call("submit_tool_outputs", wanted, RunSnapshot, progress)
    except StepFailed as signal:
        if not is_to_be_asked_again(signal.failure):
            raise
        progress.attempts.settled()  # it is the caller who tries again
        question.refused(shortened(signal.failure.message, _LONGEST_REFUSAL))
        return run
    if after.state is not RunState.EXPIRED or after.looks:  # an expired one may be all that it has found
        question.taken()
    progress.saw(after, steps.now)
    return after


def _behind(progress: Progress, run: RunSnapshot) -> tuple[str, ...] | msgspec.UnsetType:
    """Return the runs that the one goes on behind which an answer to this run's calls starts."""
    return (*(progress.earlier_runs or ()), run.run_id) if progress.can.answer_is_new_run else msgspec.UNSET


def get_response(steps: Steps, progress: Progress) -> Step[Answer]:
    """Fetch what the run's agent wrote, if anything."""
    return (yield from steps.call("get_response", lambda: _run_ref(steps, progress), Answer, progress))


def cancel_run(steps: Steps, progress: Progress) -> Step[RunSnapshot | None]:
    """Ask for the run's cancellation; return it as it is then, None where there is no run: then its message is taken
    back, where that can be.
    """
    wanted = CancelRun(
        **_asked_by(steps, progress),
        thread_id=_thread_id(progress),
        run_id=progress.run_id,
        effect=progress.effect(),
        answered=progress.answer_starts_run,
        message_id=progress.message_id if progress.can.takes_back_messages else None,
        message=_message_to_be_found(progress),
        started=msgspec.UNSET if progress.run_requested or progress.message_posted else False,
    )
    cancelled = yield from steps.call("cancel_run", lambda: wanted, CancelledRun, progress)
    if cancelled.run is not None:
        progress.saw(cancelled.run, steps.now)
    elif progress.may_take_back and not cancelled.message_stays:
        progress.message_posted, progress.message_id = False, None
    return cancelled.run


def _message_to_be_found(progress: Progress) -> NewMessage | msgspec.UnsetType:
    if progress.message_id is not None or not progress.may_take_back:
        return msgspec.UNSET
    return _new_message(progress) or msgspec.UNSET


def meet_interrupted(steps: Steps, progress: Progress) -> Step[bool]:
    """Wait for the end of the activity that a cancel has interrupted; say whether there is one. Which message it has
    posted is learnt.
    """
    interrupted = yield from steps.wait_for_interrupted()
    if interrupted is None:
        return False
    posted = interrupted.value_of("create_message", MessageRef)
    if posted is not None and progress.message is not None:
        _has_posted(progress, posted.message_id)
    return True


def delete_thread(steps: Steps, progress: Progress) -> Step[bool]:
    """Delete the thread, if this app has created it and nobody else uses it; return whether it is gone."""
    show(steps, progress, "delete_thread")
    wanted = DeleteThread(
        generation=progress.policy.generation,
        thread_id=_thread_id(progress),
        instance_id=progress.instance_id,
        until=progress.deadline,
    )
    return (yield from steps.call("delete_thread", lambda: wanted, ThreadDeletion, progress)).deleted


def terminate_instance(steps: Steps, course: Course, reason: str) -> Step[None]:
    """Ask the platform to terminate this instance; for any orchestrator. Nothing may follow but `wait_for_ever`."""
    wanted = TerminateInstance(instance_id=steps.instance_id, reason=reason)
    yield from steps.call("terminate_instance", lambda: wanted, type(None), course)


def show(steps: Steps, progress: Progress, step: str, status: Status | None = None) -> None:
    """Show what it works on now."""
    progress.step, progress.status = step, status or progress.status
    steps.show(progress.custom_status())


def _new_run(steps: Steps, progress: Progress, turn: Turn | None) -> CreateRun:
    return CreateRun(
        **_asked_by(steps, progress),
        thread_id=_thread_id(progress),
        agent_id=progress.policy.agent_id,
        agent_version=progress.policy.agent_version,
        effect=progress.effect(),
        options=progress.options,
        metadata=progress.metadata,
        message=progress.posted_message(),
        turn=turn,
    )


def _turn(progress: Progress) -> Turn:
    seen = progress.position
    return Turn(
        if_busy=progress.if_thread_busy,
        replaces=progress.replaces,
        stays=True if seen is not None and seen <= STAYS_FROM else msgspec.UNSET,
    )


def _new_message(progress: Progress) -> NewMessage | None:
    message = progress.message
    if message is None:
        return None
    return NewMessage(content=message.as_content(), metadata=progress.metadata, attachments=message.attachments)


class _AskedBy(TypedDict):
    runs_as: str
    generation: Generation
    until: datetime


def _asked_by(steps: Steps, progress: Progress) -> _AskedBy:
    """Return what all that is asked of Foundry has in common."""
    return {"runs_as": steps.instance_id, "generation": progress.policy.generation, "until": progress.deadline}


def _run_ref(steps: Steps, progress: Progress) -> RunRef:
    assert progress.run_id is not None
    return RunRef(
        **_asked_by(steps, progress),
        thread_id=_thread_id(progress),
        run_id=progress.run_id,
        message=progress.posted_message(),
        earlier_runs=progress.earlier_runs,
    )


def _thread_id(progress: Progress) -> str:
    assert progress.thread_id is not None
    return progress.thread_id
