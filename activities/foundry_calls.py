"""The activities that talk to Foundry: they translate a contract into a call (`agent_calls`), and what comes back into
a contract. Nothing that was to be expected is raised: a failure is data, and the orchestrator decides what follows.

Those that take their turn on a thread ask the platform about the instances before them, which its client does on the
loop: so they are coroutines, and block in a thread (`others`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import azure.durable_functions as df
import msgspec

from activities.agent_calls import AgentCalls, log_foundry_error, log_store_error
from activities.next_in_turn import TurnSeen, stays_of_worker
from activities.others import in_a_thread
from activities.turns import NotItsTurnError, OtherInstances
from contracts.activities import (
    ActivityResult,
    CancelRun,
    CreateMessage,
    CreateRun,
    CreateThread,
    DeleteThread,
    Failure,
    PlanRun,
    RunRef,
    SubmitToolOutputs,
    Timed,
)
from contracts.codes import ErrorCode
from contracts.wire import Wire, from_wire
from foundry.connection import agent_service
from foundry.errors import FoundryError, NotFoundError, ThreadBusyError
from policy import policy_for
from settings import Settings, SettingsError, load_settings
from store.connection import document_store
from store.documents import StoreError
from validation.field_errors import InvalidRequestError

blueprint = df.Blueprint()

Input = TypeVar("Input")
Asked = TypeVar("Asked", bound=Timed)

LONGEST_SECONDS = 120.0
SHORTEST_SECONDS = 10.0
"""Of an activity's requests together."""


@blueprint.activity_trigger(input_name="payload")
def plan_run(payload: dict) -> dict[str, Any]:
    """Say what the settings make of a request (`PlanRun` to `RunPolicy`). Only runs that the webhook started need
    it.
    """
    return perform("plan_run", PlanRun, payload, lambda settings, wanted: policy_for(
        settings,
        agent_id=wanted.agent_id,
        timeout_seconds=wanted.timeout_seconds,
        delete_thread=wanted.delete_thread,
    ))  # fmt: skip


@blueprint.activity_trigger(input_name="payload")
def create_thread(payload: dict) -> dict[str, Any]:
    """Create a thread (`CreateThread` to `ThreadRef`)."""
    return perform("create_thread", CreateThread, payload, _at_foundry(AgentCalls.create_thread))


@blueprint.activity_trigger(input_name="payload")
@blueprint.durable_client_input(client_name="client")
async def create_message(payload: dict, client: df.DurableOrchestrationClient) -> dict[str, Any]:
    """Post the user's message, once it is the instance's turn (`CreateMessage` to `MessageRef`)."""
    seen = TurnSeen()

    def work(others: OtherInstances) -> dict[str, Any]:
        action = seen.noting(_at_foundry(AgentCalls.create_message, others))
        return perform("create_message", CreateMessage, payload, action)

    return await stays_of_worker.until_its_turn(
        lambda: in_a_thread(client, work), seen, lambda: in_a_thread(client, lambda _: seen.has_moved(document_store))
    )


@blueprint.activity_trigger(input_name="payload")
@blueprint.durable_client_input(client_name="client")
async def create_run(payload: dict, client: df.DurableOrchestrationClient) -> dict[str, Any]:
    """Start the run (`CreateRun` to `RunSnapshot`)."""

    def work(others: OtherInstances) -> dict[str, Any]:
        return perform("create_run", CreateRun, payload, _at_foundry(AgentCalls.create_run, others))

    return await in_a_thread(client, work)


@blueprint.activity_trigger(input_name="payload")
def get_run(payload: dict) -> dict[str, Any]:
    """Look at the run (`RunRef` to `RunSnapshot`)."""
    return perform("get_run", RunRef, payload, _at_foundry(AgentCalls.get_run))


@blueprint.activity_trigger(input_name="payload")
def get_response(payload: dict) -> dict[str, Any]:
    """Fetch what the run's agent answered (`RunRef` to `Answer`)."""
    return perform("get_response", RunRef, payload, _at_foundry(AgentCalls.get_response))


@blueprint.activity_trigger(input_name="payload")
def cancel_run(payload: dict) -> dict[str, Any]:
    """Cancel the run (`CancelRun` to `CancelledRun`)."""
    return perform("cancel_run", CancelRun, payload, _at_foundry(AgentCalls.cancel_run))


@blueprint.activity_trigger(input_name="payload")
def submit_tool_outputs(payload: dict) -> dict[str, Any]:
    """Pass on the answer to the run's tool calls (`SubmitToolOutputs` to `RunSnapshot`)."""
    return perform("submit_tool_outputs", SubmitToolOutputs, payload, _at_foundry(AgentCalls.submit_tool_outputs))


@blueprint.activity_trigger(input_name="payload")
def delete_thread(payload: dict) -> dict[str, Any]:
    """Delete the thread, if it is the app's own (`DeleteThread` to `ThreadDeletion`)."""
    return perform("delete_thread", DeleteThread, payload, _at_foundry(AgentCalls.delete_thread))


def _at_foundry(
    call: Callable[[AgentCalls, Asked], Wire], others: OtherInstances | None = None
) -> Callable[[Settings, Asked], Wire]:
    """Return the call, given this worker's connections, and the time it has."""

    def act(settings: Settings, wanted: Asked) -> Wire:
        now = datetime.now(UTC)
        service = agent_service(settings).within(seconds_for(wanted, now))
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
    result: ActivityResult[Wire]
    try:
        result = ActivityResult(value=action(settings(), from_wire(kind, payload)))
    except FoundryError as error:
        log_foundry_error(activity, error)
        result = ActivityResult(failure=_failure_of(error))
    except NotItsTurnError as turn:
        result = ActivityResult(failure=_failure_of_turn(turn))
    except StoreError as error:
        log_store_error(activity, error)
        failure = Failure(code=error.code, message=error.message, retryable=error.retryable)
        result = ActivityResult(failure=failure)
    except SettingsError as error:
        result = ActivityResult(failure=Failure(code=ErrorCode.CONFIGURATION_ERROR, message=str(error)))
    except InvalidRequestError as error:
        failure = Failure(code=ErrorCode.INVALID_REQUEST, message=str(error), summary=error.summary)
        result = ActivityResult(failure=failure)
    wire: dict[str, Any] = msgspec.to_builtins(result)
    return wire


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
    )


def _failure_of_turn(turn: NotItsTurnError) -> Failure:
    return Failure(code=ErrorCode.THREAD_BUSY, message=str(turn), waiting_instance=turn.owner, position=turn.position)
