"""What happened in a run, in order, from its Durable history: `GET /api/runs/{instance_id}/events`. Pure.

No inputs, no outputs, and none of Foundry's words. Every entry has an id that follows from what it is and when it
began, so that it stays the same while the history grows, over generations and over a rewind.

A history has the present generation only; what happened before was handed on to it (`run_past`). What was not is one
entry, `earlier`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import UNSET

from contracts.codes import ErrorCode
from contracts.durable import question_of_event, tool_outputs_event
from contracts.past import Past, Stretch, Try
from contracts.status import RunError, StatusDocument
from http_api.timeline_events import Attempt, Kind, State, TimelineEvent
from http_api.timeline_history import History
from run_past import LOOK, is_asked, is_over, micros, moment_of, tell

_LAST = "terminate_instance"
"""It ends the instance, and so never ends itself."""


_Entry = tuple[datetime, TimelineEvent]
"""When it began, and what callers see of it."""


def timeline(history: History, document: StatusDocument) -> list[TimelineEvent]:
    """Return the events, in the order in which they began; `document` is of the same payload."""
    past = history.past
    tell(past, history)
    if document.is_ended:
        is_over(past, history.ended or history.started)
    elif document.required_action is not None:
        is_asked(past, question_of_event(document.required_action.event) or 0)
    entries = [
        *_earlier(past),
        *_raised(history, past),  # what follows from it began at the same moment, it may be
        *_steps_and_looks(past, document),
        *_questions(past),
        *(_timed("suspended", p.at, p.took, "done" if p.took is not None else "running") for p in past.pauses),
        *(_timed("rewound", at, 0, "done") for at in past.rewinds),
    ]
    entries.sort(key=lambda entry: entry[0])
    return list(_with_ids(event for _, event in [*entries, *_ended(history, document)]))


def _earlier(past: Past) -> Iterator[_Entry]:
    sums = past.dropped
    if sums is not None:
        yield _timed("earlier", sums.at, sums.took, "done", looks=sums.looks, runs=sums.runs, questions=sums.questions)


def _steps_and_looks(past: Past, document: StatusDocument) -> Iterator[_Entry]:
    for stretch in past.stretches:
        goes_on = stretch is past.stretches[-1] and not document.is_ended
        state = _state(stretch, document, goes_on=goes_on)
        yield _looks(stretch, state, goes_on=goes_on) if stretch.name == LOOK else _step(stretch, state)


def _step(stretch: Stretch, state: State) -> _Entry:
    known = len(stretch.tries)
    return _timed(
        "step",
        stretch.at,
        None if state == "retrying" else _took(stretch.tries[-1]),
        state,
        step=stretch.name,
        attempts=[_attempt(stretch, one) for one in stretch.tries],
        tries=stretch.count if stretch.count > known else UNSET,
        looks=stretch.looks or UNSET,
    )


def _looks(stretch: Stretch, state: State, *, goes_on: bool) -> _Entry:
    failed = [_attempt(stretch, one) for one in stretch.tries if one.code is not None]
    if state in ("done", "retrying") and goes_on:
        state = "running"  # another look follows
    ends = [took for one in stretch.tries if (took := _took(one)) is not None]
    return _timed(
        "looks",
        stretch.at,
        None if goes_on else max(ends, default=None),
        state,
        looks=stretch.looks,
        attempts=failed or UNSET,
    )


def _state(stretch: Stretch, document: StatusDocument, *, goes_on: bool) -> State:
    last = stretch.tries[-1]
    if last.took is None:
        if not document.is_ended:
            return "running"
        return "done" if stretch.name == _LAST and document.status == "Cancelled" else "interrupted"
    if last.code is None:
        return "done"
    return "retrying" if goes_on else "failed"


def _took(one: Try) -> int | None:
    """Return its end, in microseconds since the beginning of its stretch."""
    return None if one.took is None else one.after + one.took


def _attempt(stretch: Stretch, one: Try) -> Attempt:
    end = _took(one)
    return Attempt(
        started=_text(moment_of(stretch.at + one.after)),
        ended=None if end is None else _text(moment_of(stretch.at + end)),
        error=None if one.code is None else RunError(code=one.code, message=one.message),
    )


def _questions(past: Past) -> Iterator[_Entry]:
    for asked in past.questions:
        yield _timed(
            "question",
            asked.at,
            asked.took,
            "done" if asked.took is not None else "running",
            event=tool_outputs_event(asked.number) if asked.number else UNSET,
            calls=asked.calls or UNSET,
            continued=asked.continued or UNSET,
        )


def _raised(history: History, past: Past) -> Iterator[_Entry]:
    for answer in past.answers:
        yield _timed("answer", answer.at, 0, "done", event=tool_outputs_event(answer.number))
    for raised in history.raised:
        if not raised.question:
            yield _entry("cancel", raised.at, raised.at, "done", reason=raised.reason or UNSET)


def _ended(history: History, document: StatusDocument) -> Iterator[_Entry]:
    if not document.is_ended:
        return
    at = history.ended or datetime.fromisoformat(document.last_updated_time).replace(tzinfo=UTC)
    error = document.error
    has_code = error is not None and error.code != ErrorCode.CANCELLED
    state: State = "failed" if document.status == "Failed" else "done"
    code = error.code if error is not None and has_code else UNSET
    yield _entry("ended", at, at, state, status=document.status, code=code)


def _timed(kind: Kind, at: int, took: int | None, state: State, **fields: Any) -> _Entry:
    return _entry(kind, moment_of(at), None if took is None else moment_of(at + took), state, **fields)


def _entry(kind: Kind, started: datetime, ended: datetime | None, state: State, **fields: Any) -> _Entry:
    label = fields.get("step", kind)
    event = TimelineEvent(
        id=f"{label}.{micros(started)}",
        kind=kind,
        started=_text(started),
        ended=_text(ended) if ended else None,
        duration_seconds=round((ended - started).total_seconds(), 3) if ended else None,
        state=state,
        **fields,
    )
    return started, event


def _with_ids(events: Iterable[TimelineEvent]) -> Iterator[TimelineEvent]:
    """Tell events of one name and moment apart."""
    known: dict[str, int] = {}
    for event in events:
        known[event.id] = known.get(event.id, 0) + 1
        number = known[event.id]
        yield event if number == 1 else msgspec.structs.replace(event, id=f"{event.id}.{number}")


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
