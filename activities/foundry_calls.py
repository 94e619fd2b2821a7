"""The activities that talk to Foundry: they translate a contract into a call (`agent_calls`), and what comes back into
a contract. Nothing that was to be expected is raised: a failure is data, and the orchestrator decides what follows.

Those that take their turn on a thread ask the platform about the instances before them, which its client does on the
loop (`others`), and those that see a run watch it (`watch`): so they are coroutines, and block in threads of their own.
All of them run within the trace that the platform calls them in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import azure.durable_functions as df
import azure.functions as func
from msgspec import UNSET
from msgspec.structs import replace

import host_clock
from activities.agent_calls import AgentCalls, log_foundry_error, log_store_error
from activities.next_in_turn import TurnSeen, stays_of_worker
from activities.others import others_by
from activities.threads import in_a_thread
from activities.turns import NotItsTurnError, OtherInstances
from activities.watch import watch_of_worker
from contracts.activities import (
    ActivityResult,
    CancelRun,
    CreateMessage,
    CreateRun,
    CreateThread,
    DeleteThread,
    Failure,
    Looking,
    MessageRef,
    PlanRun,
    RunRef,
    SubmitToolOutputs,
    Timed,
)
from contracts.codes import ErrorCode
from contracts.request import RunPolicy
from contracts.runs import RunSnapshot
from contracts.wire import Wire, from_wire, to_wire
from foundry.connection import agent_service, planned_agent
from foundry.errors import FoundryError, NotFoundError, ThreadBusyError
from policy import policy_for
from settings import Settings, SettingsError, load_settings
from store.connection import document_store
from store.documents import StoreError
from trace_context import in_trace, trace_of_invocation
from validation.field_errors import InvalidRequestError

blueprint = df.Blueprint()

Input = TypeVar("Input")
Asked = TypeVar("Asked", bound=Timed)
Looker = TypeVar("Looker", bound=Looking)
Output = TypeVar("Output", bound=Wire)
Asker = TypeVar("Asker")

PLANNING_SECONDS = 20.0
LONGEST_SECONDS = 120.0
SHORTEST_SECONDS = 10.0
"""Of an activity's requests together."""
LONGEST_WATCHED_SECONDS = 9.0
"""Of an activity that watches, with all that it did before: a host that stops leaves it ten."""


@blueprint.activity_trigger(input_name="payload")
def plan_run(payload: dict, context: func.Context) -> dict[str, Any]:
    """Say what the settings make of a request (`PlanRun` to `RunPolicy`). Only runs that the webhook started need it:
    Foundry is asked where the request names an agent without its version.
    """
    with in_trace(trace_of_invocation(context)):
        return perform("plan_run", PlanRun, payload, _plan)


def _plan(settings: Settings, wanted: PlanRun) -> RunPolicy:
    given = wanted.agent_id or settings.default_agent_id
    return policy_for(
        settings,
        agent=planned_agent(settings, given, PLANNING_SECONDS) if given else None,
        timeout_seconds=wanted.timeout_seconds,
        delete_thread=wanted.delete_thread,
    )


@blueprint.activity_trigger(input_name="payload")
def create_thread(payload: dict, context: func.Context) -> dict[str, Any]:
    """Create a thread (`CreateThread` to `ThreadRef`)."""
    with in_trace(trace_of_invocation(context)):
        return perform("create_thread", CreateThread, payload, _at_foundry(AgentCalls.create_thread))


@blueprint.activity_trigger(input_name="payload")
@blueprint.durable_client_input(client_name="client")
async def create_message(payload: dict, client: df.DurableOrchestrationClient, context: func.Context) -> dict[str, Any]:
    """Post the user's message, once it is the instance's turn, and go on with its run where that is asked for
    (`CreateMessage` to `MessageRef`).
    """
    with in_trace(trace_of_invocation(context)):
        wanted = from_wire(CreateMessage, payload)
        seen = TurnSeen()
        act = _bound(seen.noting(_at_foundry(AgentCalls.create_message, others_by(client))), wanted)
        began = host_clock.seconds()
        result = await stays_of_worker.until_its_turn(
            lambda: in_a_thread(lambda: attempt("create_message", act)),
            seen,
            lambda: in_a_thread(lambda: seen.has_moved(document_store)),
        )
        if result.value is not None and wanted.run is not UNSET:
            result = ActivityResult(value=await _with_its_run(result.value, wanted.run, began))
        return to_wire(result)


async def _with_its_run(posted: MessageRef, wanted: CreateRun, began: float) -> MessageRef:
    """Return the message with what came of its run, which is started as by `create_run`."""
    if wanted.message is not None:
        wanted = replace(wanted, message=replace(wanted.message, message_id=posted.message_id))
    requested_at = host_clock.now()
    act = _at_foundry(AgentCalls.create_run, spent=host_clock.seconds() - began)
    run = await watched("create_run", wanted, act, age=0.0, began=began)
    return replace(posted, run=run, run_requested_at=requested_at)


@blueprint.activity_trigger(input_name="payload")
@blueprint.durable_client_input(client_name="client")
async def create_run(payload: dict, client: df.DurableOrchestrationClient, context: func.Context) -> dict[str, Any]:
    """Start the run, and watch it (`CreateRun` to `RunSnapshot`)."""
    with in_trace(trace_of_invocation(context)):
        act = _at_foundry(AgentCalls.create_run, others_by(client))
        return to_wire(await watched("create_run", from_wire(CreateRun, payload), act, age=0.0))


@blueprint.activity_trigger(input_name="payload")
async def get_run(payload: dict, context: func.Context) -> dict[str, Any]:
    """Look at the run, and watch it if that is asked for (`RunRef` to `RunSnapshot`)."""
    with in_trace(trace_of_invocation(context)):
        ref = from_wire(RunRef, payload)
        return to_wire(await watched("get_run", ref, _at_foundry(AgentCalls.get_run), age=ref.watch_from))


@blueprint.activity_trigger(input_name="payload")
def get_response(payload: dict, context: func.Context) -> dict[str, Any]:
    """Fetch what the run's agent answered (`RunRef` to `Answer`)."""
    with in_trace(trace_of_invocation(context)):
        return perform("get_response", RunRef, payload, _at_foundry(AgentCalls.get_response))


@blueprint.activity_trigger(input_name="payload")
def cancel_run(payload: dict, context: func.Context) -> dict[str, Any]:
    """Cancel the run (`CancelRun` to `CancelledRun`)."""
    with in_trace(trace_of_invocation(context)):
        return perform("cancel_run", CancelRun, payload, _at_foundry(AgentCalls.cancel_run))


@blueprint.activity_trigger(input_name="payload")
async def submit_tool_outputs(payload: dict, context: func.Context) -> dict[str, Any]:
    """Pass on the answer to the run's tool calls, and watch the run (`SubmitToolOutputs` to `RunSnapshot`)."""
    with in_trace(trace_of_invocation(context)):
        wanted = from_wire(SubmitToolOutputs, payload)
        act = _at_foundry(AgentCalls.submit_tool_outputs)
        return to_wire(await watched("submit_tool_outputs", wanted, act, age=0.0))


@blueprint.activity_trigger(input_name="payload")
def delete_thread(payload: dict, context: func.Context) -> dict[str, Any]:
    """Delete the thread, if it is the app's own (`DeleteThread` to `ThreadDeletion`)."""
    with in_trace(trace_of_invocation(context)):
        return perform("delete_thread", DeleteThread, payload, _at_foundry(AgentCalls.delete_thread))


async def watched(
    activity: str,
    wanted: Looker,
    action: Callable[[Settings, Looker], RunSnapshot],
    *,
    age: float | None,
    began: float | None = None,
) -> ActivityResult[RunSnapshot]:
    """Run the action in a thread, then watch the run that it returns, which has worked for `age` seconds, unless that
    is None. `began`: when the activity did, on the host's clock, if that is not now.
    """
    began = host_clock.seconds() if began is None else began
    result = await in_a_thread(lambda: attempt(activity, _bound(action, wanted)))
    if result.value is None:
        return result
    return ActivityResult(value=await _watch(wanted, result.value, age, began))


async def _watch(wanted: Looking, run: RunSnapshot, age: float | None, began: float) -> RunSnapshot:
    settings = load_settings()
    watch = watch_of_worker(settings.most_looks_per_second)
    watch.rate.count(run.looks, watch.clock())
    if age is None:
        return run
    ref = RunRef(
        runs_as=wanted.runs_as,
        generation=wanted.generation,
        thread_id=run.thread_id,
        run_id=run.run_id,
        message=wanted.message,
        earlier_runs=wanted.earlier_runs,
        until=wanted.until,
    )
    left = math.inf if wanted.until is None else (wanted.until - host_clock.now()).total_seconds()
    left = min(left, began + LONGEST_WATCHED_SECONDS - watch.clock())
    return await watch.news_of(run, lambda: in_a_thread(lambda: look_again(settings, ref)), age=age, seconds_left=left)


def look_again(settings: Settings, ref: RunRef) -> RunSnapshot | None:
    """Look at the run once more; None where that fails. It has less time than the first look: the next one of those is
    not far.
    """
    now = host_clock.now()
    service = agent_service(settings, ref.generation).within(SHORTEST_SECONDS)
    try:
        return AgentCalls(service, settings, document_store, now).get_run(ref)
    except FoundryError as error:
        log_foundry_error("get_run", error)
        return None


def _at_foundry(
    call: Callable[[AgentCalls, Asked], Output], others: OtherInstances | None = None, *, spent: float = 0.0
) -> Callable[[Settings, Asked], Output]:
    """Return the call, given this worker's connections, and the time it has. `spent`: seconds of the same activity."""

    def act(settings: Settings, wanted: Asked) -> Output:
        now = host_clock.now()
        seconds = min(seconds_for(wanted, now), max(LONGEST_SECONDS - spent, SHORTEST_SECONDS))
        service = agent_service(settings, wanted.generation).within(seconds)
        return call(AgentCalls(service, settings, document_store, now, others), wanted)

    return act


def seconds_for(wanted: Timed, now: datetime) -> float:
    """Return how long all requests of an activity may take together: what the run has left, within bounds.

    An activity that exceeds `functionTimeout` (host.json) costs its worker everything in flight, and a run whose time
    is over is still to be stopped.
    """
    left = LONGEST_SECONDS if wanted.until is None else (wanted.until - now).total_seconds()
    return min(max(left, SHORTEST_SECONDS), LONGEST_SECONDS)


def perform(
    activity: str,
    kind: type[Input],
    payload: dict,
    action: Callable[[Settings, Input], Wire],
    settings: Callable[[], Settings] = load_settings,
) -> dict[str, Any]:
    """Run the action on the decoded payload; return its value, or the failure that was to be expected, as JSON types.

    Anything else that is raised is a bug, and reaches the orchestrator as a failed activity.
    """
    return to_wire(attempt(activity, _bound(action, from_wire(kind, payload)), settings))


def _bound(action: Callable[[Settings, Asker], Output], wanted: Asker) -> Callable[[Settings], Output]:
    return lambda settings: action(settings, wanted)


def attempt(
    activity: str, action: Callable[[Settings], Output], settings: Callable[[], Settings] = load_settings
) -> ActivityResult[Output]:
    """Run the action as `perform` does; return the result before it is JSON."""
    try:
        return ActivityResult(value=action(settings()))
    except FoundryError as error:
        log_foundry_error(activity, error)
        return ActivityResult(failure=_failure_of(error))
    except NotItsTurnError as turn:
        return ActivityResult(failure=_failure_of_turn(turn))
    except StoreError as error:
        log_store_error(activity, error)
        return ActivityResult(failure=Failure(code=error.code, message=error.message, retryable=error.retryable))
    except SettingsError as error:
        return ActivityResult(failure=Failure(code=ErrorCode.CONFIGURATION_ERROR, message=str(error)))
    except InvalidRequestError as error:
        failure = Failure(code=ErrorCode.INVALID_REQUEST, message=str(error), summary=error.summary)
        return ActivityResult(failure=failure)


def _failure_of(error: FoundryError) -> Failure:
    busy = error if isinstance(error, ThreadBusyError) else None
    return Failure(
        code=error.code,
        message=error.message,
        summary=None if error.summary == error.message else error.summary,
        retryable=error.retryable,
        retry_after_seconds=error.retry_after_seconds,
        active_run_id=busy.active_run_id if busy else None,
        active_run_status=busy.active_run_status if busy else None,
        gone=isinstance(error, NotFoundError) and error.names_it,
        grace_seconds=error.grace_seconds,
    )


def _failure_of_turn(turn: NotItsTurnError) -> Failure:
    return Failure(code=ErrorCode.THREAD_BUSY, message=str(turn), waiting_instance=turn.owner, position=turn.position)
