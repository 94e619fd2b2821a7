"""History events: as the rest of the host handles them, and as the SDK reads and the store keeps them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from local.functions_host.protocol.values import dumps


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

# With this begins the text of the generic event that a rewind puts in place of what it undoes.
REWOUND = "Rewound: "

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

    `event_id` is the task id of an event that schedules, `task_id` that of the task an event ends. `input`,
    `result` are JSON text. `reason` is also the text of terminate, suspend and resume. `status` is that of
    an `EXECUTION_COMPLETED`, `generation` is 0 where a client started the instance; `trace_parent` and `trace_state`
    say within which trace.
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
    trace_parent: str | None = None
    trace_state: str | None = None
    generation: int | None = None
    played: bool = False


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
                **({} if event.trace_parent is None else {"ParentTraceContext": trace_to_wire(event)}),
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


def trace_to_wire(event: Event) -> dict[str, Any] | None:
    """The trace of an instance's start as the extension writes it."""
    if event.trace_parent is None:
        return None
    unknown = {"Id": None, "SpanId": None, "ActivityStartTime": None}  # for the extension's own telemetry
    return {"TraceParent": event.trace_parent, "TraceState": event.trace_state, **unknown}


def event_from_wire(wire: Mapping[str, Any]) -> Event:
    """Read an event that the extension or this host wrote."""
    kind = Kind(wire["EventType"])
    instance = wire.get("OrchestrationInstance") or {}
    parent = wire.get("ParentInstance")
    trace = wire.get("ParentTraceContext") or {}
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
        trace_parent=trace.get("TraceParent"),
        trace_state=trace.get("TraceState"),
        generation=wire.get("Generation"),
        played=bool(wire.get("IsPlayed")),
    )


def event_to_text(event: Event) -> str:
    """The event as the store keeps it."""
    return dumps(event_to_wire(event))


def event_from_text(text: str) -> Event:
    """Read an event from the store."""
    return event_from_wire(json.loads(text))


def episode_context(texts: Sequence[str], *, started: Event, replaying: bool) -> str:
    """The JSON text an orchestrator function is called with; `texts` is the whole history."""
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
