"""The status document of an instance, as the extension writes it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from local.functions_host.clock import iso_seconds
from local.functions_host.protocol import COMPLETIONS, NAMES, SCHEDULED, Event, Kind, dumps, trace_to_wire
from local.functions_host.store import Instance

_NOTHING = '"customStatus":null,"output":null'


def status_document(
    row: Instance,
    *,
    show_input: bool = True,
    history: Sequence[Event] | None = None,
    show_output: bool = False,
) -> dict[str, Any]:
    """The body of a status answer; `historyEvents` is there only where a history is given."""
    parent = {} if row.parent_id is None else {"parentInstanceId": row.parent_id}
    document = {
        "name": row.name,
        "instanceId": row.instance_id,
        **parent,
        "runtimeStatus": row.status,
        "input": _json(row.input) if show_input else None,
        "customStatus": _json(row.custom_status),
        "output": _json(row.output),
        "createdTime": iso_seconds(row.created),
        "lastUpdatedTime": iso_seconds(row.updated),
    }
    if row.version:
        document["version"] = row.version
    if history is not None:
        document["historyEvents"] = _history(history, show_input=show_input, show_output=show_output)
    return document


def listed(rows: Sequence[Instance], *, show_input: bool = True) -> str:
    """The body of a list, as `status_document` would make it of each row, in JSON. A page may hold a thousand rows, and
    nobody else is answered meanwhile: so what this host itself has stored as JSON text is not read and written again.
    """
    return f"[{','.join(_listed(row, show_input=show_input) for row in rows)}]"


def _listed(row: Instance, *, show_input: bool) -> str:
    bare = dumps(status_document(replace(row, custom_status=None, output=None), show_input=show_input))
    before, after = bare.rsplit(_NOTHING, 1)
    return f'{before}"customStatus":{row.custom_status or "null"},"output":{row.output or "null"}{after}'


def _json(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def _history(history: Sequence[Event], *, show_input: bool, show_output: bool) -> list[dict[str, Any]]:
    """Events without the extension's own, each task's scheduling merged into its end."""
    ended = {e.task_id for e in history if e.kind in COMPLETIONS and e.kind is not Kind.TIMER_FIRED}
    scheduled = {e.event_id: e for e in history if e.kind in SCHEDULED}
    shown: list[dict[str, Any]] = []
    for event in history:
        if event.kind in (Kind.ORCHESTRATOR_STARTED, Kind.ORCHESTRATOR_COMPLETED):
            continue
        if event.kind in (Kind.TASK_SCHEDULED, Kind.SUB_CREATED) and event.event_id in ended:
            continue
        fields = _fields(event, show_input=show_input, show_output=show_output)
        entry = {"EventType": NAMES[event.kind], **fields, "Timestamp": event.timestamp}
        if event.kind in COMPLETIONS and event.kind is not Kind.TIMER_FIRED and event.task_id in scheduled:
            origin = scheduled[event.task_id]
            entry |= {"ScheduledTime": origin.timestamp, "FunctionName": origin.name}
            if origin.kind is Kind.SUB_CREATED:
                entry["InstanceId"] = origin.instance_id
            if show_input:
                entry["Input"] = None
        if event.kind is Kind.EXECUTION_STARTED:
            entry["FunctionName"] = event.name
        shown.append(entry)
    return shown


def _fields(event: Event, *, show_input: bool, show_output: bool) -> dict[str, Any]:
    result = {"Result": _json(event.result)} if show_output else {}
    match event.kind:
        case Kind.EXECUTION_STARTED:
            given = {"Input": event.input} if show_input else {}
            return given | {
                "Correlation": None,
                "ParentTraceContext": trace_to_wire(event),
                "ScheduledStartTime": None,
                "Generation": event.generation,
                "GenerateNewTrace": False,
            }
        case Kind.EXECUTION_COMPLETED:
            return {"OrchestrationStatus": event.status, **result, "FailureDetails": None}
        case Kind.EXECUTION_TERMINATED:
            return {"Input": event.reason}
        case Kind.EXECUTION_SUSPENDED | Kind.EXECUTION_RESUMED:
            return {"Reason": event.reason}
        case Kind.TASK_SCHEDULED:
            return {"Name": event.name, "Input": None, "ParentTraceContext": None, "Tags": None}
        case Kind.SUB_CREATED:
            return {"Name": event.name, "InstanceId": event.instance_id, "Input": None, "Tags": None}
        case Kind.TASK_COMPLETED | Kind.SUB_COMPLETED:
            return result
        case Kind.TASK_FAILED | Kind.SUB_FAILED:
            return {"Reason": event.reason, "Details": event.details, "FailureDetails": None}
        case Kind.TIMER_CREATED | Kind.TIMER_FIRED:
            return {"FireAt": event.fire_at}
        case Kind.EVENT_RAISED:
            given = {"Input": event.input} if show_input else {}
            return {"Name": event.name, **given, "ParentTraceContext": None}
        case _:
            return {"Data": event.reason}
