"""The orchestrator `agent_run`: one durable run of a Foundry agent.

1. validate the input
2. create a thread, unless the caller named one
3. post the message
4. start the run, in the same activity where that can be repeated safely
5. look at the run behind durable timers, until it has ended
6. fetch the response, unless the last look brought it along
7. delete the thread, if that was asked for and the run has succeeded
8. end

A cancel, the deadline or a final failure may interrupt it between any two steps; then the Foundry run, if there is
one, is stopped before the orchestration ends (`endings`). Every step records what it achieved in the progress before
the next one begins, and a new generation goes on from there.

A change here must replay the histories in `tests/histories`, or be versioned (docs/changing-the-orchestrator.md).
"""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import azure.durable_functions as df
import msgspec

from contracts.activities import Failure
from contracts.codes import ErrorCode
from contracts.durable import ORCHESTRATOR
from contracts.instance_input import continued_input, read_instance_input
from contracts.request import LONGEST_TIMEOUT_SECONDS, RunPolicy
from contracts.runs import RunSnapshot
from contracts.wire import from_wire
from look_schedule import next_poll_delay, whole_and_half
from orchestrators import endings
from orchestrators.activity_calls import (
    create_message,
    create_run,
    create_thread,
    get_run,
    plan_run,
    show,
    submit_tool_outputs,
)
from orchestrators.past import past_after
from orchestrators.progress import Progress, begin
from orchestrators.question import Stage
from orchestrators.retry_policy import quota_delay, share_of
from orchestrators.run_outcome import Verdict, run_failure, timeout_failure, unsupported_action, verdict_of
from orchestrators.steps import CancelRequested, DeadlinePassed, GenerationFull, Step, StepFailed, Steps
from validation.cancel_request import read_cancel_reason
from validation.field_errors import InvalidRequestError
from validation.generations import refuse_unfit
from validation.misfits import misfits
from validation.start_request import parse_request

blueprint = df.Blueprint()

UNSUPPORTED_SECONDS = 20.0
"""How long a run may wait for what this app does not know: the service itself, or somebody elsewhere, may answer it."""


@blueprint.orchestration_trigger(context_name="context", orchestration=ORCHESTRATOR)
def agent_run(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    """Run an agent; see the module's docstring.

    Input: a start request, or what `contracts.instance_input` makes for a start or for the next generation.
    """
    steps = Steps(context)
    try:
        return (yield from _to_its_end(steps))
    except Exception:
        steps.leave_out_inputs()
        raise


def _to_its_end(steps: Steps) -> Step[dict[str, Any] | None]:
    try:
        progress = yield from _validated(steps)
    except StepFailed as signal:
        return (yield from endings.end(steps, None, endings.Failed(signal.failure)))
    try:
        run = yield from _run_agent(steps, progress)
        ending = yield from endings.conclude(steps, progress, run)
    except GenerationFull:
        if progress.past is not None:
            progress.past = past_after(progress.past, steps.history, progress.question)
        steps.continue_as_new(continued_input(progress))
        return None
    except CancelRequested as signal:
        ending = yield from endings.cancel(steps, progress, read_cancel_reason(signal.payload))
    except DeadlinePassed:
        ending = yield from endings.give_up(steps, progress, timeout_failure(progress))
    except StepFailed as signal:
        ending = yield from endings.give_up(steps, progress, signal.failure)
    return (yield from endings.end(steps, progress, ending))


def _validated(steps: Steps) -> Step[Progress]:
    """Take up the progress of the generation before, or begin with a validated request."""
    given = read_instance_input(steps.given)
    try:
        if given.progress is not None:
            return _resumed(from_wire(Progress, given.progress), steps)
        request = parse_request(given.request)
        policy = from_wire(RunPolicy, given.policy) if given.policy else (yield from plan_run(steps, request))
        refuse_unfit(request, policy.generation)
    except InvalidRequestError as error:
        failure = Failure(code=ErrorCode.INVALID_REQUEST, message=str(error), summary=error.summary)
        raise StepFailed(failure) from None
    except msgspec.ValidationError:
        if given.progress is not None:
            raise StepFailed(_misfit("progress", Progress, given.progress)) from None
        raise StepFailed(_misfit("policy", RunPolicy, given.policy)) from None
    return begin(
        request,
        policy,
        instance_id=steps.instance_id,
        operation_id=_operation_id(policy, steps.new_id()),
        now=steps.now,
        trace_id=steps.trace_id,
    )


def _misfit(part: str, kind: type[msgspec.Struct], given: Any) -> Failure:
    """Return what is wrong with a part of the input that no code of ours has made."""
    error = InvalidRequestError(misfits(kind, given, part))
    return Failure(code=ErrorCode.INVALID_REQUEST, message=str(error), summary=f"{part} does not fit")


def _resumed(progress: Progress, steps: Steps) -> Progress:
    """Return the progress, unless it is one that no generation of ours has left: the management API takes any input."""
    longest = timedelta(seconds=LONGEST_TIMEOUT_SECONDS + endings.ANSWERING_SECONDS)
    if not progress.started <= progress.deadline <= steps.now + longest:
        raise StepFailed(Failure(code=ErrorCode.INVALID_REQUEST, message="the deadline of this progress is none"))
    if steps.instance_id != (progress.runs_as or progress.instance_id):
        progress.owns_thread = False  # which the other one did
        progress.trace_id = msgspec.UNSET
    progress.runs_as = steps.instance_id
    steps.trace_id = progress.trace_id or steps.trace_id
    progress.trace_id = steps.trace_id or msgspec.UNSET
    return progress


def _operation_id(policy: RunPolicy, execution_id: str) -> str:
    """Return what the stamps of this start have in common.

    With an idempotency key two starts at once may both be accepted, and the second one replaces the first
    (durable-protocol.md, rule 14). Their stamps are the same if they ask for the same, so the second adopts whatever
    the first one created; what was created for another request is never adopted.
    """
    if policy.request_fingerprint is None:
        return execution_id
    return f"idempotent-{policy.request_fingerprint[:32]}"


def _run_agent(steps: Steps, progress: Progress) -> Step[RunSnapshot]:
    """Steps 2 to 5; return the run that has ended. Whatever the progress holds already is not done again."""
    yield from create_thread(steps, progress)
    attempted = yield from create_message(steps, progress)
    while True:
        run = yield from create_run(steps, progress, attempted)
        attempted = None
        run = yield from _until_ended(steps, progress, run)
        delay = _delay_before_another_run(steps, progress, run)
        if delay is None:
            return run
        progress.attempts.count(run_failure(run, progress))
        progress.next_run(steps.now)
        show(steps, progress, "create_run")
        yield from steps.sleep(delay, progress)


def _until_ended(steps: Steps, progress: Progress, run: RunSnapshot) -> Step[RunSnapshot]:
    """Look at the run behind timers until it has ended, and pass on the answers to what it asks meanwhile."""
    while verdict_of(run) is Verdict.GOES_ON:
        show(steps, progress, "get_run")
        waited = progress.unsupported_for(steps.now)
        if waited is not None and waited >= UNSUPPORTED_SECONDS:
            raise StepFailed(unsupported_action(progress))
        if progress.question.stage is not Stage.HELD:
            delay = next_poll_delay(progress.run_age(steps.now), as_before_1_1=steps.began_before_1_1)
            if waited is not None:
                delay = min(delay, whole_and_half(UNSUPPORTED_SECONDS - waited))
            yield from steps.sleep(delay, progress)
        if progress.question.stage is Stage.HELD:
            run = yield from submit_tool_outputs(steps, progress, run)
        else:
            run = yield from get_run(steps, progress)
    return run


def _delay_before_another_run(steps: Steps, progress: Progress, run: RunSnapshot) -> float | None:
    """Return how long to wait before a run that failed for lack of quota is repeated, or None where it is not."""
    if not run.rate_limited or verdict_of(run) is not Verdict.FAILED:
        return None
    if progress.run_number >= progress.policy.rate_limit_retries:
        return None
    return quota_delay(
        run.retry_after_seconds,
        (progress.deadline - steps.now).total_seconds(),
        progress.run_number + 1,
        share_of(progress.instance_id, "quota", progress.run_number),
    )
