"""Recorded histories as the platform shows them, and the timelines that are made of them.

`tests/histories` has what the platform handed to the orchestrator; the local host, which is held to recordings of the
real one, shows that as a status payload does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec import UNSET

from contracts.durable import ORCHESTRATOR_VERSION
from http_api.status_document import status_document
from http_api.timeline import timeline
from http_api.timeline_events import TimelineEvent
from http_api.timeline_history import read_history
from local.functions_host import protocol
from local.functions_host.status import status_document as shown_status
from local.functions_host.store import Instance

HISTORIES = Path(__file__).resolve().parents[1] / "histories"
NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def at(seconds: float) -> str:
    """A moment as the platform writes it, so many seconds after `NOW`."""
    return (NOW + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def recorded(name: str) -> list[dict[str, Any]]:
    """The generations of a recorded orchestration."""
    found: list[dict[str, Any]] = json.loads(
        (HISTORIES / ORCHESTRATOR_VERSION / f"{name}.json").read_text(encoding="utf-8")
    )
    return found


def payload_of(generation: Mapping[str, Any], upto: int | None = None) -> dict[str, Any]:
    """What the platform shows of a generation: after so many of its events, or at its end."""
    context, answer = generation["context"], generation["answer"]
    raw = context["history"][:upto]
    ended = upto is None and answer.get("isDone") and not any(a["actionType"] == 4 for a in answer["actions"][0])
    failed = upto is None and generation["error"] is not None
    status = "Failed" if failed else "Completed" if ended else "Running"
    output = f"Orchestrator function 'agent_run' failed: {generation['error']}" if failed else answer.get("output")
    if status != "Running":
        end = {"EventType": 1, "EventId": -1, "OrchestrationStatus": status, "Timestamp": raw[-1]["Timestamp"]}
        raw = [*raw, end]
    custom = answer.get("customStatus") if upto is None else None
    row = Instance(
        instance_id=context["instanceId"],
        execution_id="e",
        name="agent_run",
        version=None,
        input=context["input"],
        status=status,
        custom_status=json.dumps(custom),
        output=json.dumps(output if status != "Running" else None),
        created=NOW.timestamp(),
        updated=NOW.timestamp(),
    )
    events = [protocol.event_from_text(json.dumps({"OrchestrationInstance": {}, **event})) for event in raw]
    return shown_status(row, history=events, show_output=True)


def prefixes(name: str) -> Iterator[dict[str, Any]]:
    """What the platform showed after each episode of the recorded orchestration."""
    for generation in recorded(name):
        history = generation["context"]["history"]
        for n, event in enumerate(history, 1):
            if event["EventType"] == 13:
                yield payload_of(generation, n)
        yield payload_of(generation)


def events_of(payload: Mapping[str, Any]) -> list[TimelineEvent]:
    return timeline(read_history(payload), status_document(payload, NOW))


def told(events: Iterable[TimelineEvent]) -> list[str]:
    """Each event in a line: what it is, from when to when (seconds of its minute), and what became of it."""
    return [_line(event) for event in events]


def _line(event: TimelineEvent) -> str:
    name = event.step if event.step is not UNSET else event.kind
    begun, ended = (moment[17:21] if moment else "" for moment in (event.started, event.ended))
    tries = event.attempts if event.attempts is not UNSET else []
    failures = [attempt.error.code for attempt in tries if attempt.error]
    more = [event.looks, event.event, event.reason, event.status, event.code]
    words = [name, f"{begun}-{ended}", event.state, *(str(m) for m in more if m is not UNSET), *failures]
    return " ".join(words)
