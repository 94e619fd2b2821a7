"""The wire format between host and Durable SDK 1.x; no other module knows it.

History events go to the SDK and into the store as JSON in the extension's spelling; the SDK answers with a list of
actions. Both are plain dataclasses in the rest of the host. Facts and numbers: ``durable-protocol.md``, "What the
SDK is given and gives back"; ground truth: ``recordings/episodes.json``.
"""

from __future__ import annotations

import json
import math
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

ERROR_LABEL = "\n\n$OutOfProcData$:"


class Kind(IntEnum):
    """History event types by the extension's numbers."""

    EXECUTION_STARTED = 0
    EXECUTION_COMPLETED = 1
    EXECUTION_FAILED = 2
    EXECUTION_TERMINATED = 3
    TASK_SCHEDULED = 4
    TASK_COMPLETED = 5
    TASK_FAILED = 6
    SUB_CREATED = 7
    SUB_COMPLETED = 8
    SUB_FAILED = 9
    TIMER_CREATED = 10
    TIMER_FIRED = 11
    ORCHESTRATOR_STARTED = 12
    ORCHESTRATOR_COMPLETED = 13
    EVENT_RAISED = 15
    GENERIC = 17
    EXECUTION_SUSPENDED = 19
    EXECUTION_RESUMED = 20


NAMES: Mapping[Kind, str] = {
    Kind.EXECUTION_STARTED: "ExecutionStarted",
    Kind.EXECUTION_COMPLETED: "ExecutionCompleted",
    Kind.EXECUTION_FAILED: "ExecutionFailed",
    Kind.EXECUTION_TERMINATED: "ExecutionTerminated",
    Kind.TASK_SCHEDULED: "TaskScheduled",
    Kind.TASK_COMPLETED: "TaskCompleted",
    Kind.TASK_FAILED: "TaskFailed",
    Kind.SUB_CREATED: "SubOrchestrationInstanceCreated",
    Kind.SUB_COMPLETED: "SubOrchestrationInstanceCompleted",
    Kind.SUB_FAILED: "SubOrchestrationInstanceFailed",
    Kind.TIMER_CREATED: "TimerCreated",
    Kind.TIMER_FIRED: "TimerFired",
    Kind.ORCHESTRATOR_STARTED: "OrchestratorStarted",
    Kind.ORCHESTRATOR_COMPLETED: "OrchestratorCompleted",
    Kind.EVENT_RAISED: "EventRaised",
    Kind.GENERIC: "GenericEvent",
    Kind.EXECUTION_SUSPENDED: "ExecutionSuspended",
    Kind.EXECUTION_RESUMED: "ExecutionResumed",
}

COMPLETIONS = frozenset({Kind.TASK_COMPLETED, Kind.TASK_FAILED, Kind.SUB_COMPLETED, Kind.SUB_FAILED, Kind.TIMER_FIRED})
SCHEDULED = frozenset({Kind.TASK_SCHEDULED, Kind.SUB_CREATED, Kind.TIMER_CREATED})


@dataclass(frozen=True, slots=True)
class Parent:
    """Who started a sub-orchestration, and under which task id it waits for it."""

    name: str
    instance_id: str
    execution_id: str
    task_id: int


@dataclass(frozen=True, slots=True)
class Event:
    """One history event. Which fields are set depends on the kind.

    ``event_id`` is the task id of an event that schedules, ``task_id`` that of the task an event ends. ``input``,
    ``result`` are JSON text. ``reason`` is also the text of terminate, suspend and resume. ``status`` is that of
    an ``EXECUTION_COMPLETED``, ``generation`` is 0 where a client started the instance.
    """

    kind: Kind
    timestamp: str
    event_id: int = -1
    task_id: int = -1
    name: str | None = None
    version: str | None = None
    input: str | None = None
    result: str | None = None
    reason: str | None = None
    details: str | None = None
    status: str | None = None
    fire_at: str | None = None
    instance_id: str | None = None
    execution_id: str | None = None
    parent: Parent | None = None
    generation: int | None = None
    played: bool = False


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """With-retry options: a fixed interval and a number of attempts, the first one included."""

    interval_ms: int
    max_attempts: int


@dataclass(frozen=True, slots=True)
class CallActivity:
    """Run an activity."""

    name: str
    input: str | None
    retry: RetryPolicy | None = None


@dataclass(frozen=True, slots=True)
class CallSubOrchestrator:
    """Start a child orchestration and wait for it."""

    name: str
    input: str | None
    instance_id: str | None
    version: str | None
    retry: RetryPolicy | None = None


@dataclass(frozen=True, slots=True)
class CreateTimer:
    """Wait until a moment; ``cancelled`` is set on it in a later answer."""

    fire_at: str
    cancelled: bool


@dataclass(frozen=True, slots=True)
class WaitForEvent:
    """Wait for an external event."""

    name: str


@dataclass(frozen=True, slots=True)
class ContinueAsNew:
    """End this generation and start the next with ``input``."""

    input: str | None


@dataclass(frozen=True, slots=True)
class WhenAny:
    """Wait for the first of several."""

    children: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class WhenAll:
    """Wait for all of several."""

    children: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Unsupported:
    """An action this host does not run; ``api`` is what the author called."""

    api: str


Action = (
    CallActivity | CallSubOrchestrator | CreateTimer | WaitForEvent | ContinueAsNew | WhenAny | WhenAll | Unsupported
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an episode of the orchestrator answered. ``output`` and ``custom_status`` are JSON values."""

    is_done: bool = False
    actions: tuple[Action, ...] = ()
    output: Any = None
    error: str | None = None
    custom_status: Any = None


class ProtocolError(Exception):
    """The SDK answered with something this host cannot read."""


# --- history events ---------------------------------------------------------------------------------------------


def event_to_wire(event: Event) -> dict[str, Any]:
    """The event as the SDK reads it."""
    wire: dict[str, Any] = {"EventType": int(event.kind), **_specific(event)}
    wire |= {"EventId": event.event_id, "IsPlayed": event.played, "Timestamp": event.timestamp}
    return wire


def _specific(event: Event) -> dict[str, Any]:  # noqa: C901, PLR0912 - a table, one row per kind
    match event.kind:
        case Kind.EXECUTION_STARTED:
            parent = event.parent
            return {
                "OrchestrationInstance": {
                    "InstanceId": event.instance_id,
                    "ExecutionId": event.execution_id,
                },
                "ParentInstance": parent
                and {
                    "Name": parent.name,
                    "OrchestrationInstance": {
                        "InstanceId": parent.instance_id,
                        "ExecutionId": parent.execution_id,
                    },
                    "TaskScheduleId": parent.task_id,
                    "Version": None,
                },
                "Name": event.name,
                "Version": event.version,
                "Input": event.input,
                "Tags": None,
                "Generation": event.generation,
            }
        case Kind.TASK_SCHEDULED:
            return {"Name": event.name, "Version": "", "Input": None}
        case Kind.SUB_CREATED:
            return {
                "Name": event.name,
                "Version": event.version,
                "InstanceId": event.instance_id,
                "Input": None,
            }
        case Kind.TASK_COMPLETED | Kind.SUB_COMPLETED:
            return {"TaskScheduledId": event.task_id, "Result": event.result}
        case Kind.TASK_FAILED | Kind.SUB_FAILED:
            return {"TaskScheduledId": event.task_id, "Reason": event.reason, "Details": event.details}
        case Kind.TIMER_CREATED:
            return {"FireAt": event.fire_at}
        case Kind.TIMER_FIRED:
            return {"TimerId": event.task_id, "FireAt": event.fire_at}
        case Kind.EVENT_RAISED:
            return {"Name": event.name, "Input": event.input}
        case Kind.EXECUTION_TERMINATED:
            return {"Input": event.reason}
        case Kind.EXECUTION_SUSPENDED | Kind.EXECUTION_RESUMED:
            return {"Reason": event.reason}
        case Kind.EXECUTION_COMPLETED | Kind.EXECUTION_FAILED:
            return {"OrchestrationStatus": event.status, "Result": event.result}
        case Kind.GENERIC:
            return {"Data": event.reason}
        case Kind.ORCHESTRATOR_STARTED | Kind.ORCHESTRATOR_COMPLETED:
            return {}


def event_from_wire(wire: Mapping[str, Any]) -> Event:
    """Read an event that the extension or this host wrote."""
    kind = Kind(wire["EventType"])
    instance = wire.get("OrchestrationInstance") or {}
    parent = wire.get("ParentInstance")
    terminated = kind is Kind.EXECUTION_TERMINATED
    return Event(
        kind=kind,
        timestamp=wire["Timestamp"],
        event_id=wire["EventId"],
        task_id=wire.get("TaskScheduledId", wire.get("TimerId", -1)),
        name=wire.get("Name"),
        version=wire.get("Version"),
        input=None if terminated else wire.get("Input"),
        result=wire.get("Result"),
        reason=wire.get("Input") if terminated else wire.get("Reason", wire.get("Data")),
        details=wire.get("Details"),
        status=wire.get("OrchestrationStatus"),
        fire_at=wire.get("FireAt"),
        instance_id=wire.get("InstanceId", instance.get("InstanceId")),
        execution_id=instance.get("ExecutionId"),
        parent=Parent(
            name=parent["Name"],
            instance_id=parent["OrchestrationInstance"]["InstanceId"],
            execution_id=parent["OrchestrationInstance"]["ExecutionId"],
            task_id=parent["TaskScheduleId"],
        )
        if parent
        else None,
        generation=wire.get("Generation"),
        played=bool(wire.get("IsPlayed")),
    )


def event_to_text(event: Event) -> str:
    """The event as the store keeps it."""
    return dumps(event_to_wire(event))


def event_from_text(text: str) -> Event:
    """Read an event from the store."""
    return event_from_wire(json.loads(text))


# --- the orchestrator's input -----------------------------------------------------------------------------------


def episode_context(texts: Sequence[str], *, started: Event, replaying: bool) -> str:
    """The JSON text an orchestrator function is called with; ``texts`` is the whole history."""
    rest = {
        "input": None if started.input is None else json.loads(started.input),
        "instanceId": started.instance_id,
        "isReplaying": replaying,
        "parentInstanceId": started.parent and started.parent.instance_id,
        "upperSchemaVersion": 1,
        "upperSchemaVersionNew": 3,
        "longRunningTimerIntervalDuration": "3.00:00:00",
        "maximumShortTimerDuration": "6.00:00:00",
        "defaultHttpAsyncRequestSleepTimeMillseconds": 30000,
    }
    # Histories are long and were encoded when they were written; only the rest is encoded per episode.
    return f'{{"history":[{",".join(texts)}],{dumps(rest)[1:]}'


# --- the orchestrator's answer ----------------------------------------------------------------------------------

_RETRY_TYPES = {1, 3}
_UNSUPPORTED = {7: "call_entity", 8: "call_http", 9: "signal_entity", 10: "signal_entity"}


def parse_answer(text: str) -> Answer:
    """Read what the orchestrator function returned."""
    try:
        state = json.loads(text)
        return _answer(state)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProtocolError(f"the orchestrator's answer cannot be read ({type(error).__name__}: {error})") from error


def parse_failure(message: str) -> Answer | None:
    """Read the state inside the message that a failing orchestrator raises; None where there is none."""
    _, label, state = message.rpartition(ERROR_LABEL)
    return parse_answer(state) if label else None


def _answer(state: Mapping[str, Any]) -> Answer:
    batches = state["actions"]
    return Answer(
        is_done=state["isDone"],
        actions=tuple(_action(a) for batch in batches for a in batch),
        output=state.get("output"),
        error=state.get("error"),
        custom_status=state.get("customStatus"),
    )


def _action(wire: Mapping[str, Any]) -> Action:
    number = wire["actionType"]
    retry = None
    if number in _RETRY_TYPES:
        options = wire["retryOptions"]
        retry = RetryPolicy(options["firstRetryIntervalInMilliseconds"], options["maxNumberOfAttempts"])
    match number:
        case 0 | 1:
            return CallActivity(wire["functionName"], wire.get("input"), retry)
        case 2 | 3:
            return CallSubOrchestrator(
                wire["functionName"], wire.get("input"), wire.get("instanceId"), wire.get("version"), retry
            )
        case 4:
            return ContinueAsNew(wire.get("input"))
        case 5:
            return CreateTimer(wire["fireAt"], wire["isCanceled"])
        case 6:
            return WaitForEvent(wire["externalEventName"])
        case 11:
            return WhenAny(tuple(_action(a) for a in wire["compoundActions"]))
        case 12:
            return WhenAll(tuple(_action(a) for a in wire["compoundActions"]))
        case _ if number in _UNSUPPORTED:
            return Unsupported(_UNSUPPORTED[number])
        case _:
            raise ProtocolError(f"the orchestrator's answer has an action of unknown type {number}")


# --- values -----------------------------------------------------------------------------------------------------


def dumps(value: Any) -> str:
    """Write JSON as the extension does: compact, not escaped beyond need."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def normalise(value: Any) -> Any:
    """What .NET leaves of a JSON value: ``$type`` keys vanish, NaN and infinities become strings [M]."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, dict):
        return {k: normalise(v) for k, v in value.items() if k != "$type"}
    if isinstance(value, list):
        return [normalise(v) for v in value]
    return value


def normalise_text(text: str) -> str:
    """Re-write JSON text as the extension records results and events."""
    return dumps(normalise(json.loads(text)))


def worker_failure(error: BaseException) -> str:
    """Describe an exception of user code as the Python worker reports it to the host."""
    stack = "".join(traceback.format_exception(error))
    return f"Result: Failure\nException: {type(error).__name__}: {error}\nStack: {stack})"


def failure_details(message: str) -> str:
    """The ``Details`` of a failed activity: a .NET exception as JSON, cut to what an orchestrator may look at."""
    return dumps(
        {
            "$type": "System.Exception, System.Private.CoreLib",
            "ClassName": "System.Exception",
            "Message": message,
        }
    )


@dataclass(frozen=True, slots=True)
class ClientBinding:
    """What a durable client binding is made of."""

    base_url: str
    rpc_url: str
    hub: str
    connection: str
    code: str

    def query(self) -> str:
        """The query string that every management URL carries."""
        return f"taskHub={self.hub}&connection={self.connection}&code={self.code}"


def management_urls(binding: ClientBinding, instance_id: str, *, rewind: bool = True) -> dict[str, str]:
    """The management payload of an instance, in the extension's order."""
    root = f"{binding.base_url}/runtime/webhooks/durabletask/instances/{instance_id}"
    query = binding.query()
    urls = {
        "id": instance_id,
        "statusQueryGetUri": f"{root}?{query}",
        "sendEventPostUri": f"{root}/raiseEvent/{{eventName}}?{query}",
        "terminatePostUri": f"{root}/terminate?reason={{text}}&{query}",
        "rewindPostUri": f"{root}/rewind?reason={{text}}&{query}",
        "purgeHistoryDeleteUri": f"{root}?{query}",
        "restartPostUri": f"{root}/restart?{query}",
        "suspendPostUri": f"{root}/suspend?reason={{text}}&{query}",
        "resumePostUri": f"{root}/resume?reason={{text}}&{query}",
    }
    if not rewind:  # only the binding knows it, the extension's own answers leave it out [M]
        del urls["rewindPostUri"]
    return urls


def client_binding(binding: ClientBinding) -> str:
    """The JSON text a function with a durable client binding is called with."""
    hook = f"{binding.base_url}/runtime/webhooks/durabletask"
    create = f"{hook}/orchestrators/{{functionName}}[/{{instanceId}}]?code={binding.code}"
    return json.dumps(
        {
            "taskHubName": binding.hub,
            "creationUrls": {
                "createNewInstancePostUri": create,
                "createAndWaitOnNewInstancePostUri": f"{create}&timeout={{timeoutInSeconds}}"
                "&pollingInterval={intervalInSeconds}",
            },
            "managementUrls": management_urls(binding, "INSTANCEID"),
            "baseUrl": hook,
            "requiredQueryStringParameters": f"code={binding.code}",
            "rpcBaseUrl": binding.rpc_url,
            "httpBaseUrl": hook,
        }
    )


def unsupported_actions(actions: Iterable[Action]) -> list[str]:
    """Names of the calls in a list of actions that this host refuses."""
    found: list[str] = []
    for action in actions:
        match action:
            case Unsupported(api):
                found.append(api)
            case WhenAny(children) | WhenAll(children):
                found += unsupported_actions(children)
            case _:
                pass
    return found
