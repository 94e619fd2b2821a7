"""The activities that talk to Foundry: they translate a contract into a call, and what comes back into a contract.

The platform may run any of them twice, and a request may have taken effect although its answer was lost. So what is
created carries a stamp, and before creating, every activity looks for its stamp and adopts what is there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import azure.durable_functions as df
import msgspec

from activities.bounds import bounded_answer, bounded_run
from activities.locks import LockByName
from app_log import log_event
from contracts.activities import (
    ActivityResult,
    CancelledRun,
    CancelRun,
    CreateMessage,
    CreateRun,
    CreateThread,
    Failure,
    MessageRef,
    PlanRun,
    RunRef,
    SubmitToolOutputs,
    ThreadRef,
)
from contracts.codes import ErrorCode
from contracts.request import RunPolicy
from contracts.runs import Answer, RunSnapshot, RunState
from contracts.wire import from_wire, to_wire
from foundry.connection import agent_service
from foundry.errors import FoundryError, ThreadBusyError, ThreadInUseError
from foundry.service import AgentService
from policy import policy_for
from settings import SettingsError, load_settings
from validation.field_errors import InvalidRequestError

blueprint = df.Blueprint()
_thread_locks = LockByName()
_log = logging.getLogger("agent_run.activities")

Input = TypeVar("Input")


@blueprint.activity_trigger(input_name="payload")
def plan_run(payload: dict) -> dict[str, Any]:
    """Say what the settings make of a request (`PlanRun` to `RunPolicy`). Only runs that the webhook started need
    it.
    """
    return _perform(
        "plan_run",
        PlanRun,
        payload,
        lambda p: policy_for(load_settings(), agent_id=p.agent_id, timeout_seconds=p.timeout_seconds),
    )


@blueprint.activity_trigger(input_name="payload")
def create_thread(payload: dict) -> dict[str, Any]:
    """Create a thread (`CreateThread` to `ThreadRef`). A first one that nobody knows of stays behind empty, which is
    harmless.
    """
    return _perform("create_thread", CreateThread, payload, _create_thread)


@blueprint.activity_trigger(input_name="payload")
def create_message(payload: dict) -> dict[str, Any]:
    """Post the user's message (`CreateMessage` to `MessageRef`)."""
    return _perform("create_message", CreateMessage, payload, _create_message)


@blueprint.activity_trigger(input_name="payload")
def create_run(payload: dict) -> dict[str, Any]:
    """Start the run (`CreateRun` to `RunSnapshot`)."""
    return _perform("create_run", CreateRun, payload, lambda w: bounded_run(_create_run(w)))


@blueprint.activity_trigger(input_name="payload")
def get_run(payload: dict) -> dict[str, Any]:
    """Look at the run (`RunRef` to `RunSnapshot`); a completed one brings its answer along, so that nobody waits for
    one more activity.
    """
    return _perform("get_run", RunRef, payload, _get_run)


@blueprint.activity_trigger(input_name="payload")
def get_response(payload: dict) -> dict[str, Any]:
    """Fetch what the run's agent answered (`RunRef` to `Answer`)."""
    return _perform("get_response", RunRef, payload, lambda ref: _answer(_service(), ref))


@blueprint.activity_trigger(input_name="payload")
def cancel_run(payload: dict) -> dict[str, Any]:
    """Cancel the run (`CancelRun` to `CancelledRun`)."""
    return _perform("cancel_run", CancelRun, payload, _cancel_run)


@blueprint.activity_trigger(input_name="payload")
def submit_tool_outputs(payload: dict) -> dict[str, Any]:
    """Pass on the answer to the run's tool calls (`SubmitToolOutputs` to `RunSnapshot`)."""
    return _perform(
        "submit_tool_outputs",
        SubmitToolOutputs,
        payload,
        lambda w: bounded_run(_service().submit_tool_outputs(w.thread_id, w.run_id, w.answer)),
    )


def _create_thread(wanted: CreateThread) -> ThreadRef:
    service = _service()
    known = service.find_thread(wanted.stamp) if wanted.repeated else None
    return ThreadRef(thread_id=known or service.create_thread(wanted.stamp))


def _create_message(wanted: CreateMessage) -> MessageRef:
    service = _service()
    with _thread_locks.of(wanted.thread_id) as held:
        if not held:
            raise ThreadInUseError(f"another message is being posted on thread {wanted.thread_id}")
        found = service.find_message(wanted.thread_id, wanted.stamp)
        if found.message_id is not None:
            return MessageRef(message_id=found.message_id)
        if found.waiting_instance not in {None, wanted.ignore_instance, wanted.stamp.instance_id}:
            # Foundry would take our message now, and the other instance's run would then answer it instead of its own.
            raise ThreadBusyError(
                f"instance {found.waiting_instance} has posted its message on thread {wanted.thread_id} and starts its "
                "run next",
                waiting_instance=found.waiting_instance,
            )
        message_id = service.create_message(wanted.thread_id, wanted.content, wanted.metadata, wanted.stamp)
    return MessageRef(message_id=message_id)


def _create_run(wanted: CreateRun) -> RunSnapshot:
    # Checked here too, since whoever holds the system key can start the orchestrator with an input of his own making.
    policy_for(load_settings(), agent_id=wanted.agent_id, timeout_seconds=None)
    service = _service()
    if known := service.find_run(wanted.thread_id, wanted.stamp):
        return known
    options: dict[str, Any] = to_wire(wanted.options)
    try:
        return service.create_run(wanted.thread_id, wanted.agent_id, options, wanted.metadata, wanted.stamp)
    except ThreadBusyError:
        # It may be our own run that occupies the thread: one whose creation was on its way when we looked.
        if known := service.find_run(wanted.thread_id, wanted.stamp):
            return known
        raise


def _get_run(ref: RunRef) -> RunSnapshot:
    service = _service()
    run = bounded_run(service.get_run(ref.thread_id, ref.run_id))
    if run.state is not RunState.COMPLETED:
        return run
    try:
        return msgspec.structs.replace(run, answer=_answer(service, ref))
    except FoundryError as error:
        _log_failure("get_run", error)  # the look succeeded: the orchestrator asks for the answer by itself
        return run


def _answer(service: AgentService, ref: RunRef) -> Answer:
    return bounded_answer(service.get_answer(ref.thread_id, ref.run_id, ref.message), ref.thread_id)


def _cancel_run(wanted: CancelRun) -> CancelledRun:
    service = _service()
    run_id = wanted.run_id
    if run_id is None:
        known = service.find_run(wanted.thread_id, wanted.stamp)
        if known is None:
            return CancelledRun(run=None)
        run_id = known.run_id
    return CancelledRun(run=bounded_run(service.cancel_run(wanted.thread_id, run_id)))


def _service() -> AgentService:
    return agent_service(load_settings())


Value = RunPolicy | ThreadRef | MessageRef | RunSnapshot | CancelledRun | Answer


def _perform(activity: str, kind: type[Input], payload: dict, action: Callable[[Input], Value]) -> dict[str, Any]:
    """Run the action on the decoded payload; return its value, or the failure that was to be expected, as JSON types.

    Anything else that is raised is a bug, and reaches the orchestrator as a failed activity.
    """
    try:
        result = ActivityResult(value=action(from_wire(kind, payload)))
    except FoundryError as error:
        _log_failure(activity, error)
        result = ActivityResult(failure=_failure_of(error))
    except SettingsError as error:
        result = ActivityResult(failure=Failure(code=ErrorCode.CONFIGURATION_ERROR, message=str(error)))
    except InvalidRequestError as error:
        result = ActivityResult(
            failure=Failure(code=ErrorCode.INVALID_REQUEST, message=str(error), summary=error.summary)
        )
    wire: dict[str, Any] = msgspec.to_builtins(result)
    return wire


def _log_failure(activity: str, error: FoundryError) -> None:
    log_event(
        _log,
        "agent_run.foundry_error",
        activity=activity,
        code=error.code,
        message=error.summary,
        retryable=error.retryable,
    )


def _failure_of(error: FoundryError) -> Failure:
    busy = error if isinstance(error, ThreadBusyError) else None
    return Failure(
        code=error.code,
        message=error.message,
        summary=None if error.summary == error.message else error.summary,
        retryable=error.retryable,
        retry_after_seconds=error.retry_after_seconds,
        active_run_id=busy.active_run_id if busy else None,
        waiting_instance=busy.waiting_instance if busy else None,
    )
