"""The orchestrator `agent_run`: one durable run of a Foundry agent.

1. validate the input
2. create a thread, unless the caller named one
3. post the message
4. start the run
5. look at the run behind durable timers, until it has ended
6. fetch the response
7. return the outcome

A cancel, the deadline or a final failure may interrupt it between any two steps; then the Foundry run, if there is
one, is
cancelled before the orchestration ends. Every step records what it achieved in the progress before the next one
begins, and a
new generation goes on from there.

A change here must replay the histories in `tests/histories`, or be versioned (README, "Changing the orchestrator").
"""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import azure.durable_functions as df
import msgspec

from contracts import (
    ORCHESTRATOR,
    Answer,
    CancelledRun,
    CancelRun,
    CreateMessage,
    CreateRun,
    CreateThread,
    Failure,
    InvalidRequestError,
    MessageRef,
    PlanRun,
    RunPolicy,
    RunRef,
    RunSnapshot,
    TerminateInstance,
    ThreadRef,
    parse_request,
    to_wire,
)
from orchestrators.poll_schedule import next_poll_delay
from orchestrators.progress import Progress, begin
from orchestrators.run_outcome import Verdict, failure_code, failure_message, outcome_of, verdict_of
from orchestrators.steps import CancelRequested, DeadlinePassed, GenerationFull, Step, StepFailed, Steps

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
    """Ends the instance as Failed; its text becomes the output, so it is one readable line."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.code}: {failure.message}")


@blueprint.orchestration_trigger(context_name="context", orchestration=ORCHESTRATOR)
def agent_run(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    """Run an agent; see the module's docstring. Input: a start request, or what `contracts.start_input` or an earlier
    generation made.
    """
    steps = Steps(context)
    progress = yield from _progress(context, steps)
    try:
        return (yield from _run_agent(steps, progress))
    except GenerationFull:
        context.continue_as_new({"progress": msgspec.to_builtins(progress)})
        return None
    except CancelRequested:
        return (yield from _end_cancelled(steps, progress))
    except DeadlinePassed as signal:
        return (yield from _end_timed_out(steps, progress, signal.failure))
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
                return msgspec.convert(wire, Progress)
            case {"request": dict(wire), "policy": dict(made), **rest} if not rest:
                request, policy = parse_request(wire), msgspec.convert(made, RunPolicy)
            case _:
                request = parse_request(given)
                policy = yield from _plan(
                    steps, PlanRun(agent_id=request.agent_id, timeout_seconds=request.timeout_seconds)
                )
    except (InvalidRequestError, msgspec.ValidationError) as error:
        failure = Failure(code="invalid_request", message=str(error))
        steps.show(
            {
                "status": "Failed",
                "step": "validate_input",
                "error": {"code": failure.code, "message": str(error)[:500]},
            }
        )
        raise AgentRunFailedError(failure) from None
    return begin(
        request,
        policy,
        instance_id=context.instance_id,
        operation_id=str(context.new_uuid()),
        now=context.current_utc_datetime,
    )


def _plan(steps: Steps, question: PlanRun) -> Step[RunPolicy]:
    """Ask the settings for the policy. There is no deadline yet, so a worker that dies meanwhile is tried again only
    twice.
    """
    for _ in range(3):
        result = yield from steps.attempt("plan_run", question, RunPolicy)
        if result.value is not None:
            return result.value
        failure = result.failure or Failure(code="activity_failed", message="plan_run returned nothing")
        if not failure.retryable:
            break
    steps.show(
        {"status": "Failed", "step": "plan_run", "error": {"code": failure.code, "message": failure.message[:500]}}
    )
    raise AgentRunFailedError(failure)


def _run_agent(steps: Steps, progress: Progress) -> Step[dict[str, Any]]:
    """Steps 2 to 7. Whatever the progress holds already is not done again."""
    if progress.thread_id is None:
        _show(steps, progress, "create_thread")
        wanted = CreateThread(stamp=progress.thread_stamp(), repeated=progress.failed_attempts > 0)
        thread = yield from steps.call("create_thread", wanted, ThreadRef, progress)
        progress.thread_id = thread.thread_id
    if progress.message is not None:
        _show(steps, progress, "create_message")
        yield from steps.call("create_message", _message(progress, progress.message), MessageRef, progress)
        progress.message = None
    run = yield from _current_run(steps, progress)
    while verdict_of(run) is Verdict.GOES_ON:
        _show(steps, progress, "get_run")
        yield from steps.sleep(next_poll_delay(_age(steps, progress)), progress)
        run = yield from _look(steps, progress)
    return (yield from _conclude(steps, progress, run))


def _current_run(steps: Steps, progress: Progress) -> Step[RunSnapshot]:
    """Start the run, or look at the one that an earlier generation started."""
    if progress.run_id is not None:
        return (yield from _look(steps, progress))
    _show(steps, progress, "create_run")
    progress.run_requested = True
    progress.run_requested_at = progress.run_requested_at or steps.now
    run = yield from steps.call("create_run", _run(progress), RunSnapshot, progress)
    progress.saw(run)
    return run


def _look(steps: Steps, progress: Progress) -> Step[RunSnapshot]:
    """Look at the run once."""
    run = yield from steps.call("get_run", _run_ref(progress), RunSnapshot, progress)
    progress.polls += 1
    progress.saw(run)
    return run


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
            raise _failed(steps, progress, Failure(code=failure_code(run), message=failure_message(run)))


def _end_succeeded(steps: Steps, progress: Progress, run: RunSnapshot) -> Step[dict[str, Any]]:
    """Fetch the answer and return the outcome. The run is paid for, so neither a cancel nor a short deadline drops
    it.
    """
    _finish(steps, progress, ANSWERING_SECONDS)
    _show(steps, progress, "get_response")
    try:
        for look in range(LOOKS_FOR_THE_ANSWER):
            if look > 0:
                yield from steps.sleep(0.5 + look, progress)
            answer = yield from steps.call("get_response", _run_ref(progress), Answer, progress)
            if answer.found:
                break
    except DeadlinePassed as signal:
        raise _failed(steps, progress, _timeout(progress, signal.failure)) from None
    except StepFailed as signal:
        raise _failed(steps, progress, signal.failure) from None
    outcome = outcome_of(run, answer, progress.policy, started=progress.started, now=steps.now)
    _show(steps, progress, "done", "Success")
    _log_end(steps, progress, "Success")
    return to_wire(outcome)


def _end_cancelled(steps: Steps, progress: Progress) -> Step[dict[str, Any]]:
    """Cancel the Foundry run, wait for its end, and end as Terminated. A run that completes meanwhile counts as
    completed.
    """
    _finish(steps, progress, CANCELLING_SECONDS)
    _show(steps, progress, "cancel_run", "Cancelling")
    run, failure = yield from _stop_run(steps, progress, "Cancelling")
    if run is not None and verdict_of(run) is not Verdict.GOES_ON:
        if verdict_of(run) is not Verdict.CANCELLED:
            return (yield from _conclude(steps, progress, run))
        reason = f"cancelled on request; the Foundry run {run.run_id} was cancelled"
    elif failure is not None:
        reason = f"cancelled on request; the Foundry run may still be active: {failure.code}: {failure.message}"
    elif run is not None:
        reason = f"cancelled on request; the Foundry run {run.run_id} is still '{run.raw_status}'"
    else:
        reason = "cancelled on request, before a Foundry run was started"
    return (yield from _end_terminated(steps, progress, reason))


def _end_timed_out(steps: Steps, progress: Progress, retrying: Failure | None) -> Step[dict[str, Any]]:
    """Cancel the Foundry run and end as Failed with code `timeout`. A run that completes meanwhile counts as
    completed.
    """
    failure = _timeout(progress, retrying)
    _finish(steps, progress)
    _show(steps, progress, "cancel_run", failure=failure)
    run, obstacle = yield from _stop_run(steps, progress, "Running", failure)
    if run is not None and verdict_of(run) is Verdict.SUCCEEDED:
        return (yield from _end_succeeded(steps, progress, run))
    if obstacle is not None or (run is not None and verdict_of(run) is Verdict.GOES_ON):
        why = f": {obstacle.message}" if obstacle else ""
        failure = msgspec.structs.replace(failure, message=f"{failure.message}. The run could not be stopped{why}")
    raise _failed(steps, progress, failure)


def _end_failed(steps: Steps, progress: Progress, failure: Failure) -> Step[dict[str, Any]]:
    """Stop the Foundry run if there may be one, and end as Failed."""
    _finish(steps, progress)
    if progress.run_requested:
        _show(steps, progress, "cancel_run", failure=failure)
        yield from _stop_run(steps, progress, "Running", failure)
    raise _failed(steps, progress, failure)


def _end_terminated(steps: Steps, progress: Progress, reason: str) -> Step[dict[str, Any]]:
    """End as Terminated. After the termination nothing may follow but a wait for an event that never comes."""
    _finish(steps, progress)
    _show(steps, progress, "terminate_instance", "Cancelled")
    _log_end(steps, progress, "Cancelled")
    wanted = TerminateInstance(instance_id=progress.instance_id, reason=" ".join(reason.split())[:1000])
    try:
        yield from steps.call("terminate_instance", wanted, type(None), progress)
    except (DeadlinePassed, StepFailed) as signal:
        why = f" ({signal.failure.message})" if signal.failure else ""
        raise _failed(
            steps,
            progress,
            Failure(code="cancelled", message=f"{reason}; it could not end as Terminated{why}"),
        ) from None
    yield from steps.wait_for_ever()
    raise AssertionError("an event that never comes has come")


def _stop_run(
    steps: Steps, progress: Progress, status: str, failure: Failure | None = None
) -> Step[tuple[RunSnapshot | None, Failure | None]]:
    """Cancel the run and wait until it has ended; return it as it was last seen, and what kept us from stopping it."""
    if not progress.run_requested or progress.thread_id is None:
        return None, None
    asked_at = steps.now
    run: RunSnapshot | None = None
    wanted = CancelRun(thread_id=progress.thread_id, run_id=progress.run_id, stamp=progress.run_stamp())
    try:
        run = (yield from steps.call("cancel_run", wanted, CancelledRun, progress)).run
        while run is not None and verdict_of(run) is Verdict.GOES_ON:
            progress.saw(run)
            _show(steps, progress, "cancel_run", status, failure)
            yield from steps.sleep(next_poll_delay((steps.now - asked_at).total_seconds()), progress)
            run = yield from _look(steps, progress)
    except StepFailed as signal:
        return run, signal.failure
    except DeadlinePassed as signal:
        return run, signal.failure
    if run is not None:
        progress.saw(run)
    return run, None


def _finish(steps: Steps, progress: Progress, longest: float = STOPPING_SECONDS) -> None:
    """From here on the orchestration only ends: it has until its deadline, but at least a minute and at most
    `longest` seconds.
    """
    steps.only_finish()
    progress.failed_attempts = 0
    latest, soonest = (steps.now + timedelta(seconds=s) for s in (longest, STOPPING_SECONDS))
    progress.deadline = min(max(progress.deadline, soonest), latest)


def _failed(steps: Steps, progress: Progress, failure: Failure) -> AgentRunFailedError:
    """Show the failure in the custom status and return the error that ends the instance."""
    steps.show(progress.custom_status("Failed", failure))
    _log_end(steps, progress, "Failed", failure.code)
    return AgentRunFailedError(failure)


def _log_end(steps: Steps, progress: Progress, status: str, code: str | None = None) -> None:
    steps.log("agent_run.ended", **progress.ended_event(status, code, steps.now))


def _timeout(progress: Progress, retrying: Failure | None) -> Failure:
    seconds = progress.policy.timeout_seconds
    state = f"the run {progress.run_id} was '{progress.run_status}'" if progress.run_id else f"at step {progress.step}"
    because = f"; last error: {retrying.code}: {retrying.message}" if retrying else ""
    return Failure(
        code="timeout",
        message=f"not done after {seconds} seconds, {state}{because}. Give it a longer timeout_seconds",
    )


def _show(steps: Steps, progress: Progress, step: str, status: str = "Running", failure: Failure | None = None) -> None:
    progress.step = step
    steps.show(progress.custom_status(status, failure))


def _age(steps: Steps, progress: Progress) -> float:
    return (steps.now - (progress.run_requested_at or steps.now)).total_seconds()


def _message(progress: Progress, content: str) -> CreateMessage:
    assert progress.thread_id is not None
    return CreateMessage(
        thread_id=progress.thread_id,
        content=content,
        stamp=progress.message_stamp(),
        metadata=progress.metadata,
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
    return RunRef(thread_id=progress.thread_id, run_id=progress.run_id)
