"""Reads what a timeline needs out of a Durable status payload with its history. Pure.

The payload shows the events of the present generation in the order of their ends, an activity's scheduling merged into
its end (durable-protocol.md, section 6). What does not look like that is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from contracts.durable import CANCEL_EVENT, question_of_event
from contracts.instance_input import read_instance_input
from contracts.past import LARGEST, Asked, Dropped, Past
from contracts.wire import from_wire
from run_past import (
    Call,
    Happened,
    Raised,
    as_object,
    call_ids,
    completed,
    crashed,
    decoded,
    digest_of,
    micros,
    moment_in,
    tells_of_rewind,
)
from validation.cancel_request import read_cancel_reason


@dataclass(frozen=True, kw_only=True)
class History(Happened):
    """What happened in the present generation, and what it was told of those before."""

    started: datetime
    past: Past
    ended: datetime | None


def read_history(payload: Mapping[str, Any]) -> History:
    """Return what the payload tells. Raises nothing, whatever it holds."""
    events = list(_events(payload))
    begun = next((at for kind, at, _ in events if kind == "ExecutionStarted"), None)
    created = moment_in(payload.get("createdTime")) or datetime.fromtimestamp(0, UTC)
    started = begun or min((at for _, at, _ in events), default=created)
    return History(
        started=started,
        past=_past(payload.get("input"), started),
        calls=sorted(_calls(events), key=lambda call: call.started),
        raised=list(_raised(events)),
        pauses=_pauses(events),
        rewinds=[at for kind, at, event in events if kind == "GenericEvent" and tells_of_rewind(event.get("Data"))],
        ended=max(
            (at for kind, at, _ in events if kind in ("ExecutionCompleted", "ExecutionTerminated")), default=None
        ),
    )


_Event = tuple[str, datetime, Mapping[str, Any]]


def _events(payload: Mapping[str, Any]) -> Iterator[_Event]:
    history = payload.get("historyEvents")
    for event in history if isinstance(history, list) else []:
        if isinstance(event, Mapping) and (at := moment_in(event.get("Timestamp"))) is not None:
            yield str(event.get("EventType")), at, event


def _calls(events: list[_Event]) -> Iterator[Call]:
    for kind, at, event in events:
        name = event.get("Name") if kind == "TaskScheduled" else event.get("FunctionName")
        if not isinstance(name, str) or not name:
            continue
        started = moment_in(event.get("ScheduledTime")) or at
        match kind:
            case "TaskScheduled":
                yield Call(name, at)
            case "TaskFailed":
                yield crashed(name, started, at, event.get("Reason"))
            case "TaskCompleted":
                yield from completed(name, started, at, event.get("Result"))


def _raised(events: list[_Event]) -> Iterator[Raised]:
    """Yield the first event of each name: what is raised again has no effect."""
    known: set[str] = set()
    for kind, at, event in events:
        name = event.get("Name")
        if kind != "EventRaised" or not isinstance(name, str) or name in known:
            continue
        known.add(name)
        if name == CANCEL_EVENT:
            yield Raised(name, at, reason=read_cancel_reason(decoded(event.get("Input"))))
        elif (number := question_of_event(name)) is not None:
            yield Raised(name, at, question=number)


def _pauses(events: list[_Event]) -> list[tuple[datetime, datetime | None]]:
    pauses: list[tuple[datetime, datetime | None]] = []
    for kind, at, _ in events:
        if kind == "ExecutionSuspended":
            pauses.append((at, None))
        elif kind == "ExecutionResumed" and pauses and pauses[-1][1] is None:
            pauses[-1] = (pauses[-1][0], at)
    return pauses


def _past(given: Any, started: datetime) -> Past:
    progress = read_instance_input(given).progress
    begun = moment_in(progress.get("started")) if progress else None
    if progress is None or begun is None:
        return Past()
    try:
        past = from_wire(Past, progress["past"]) if progress.get("past") is not None else None
    except msgspec.ValidationError:
        past = None
    return past or _sum(progress, micros(min(begun, started)), micros(started))


def _sum(progress: Mapping[str, Any], begun: int, started: int) -> Past:
    """Return what is known of generations that were not told one by one."""
    question = as_object(progress.get("question"))
    is_open = not question.get("answers")
    asks = call_ids(question.get("calls")) if is_open else frozenset()
    number = _count(question.get("number"))
    return Past(
        questions=[Asked(at=started, number=number, calls=len(asks), continued=True)] if asks else [],
        pending=digest_of(asks),
        dropped=Dropped(
            at=begun,
            took=started - begun,
            looks=_count(progress.get("polls")),
            runs=_count(progress.get("run_number")) + (progress.get("run_requested") is True),
            questions=number,
        ),
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST else 0
