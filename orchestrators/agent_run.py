"""The orchestrator `agent_run`: one durable run of a Foundry agent.

1. validate the input
2. create a thread, unless the caller named one
3. post the message
4. start the run
5. look at the run behind durable timers, until it has ended
6. fetch the response, unless the last look brought it along
7. return the outcome

A cancel, the deadline or a final failure may interrupt it between any two steps; then the Foundry run, if there is
one, is cancelled before the orchestration ends. Every step records what it achieved in the progress before the next
one begins, and a new generation goes on from there.

A change here must replay the histories in `tests/histories`, or be versioned (docs/changing-the-orchestrator.md).
"""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import azure.durable_functions as df
import msgspec

from contracts.activities import (
    CancelledRun,
    CancelRun,
    CreateMessage,
    CreateRun,
    CreateThread,
    Failure,
    InstanceState,
    LookAtInstance,
    MessageRef,
    PlanRun,
    RunRef,
    SubmitToolOutputs,
    TerminateInstance,
    ThreadRef,
)
from contracts.codes import ErrorCode
from contracts.durable import ORCHESTRATOR
from contracts.request import AgentRunRequest, RunPolicy
from contracts.runs import Answer, RunSnapshot, RunState
from contracts.wire import from_wire, to_wire
from orchestrators.poll_schedule import next_poll_delay
from orchestrators.progress import Progress, begin, shortened
from orchestrators.retry_policy import MOST_WAITS_FOR_AN_INSTANCE, quota_delay
from orchestrators.run_outcome import (
    Verdict,
    cancel_reason,
    not_stopped,
    outcome_of,
    run_failure,
    timeout_failure,
    verdict_of,
)
from orchestrators.steps import (
    CancelRequested,
    DeadlinePassed,
    GenerationFull,
    Step,
    StepFailed,
    Steps,
)
from validation.field_errors import InvalidRequestError
from validation.start_request import parse_request
from validation.tool_answers import read_tool_answer

blueprint = df.Blueprint()

LOOKS_FOR_THE_ANSWER = 4
"""The message list can lag behind the run: an empty one is asked again this often."""

STOPPING_SECONDS = 60.0
"""How long, beyond the deadline if need be, an orchestration that ends goes on trying to stop its Foundry run."""

ANSWERING_SECONDS = 3600
"""How long a completed run's answer is asked for at most, where Foundry does not give it out."""

CANCELLING_SECONDS = 900
"""A run stuck in `cancelling` is waited for at most this long: Foundry itself expires it ten minutes after its
creation.
"""


class AgentRunFailedError(Exception):
    """Ends the instance as Failed; its text becomes the output, so it is one readable line. The host logs it, too."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.code}: {failure.loggable}")


@blueprint.orchestration_trigger(context_name="context", orchestration=ORCHESTRATOR)
def agent_run(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    """Run an agent; see the module's docstring.

    Input: a start request, or what `contracts.start_input` or an earlier generation made.
    """
    steps = Steps(context)
    try:
        return (yield from _orchestrate(context, steps))
    except Exception:
        steps.leave_out_inputs()
        raise


def _orchestrate(context: Any, steps: Steps) -> Step[dict[str, Any] | None]:
    progress = yield from _progress(context, steps)
    try:
        return (yield from _run_agent(steps, progress))
    except GenerationFull:
        context.continue_as_new({"progress": msgspec.to_builtins(progress)})
        return None
    except CancelRequested:
        return (yield from _end_cancelled(steps, progress))
    except DeadlinePassed:
        return (yield from _end_timed_out(steps, progress))
    except StepFailed as signal:
        return (yield from _end_failed(steps, progress, signal.failure))


def _progress(context: Any, steps: Steps) -> Step[Progress]:
    """Take up the progress of the generation before, or begin with a validated request."""
    given = context.get_input()
    if isinstance(given, str):  # the Python client's inputs arrive as JSON text
        try:
            given = msgspec.json.decode(given)
        except msgspec.DecodeError:
            given = None
    try:
        match given:
            case {"progress": dict(wire), **rest} if not rest:
                return from_wire(Progress, wire)
            case {"request": dict(wire), "policy": dict(made), **rest} if not rest:
                request, policy = parse_request(wire), from_wire(RunPolicy, made)
            case _:
                request = parse_request(given)
                policy = yield from _plan(steps, request)
    except InvalidRequestError as error:
        failure = Failure(code=ErrorCode.INVALID_REQUEST, message=str(error), summary=error.summary)
        raise _not_started(context, failure) from None
    except msgspec.ValidationError as error:
        raise _not_started(context, Failure(code=ErrorCode.INVALID_REQUEST, message=str(error))) from None
    except StepFailed as signal:
        raise _not_started(context, signal.failure) from None
    return begin(
        request,
        policy,
        instance_id=context.instance_id,
        operation_id=_operation_id(policy, str(context.new_uuid())),
        now=context.current_utc_datetime,
    )


def _operation_id(policy: RunPolicy, execution_id: str) -> str:
    """Return what the stamps of this start have in common.

    With an idempotency key two starts at once may both be accepted, and the second one replaces the first
    (durable-protocol.md, rule 14). Their stamps are the same if they ask for the same, so the second adopts whatever
    the first one created; what was created for another request is never adopted.
    """
    if policy.request_fingerprint is None:
        return execution_id
    return f"idempotent-{policy.request_fingerprint[:32]}"


def _plan(steps: Steps, request: AgentRunRequest) -> Step[RunPolicy]:
    """Ask the settings for the policy. There is no deadline yet, so a worker that dies meanwhile is waited for
    thrice.
    """
    question = PlanRun(agent_id=request.agent_id, timeout_seconds=request.timeout_seconds)
    failure = Failure(code=ErrorCode.ACTIVITY_FAILED, message="plan_run returned nothing")
    for _ in range(3):
        result = yield from steps.attempt("plan_run", question, RunPolicy)
        if result.value is not None:
            return result.value
        failure = result.failure or failure
        if not failure.retryable:
            break
    raise StepFailed(failure)


def _not_started(context: Any, failure: Failure) -> AgentRunFailedError:
    error = {"code": failure.code, "message": shortened(failure.message, 1000)}
    context.set_custom_status({"status": "Failed", "step": "validate_input", "error": error})
    return AgentRunFailedError(failure)


# --- the run ---


def _run_agent(steps: Steps, progress: Progress) -> Step[dict[str, Any]]:
    """Steps 2 to 7. Whatever the progress holds already is not done again."""
    if progress.thread_id is None:
        _show(steps, progress, "create_thread")
        thread = yield from steps.call("create_thread", lambda: _thread(progress), ThreadRef, progress)
        progress.thread_id = thread.thread_id
    if progress.message is not None:
        _show(steps, progress, "create_message")
        yield from _post_message(steps, progress)
        progress.message = None
    while True:
        run = yield from _current_run(steps, progress)
        run = yield from _until_ended(steps, progress, run)
        delay = _delay_before_another_run(steps, progress, run)
        if delay is None:
            return (yield from _conclude(steps, progress, run))
        progress.next_run()
        progress.retrying = run_failure(run)
        _show(steps, progress, "create_run")
        yield from steps.sleep(delay, progress)


def _post_message(steps: Steps, progress: Progress) -> Step[None]:
    """Post the message. Where another instance's message waits on the thread for its run, see whether it still can."""

    def holder_has_ended(failure: Failure) -> Step[bool]:
        holder = failure.waiting_instance
        if holder is None or not progress.is_to_look_at(holder):
            return False
        question = LookAtInstance(instance_id=holder)
        result = yield from steps.attempt("look_at_instance", question, InstanceState)
        progress.holder = (holder, result.value.state if result.value else "unknown")
        return progress.holder[1] == "ended"

    yield from steps.call(
        "create_message", lambda: _message(progress), MessageRef, progress, reconsider=holder_has_ended
    )


def _current_run(steps: Steps, progress: Progress) -> Step[RunSnapshot]:
    """Start the run, or look at the one that an earlier generation started."""
    if progress.run_id is not None:
        return (yield from _look(steps, progress))
    _show(steps, progress, "create_run")
    progress.run_requested = True
    progress.run_requested_at = progress.run_requested_at or steps.now
    run = yield from steps.call("create_run", lambda: _run(progress), RunSnapshot, progress)
    progress.saw(run)
    return run


def _until_ended(steps: Steps, progress: Progress, run: RunSnapshot) -> Step[RunSnapshot]:
    """Look at the run behind timers until it has ended, and pass on the answers to what it asks meanwhile."""
    while verdict_of(run) is Verdict.GOES_ON:
        _show(steps, progress, "get_run")
        if not progress.answers:
            yield from steps.sleep(next_poll_delay(_age(steps, progress)), progress)
        if progress.answers:
            run = yield from _answer(steps, progress, run)
        else:
            run = yield from _look(steps, progress)
    return run


def _look(steps: Steps, progress: Progress) -> Step[RunSnapshot]:
    """Look at the run once."""
    run = yield from steps.call("get_run", lambda: _run_ref(progress), RunSnapshot, progress)
    progress.polls += 1
    progress.saw(run)
    return run


def _answer(steps: Steps, progress: Progress, run: RunSnapshot) -> Step[RunSnapshot]:
    """Pass on the caller's answer, or ask again where it does not fit."""
    answer, problems = read_tool_answer(progress.answers[0], progress.pending_calls)
    if problems:
        progress.answer_was_refused(shortened("; ".join(f"{p.target} {p.message}" for p in problems), 300))
        return run
    _show(steps, progress, "submit_tool_outputs")
    wanted = SubmitToolOutputs(thread_id=run.thread_id, run_id=run.run_id, answer=answer)
    run = yield from steps.call("submit_tool_outputs", lambda: wanted, RunSnapshot, progress)
    progress.answer_was_taken()
    progress.saw(run)
    return run


def _delay_before_another_run(steps: Steps, progress: Progress, run: RunSnapshot) -> float | None:
    """Return how long to wait before a run that failed for lack of quota is repeated, or None where it is not."""
    if not run.rate_limited or verdict_of(run) is not Verdict.FAILED:
        return None
    if progress.run_number >= progress.policy.rate_limit_retries:
        return None
    return quota_delay(run.retry_after_seconds, (progress.deadline - steps.now).total_seconds())


# --- how it ends ---


def _conclude(steps: Steps, progress: Progress, run: RunSnapshot) -> Step[dict[str, Any]]:
    """End as a run that has ended demands."""
    match verdict_of(run):
        case Verdict.SUCCEEDED:
            return (yield from _end_succeeded(steps, progress, run))
        case Verdict.CANCELLED:
            return (
                yield from _end_terminated(steps, progress, f"cancelled: the Foundry run {run.run_id} was cancelled")
            )
        case _:
            raise _failed(steps, progress, run_failure(run, progress.pending_calls, runs=progress.run_number + 1))


def _end_succeeded(steps: Steps, progress: Progress, run: RunSnapshot) -> Step[dict[str, Any]]:
    """Fetch the answer and return the outcome. The run is paid for: neither a cancel nor a near deadline drops it."""
    _finish(steps, progress, ANSWERING_SECONDS)
    try:
        answer = yield from _answer_of(steps, progress, run)
    except DeadlinePassed:
        raise _failed(steps, progress, timeout_failure(progress)) from None
    except StepFailed as signal:
        raise _failed(steps, progress, signal.failure) from None
    if answer.of_another_message:
        message = (
            f"another message was added to thread {run.thread_id} at the same moment, and run {run.run_id} "
            "has answered that one: start again"
        )
        raise _failed(steps, progress, Failure(code=ErrorCode.ANSWER_MISMATCH, message=message))
    outcome = outcome_of(run, answer, progress.policy, started=progress.started, now=steps.now)
    progress.failure = None
    _show(steps, progress, "done", "Success")
    _log_end(steps, progress)
    return to_wire(outcome)


def _answer_of(steps: Steps, progress: Progress, run: RunSnapshot) -> Step[Answer]:
    """Return what the run's agent wrote, if anything."""
    answer = run.answer or Answer(found=False)
    for look in range(0 if run.answer is None else 1, LOOKS_FOR_THE_ANSWER):
        if answer.found:
            break
        _show(steps, progress, "get_response")
        if look > 0:
            yield from steps.sleep(0.5 + look, progress)
        answer = yield from steps.call("get_response", lambda: _run_ref(progress), Answer, progress)
    return answer


def _end_cancelled(steps: Steps, progress: Progress) -> Step[dict[str, Any]]:
    """Cancel the Foundry run, wait for its end, and end as Terminated, unless it has ended by itself meanwhile."""
    _finish(steps, progress, CANCELLING_SECONDS)
    _show(steps, progress, "cancel_run", "Cancelling")
    run, obstacle = yield from _stop_run(steps, progress)
    if run is not None and run.state in {RunState.COMPLETED, RunState.FAILED, RunState.INCOMPLETE}:
        return (yield from _conclude(steps, progress, run))
    return (yield from _end_terminated(steps, progress, cancel_reason(run, obstacle, runs_before=progress.run_number)))


def _end_timed_out(steps: Steps, progress: Progress) -> Step[dict[str, Any]]:
    """Cancel the Foundry run and end as Failed with code `timeout`. A run that completes meanwhile counts as
    completed.
    """
    return (yield from _end_failed(steps, progress, timeout_failure(progress)))


def _end_failed(steps: Steps, progress: Progress, failure: Failure) -> Step[dict[str, Any]]:
    """Stop the Foundry run if there may be one, and end as Failed, unless the run completes meanwhile."""
    _finish(steps, progress)
    progress.failure = failure
    _show(steps, progress, "cancel_run")
    run, obstacle = yield from _stop_run(steps, progress)
    if run is not None and verdict_of(run) is Verdict.SUCCEEDED:
        return (yield from _end_succeeded(steps, progress, run))
    if progress.run_id is not None and (run is None or verdict_of(run) is Verdict.GOES_ON):
        failure = not_stopped(failure, obstacle)
    raise _failed(steps, progress, failure)


def _end_terminated(steps: Steps, progress: Progress, reason: str) -> Step[dict[str, Any]]:
    """End as Terminated. After the termination nothing may follow but a wait for an event that never comes."""
    _finish(steps, progress)
    _show(steps, progress, "terminate_instance", "Cancelled")
    _log_end(steps, progress)
    wanted = TerminateInstance(instance_id=steps.instance_id, reason=" ".join(reason.split())[:1000])
    try:
        yield from steps.call("terminate_instance", lambda: wanted, type(None), progress)
    except (DeadlinePassed, StepFailed):
        why = f" ({progress.retrying.loggable})" if progress.retrying else ""
        failure = Failure(code=ErrorCode.CANCELLED, message=f"{reason}; it could not end as Terminated{why}")
        raise _failed(steps, progress, failure) from None
    yield from steps.wait_for_ever()
    raise AssertionError("an event that never comes has come")


def _stop_run(steps: Steps, progress: Progress) -> Step[tuple[RunSnapshot | None, Failure | None]]:
    """Cancel the run and wait until it has ended; return it as it was last seen, and what kept us from stopping it."""
    if not progress.run_requested or progress.thread_id is None:
        return None, None
    asked_at = steps.now
    run: RunSnapshot | None = None
    wanted = CancelRun(thread_id=progress.thread_id, run_id=progress.run_id, stamp=progress.run_stamp())
    try:
        run = (yield from steps.call("cancel_run", lambda: wanted, CancelledRun, progress)).run
        while run is not None:
            progress.saw(run)
            if verdict_of(run) is not Verdict.GOES_ON:
                break
            steps.show(progress)
            yield from steps.sleep(next_poll_delay((steps.now - asked_at).total_seconds()), progress)
            run = yield from _look(steps, progress)
    except (DeadlinePassed, StepFailed):
        return run, progress.retrying
    return run, None


def _finish(steps: Steps, progress: Progress, longest: float = STOPPING_SECONDS) -> None:
    """From here on it only ends: it has until its deadline, but at least a minute and at most `longest` seconds."""
    steps.only_finish()
    progress.failed_attempts = 0
    latest, soonest = (steps.now + timedelta(seconds=s) for s in (longest, STOPPING_SECONDS))
    progress.deadline = min(max(progress.deadline, soonest), latest)


def _failed(steps: Steps, progress: Progress, failure: Failure) -> AgentRunFailedError:
    """Show the failure in the custom status and return the error that ends the instance."""
    progress.failure = failure
    _show(steps, progress, progress.step, "Failed")
    _log_end(steps, progress)
    return AgentRunFailedError(failure)


def _show(steps: Steps, progress: Progress, step: str, status: str | None = None) -> None:
    progress.step = step
    progress.status = status or progress.status
    steps.show(progress)


def _log_end(steps: Steps, progress: Progress) -> None:
    steps.log("agent_run.ended", **progress.ended_event(steps.now))


def _age(steps: Steps, progress: Progress) -> float:
    return (steps.now - (progress.run_requested_at or steps.now)).total_seconds()


# --- what the activities are given ---


def _thread(progress: Progress) -> CreateThread:
    # With an idempotency key the start itself may be repeated, and an earlier one may have created the thread.
    repeated = progress.failed_attempts > 0 or progress.policy.request_fingerprint is not None
    return CreateThread(stamp=progress.thread_stamp(), repeated=repeated)


def _message(progress: Progress) -> CreateMessage:
    assert progress.thread_id is not None
    assert progress.message is not None
    waits = progress.waits_for_instance()
    return CreateMessage(
        thread_id=progress.thread_id,
        content=progress.message,
        stamp=progress.message_stamp(),
        metadata=progress.metadata,
        ignore_instance=progress.abandoned(waited_for_long=waits > MOST_WAITS_FOR_AN_INSTANCE),
    )


def _run(progress: Progress) -> CreateRun:
    assert progress.thread_id is not None
    return CreateRun(
        thread_id=progress.thread_id,
        agent_id=progress.policy.agent_id,
        stamp=progress.run_stamp(),
        options=progress.options,
        metadata=progress.metadata,
    )


def _run_ref(progress: Progress) -> RunRef:
    assert progress.thread_id is not None
    assert progress.run_id is not None
    message = progress.message_stamp() if progress.checks_answer else None
    return RunRef(thread_id=progress.thread_id, run_id=progress.run_id, message=message)
