"""Reads what a timeline needs out of a Durable status payload with its history. Pure.

The payload shows the events of the present generation in the order of their ends, an activity's scheduling merged into
its end (durable-protocol.md, section 6). What does not look like that is passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from contracts.codes import ErrorCode
from contracts.durable import CANCEL_EVENT, question_of_event
from contracts.instance_input import read_instance_input
from contracts.status import RunError
from validation.cancel_request import read_cancel_reason

_UNDONE = "Rewound: "
"""So begins what stands for an event that a rewind has undone."""

_LONGEST_TEXT = 1000

_WORKER_DIED = RunError(code=ErrorCode.WORKER_DIED, message="the worker process died while the activity ran")
_RAISED = RunError(
    code=ErrorCode.ACTIVITY_FAILED, message="the activity failed for a fault of the app: its log has more"
)


@dataclass(frozen=True)
class Call:
    """One activity. `value` is what it returned; there is none where it failed, or goes on."""

    activity: str
    started: datetime
    ended: datetime | None = None
    error: RunError | None = None
    value: Mapping[str, Any] = field(default_factory=dict)

    @property
    def looks(self) -> int:
        """How often it says it looked at the run; 0 where it does not say."""
        looks = self.value.get("looks")
        return looks if isinstance(looks, int) and not isinstance(looks, bool) and looks > 0 else 0

    @property
    def asks(self) -> frozenset[str]:
        """The ids of the calls for which the run waits, as this activity saw it."""
        if self.value.get("state") != "requires_action":
            return frozenset()
        calls = self.value.get("pending_calls")
        found = (_object(call).get("id") for call in (calls if isinstance(calls, list) else []))
        return frozenset(i for i in found if isinstance(i, str))


@dataclass(frozen=True)
class Raised:
    """An external event of ours: the answer to a question (`question` is its number), or a cancel."""

    name: str
    at: datetime
    question: int = 0
    reason: str | None = None


@dataclass(frozen=True)
class Pause:
    """The instance was suspended, and resumed unless `ended` is null."""

    started: datetime
    ended: datetime | None = None


@dataclass(frozen=True)
class Earlier:
    """What the present generation was given to go on with."""

    started: datetime
    looks: int
    runs: int
    questions: int
    asks: frozenset[str]
    """The calls of the question that is open."""


@dataclass(frozen=True)
class History:
    """The present generation."""

    started: datetime
    earlier: Earlier | None
    calls: list[Call]
    """In the order of their beginnings."""
    raised: list[Raised]
    pauses: list[Pause]
    rewinds: list[datetime]
    ended: datetime | None


def read_history(payload: Mapping[str, Any]) -> History:
    """Return what the payload tells. Raises nothing, whatever it holds."""
    events = list(_events(payload))
    started = next((at for kind, at, _ in events if kind == "ExecutionStarted"), None)
    created = _moment(payload.get("createdTime")) or datetime.fromtimestamp(0, UTC)
    return History(
        started=started or min((at for _, at, _ in events), default=created),
        earlier=_earlier(payload.get("input")),
        calls=sorted(_calls(events), key=lambda call: call.started),
        raised=list(_raised(events)),
        pauses=_pauses(events),
        rewinds=[at for kind, at, event in events if kind == "GenericEvent" and _is_own_word(event.get("Data"))],
        ended=max(
            (at for kind, at, _ in events if kind in ("ExecutionCompleted", "ExecutionTerminated")), default=None
        ),
    )


_Event = tuple[str, datetime, Mapping[str, Any]]


def _events(payload: Mapping[str, Any]) -> Iterator[_Event]:
    history = payload.get("historyEvents")
    for event in history if isinstance(history, list) else []:
        if isinstance(event, Mapping) and (at := _moment(event.get("Timestamp"))) is not None:
            yield str(event.get("EventType")), at, event


def _calls(events: list[_Event]) -> Iterator[Call]:
    for kind, at, event in events:
        name = event.get("Name") if kind == "TaskScheduled" else event.get("FunctionName")
        if not isinstance(name, str) or not name:
            continue
        started = _moment(event.get("ScheduledTime")) or at
        match kind:
            case "TaskScheduled":
                yield Call(name, at)
            case "TaskFailed":
                died = "exited with code" in str(event.get("Reason"))
                yield Call(name, started, at, _WORKER_DIED if died else _RAISED)
            case "TaskCompleted":
                result = _object(event.get("Result"))
                yield Call(name, started, at, _failure(result.get("failure")), _object(result.get("value")))


def _failure(given: Any) -> RunError | None:
    """Return the failure in the app's own words: those of Foundry, which `message` may hold, may quote a prompt."""
    failure = _object(given)
    if not failure:
        return None
    summary = failure.get("summary")
    text = str(failure.get("message") if summary is None else summary)
    return RunError(code=str(failure.get("code")), message=text[:_LONGEST_TEXT])


def _raised(events: list[_Event]) -> Iterator[Raised]:
    """Yield the first event of each name: what is raised again has no effect."""
    known: set[str] = set()
    for kind, at, event in events:
        name = event.get("Name")
        if kind != "EventRaised" or not isinstance(name, str) or name in known:
            continue
        known.add(name)
        if name == CANCEL_EVENT:
            yield Raised(name, at, reason=read_cancel_reason(_decoded(event.get("Input"))))
        elif (number := question_of_event(name)) is not None:
            yield Raised(name, at, question=number)


def _pauses(events: list[_Event]) -> list[Pause]:
    pauses: list[Pause] = []
    for kind, at, _ in events:
        if kind == "ExecutionSuspended":
            pauses.append(Pause(at))
        elif kind == "ExecutionResumed" and pauses and pauses[-1].ended is None:
            pauses[-1] = Pause(pauses[-1].started, at)
    return pauses


def _earlier(given: Any) -> Earlier | None:
    progress = read_instance_input(given).progress
    started = _moment(progress.get("started")) if progress else None
    if progress is None or started is None:
        return None
    question = _object(progress.get("question"))
    is_open = not question.get("answers")
    asked = question.get("calls")
    calls = (_object(call).get("id") for call in (asked if isinstance(asked, list) and is_open else []))
    return Earlier(
        started=started,
        looks=_count(progress.get("polls")),
        runs=_count(progress.get("run_number")) + (progress.get("run_requested") is True),
        questions=_count(question.get("number")),
        asks=frozenset(i for i in calls if isinstance(i, str)),
    )


def _is_own_word(data: Any) -> bool:
    return isinstance(data, str) and not data.startswith(_UNDONE)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _decoded(value: Any) -> Any:
    """Return what JSON text (of text ...) holds; what is none stays as it is."""
    while isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _object(value: Any) -> Mapping[str, Any]:
    found = _decoded(value)
    return found if isinstance(found, Mapping) else {}


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
