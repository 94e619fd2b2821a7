"""What happened in a run, in order, from its Durable history: `GET /api/runs/{instance_id}/events`. Pure.

No inputs, no outputs, and none of Foundry's words. Every entry has an id that follows from what it is and when it
began, so that it stays the same while the history grows, and over a rewind.

A history has the present generation only: what continue-as-new dropped is one entry, `earlier`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import UNSET

from contracts.codes import ErrorCode
from contracts.durable import question_of_event, tool_outputs_event
from contracts.status import StatusDocument
from http_api.timeline_events import Attempt, Kind, State, TimelineEvent
from http_api.timeline_history import Call, History

LOOK = "get_run"
"""The activity that looks at a run, and does nothing else."""

_LAST = "terminate_instance"
"""It ends the instance, and so never ends itself."""


@dataclass
class _Stretch:
    """Calls of one activity in a row: attempts at a step, or looks."""

    calls: list[Call]
    is_last: bool = True

    @property
    def activity(self) -> str:
        return self.calls[0].activity

    def takes(self, call: Call) -> bool:
        """Say whether the call goes on with this: a look with looks, a further attempt with one that failed."""
        if call.activity != self.activity:
            return False
        return self.activity == LOOK or self.calls[-1].error is not None


@dataclass
class _Asked:
    """A question. `number` is 0 while nothing tells it."""

    started: datetime
    number: int = 0
    ended: datetime | None = None
    calls: int = 0
    continued: bool = False


@dataclass
class _Questions:
    """Follows what was asked: from what the looks show, and from the names of the events that answered.

    The history does not hold the questions themselves. An answer that was refused is asked for again under the next
    number: such a question begins with the answer before.
    """

    asked: list[_Asked] = field(default_factory=list)
    answered: frozenset[str] = frozenset()
    pending: frozenset[str] = frozenset()

    @property
    def open(self) -> _Asked | None:
        return self.asked[-1] if self.asked and self.asked[-1].ended is None else None

    def saw(self, call: Call) -> None:
        """Take in what an activity saw at its end."""
        if call.ended is None or "state" not in call.value:
            return
        asks, present = call.asks, self.open
        if asks and asks not in (self.answered, self.pending):
            self._close(call.ended)
            self.asked.append(_Asked(call.ended, calls=len(asks)))
            self.pending = asks
        elif present is not None and not asks:
            self._close(call.ended)

    def was_answered(self, number: int, at: datetime) -> None:
        """Take in an answer."""
        if not self.asked:
            return
        if self.open is None:
            self.asked.append(_Asked(self.asked[-1].ended or at, calls=len(self.answered)))
        self.asked[-1].number = number
        self.answered = self.pending or self.answered
        self._close(at)

    def is_asked(self, number: int) -> None:
        """Take in which question is open now, as the custom status says."""
        if self.open is None and self.asked and self.asked[-1].number < number:
            self.asked.append(_Asked(self.asked[-1].ended or self.asked[-1].started, calls=len(self.answered)))
        if self.open is not None:
            self.open.number = number

    def is_over(self, at: datetime) -> None:
        """The run has ended, and nobody waits for an answer."""
        self._close(at)

    def _close(self, at: datetime) -> None:
        if self.open is not None:
            self.open.ended = max(at, self.open.started)
        self.pending = frozenset()


_Entry = tuple[datetime, TimelineEvent]
"""When it began, and what callers see of it."""


def timeline(history: History, document: StatusDocument) -> list[TimelineEvent]:
    """Return the events, in the order in which they began; `document` is of the same payload."""
    entries = [
        *_earlier(history),
        *_raised(history),  # what follows from it began at the same moment, it may be
        *_steps_and_looks(history, document),
        *_questions(history, document),
        *(_entry("suspended", p.started, p.ended, "done" if p.ended else "running") for p in history.pauses),
        *(_entry("rewound", at, at, "done") for at in history.rewinds),
    ]
    entries.sort(key=lambda entry: entry[0])
    return list(_with_ids(event for _, event in [*entries, *_ended(history, document)]))


def _earlier(history: History) -> Iterator[_Entry]:
    earlier = history.earlier
    if earlier is not None:
        yield _entry(
            "earlier",
            min(earlier.started, history.started),
            history.started,
            "done",
            looks=earlier.looks,
            runs=earlier.runs,
            questions=earlier.questions,
        )


def _steps_and_looks(history: History, document: StatusDocument) -> Iterator[_Entry]:
    stretches: list[_Stretch] = []
    for call in history.calls:
        if stretches and stretches[-1].takes(call):
            stretches[-1].calls.append(call)
        else:
            if stretches:
                stretches[-1].is_last = False
            stretches.append(_Stretch([call]))
    for stretch in stretches:
        yield _looks(stretch, document) if stretch.activity == LOOK else _step(stretch, document)


def _step(stretch: _Stretch, document: StatusDocument) -> _Entry:
    last, looks = stretch.calls[-1], sum(call.looks for call in stretch.calls)
    state = _state(stretch, document)
    return _entry(
        "step",
        stretch.calls[0].started,
        None if state == "retrying" else last.ended,
        state,
        step=stretch.activity,
        attempts=[_attempt(call) for call in stretch.calls],
        looks=looks or UNSET,
    )


def _looks(stretch: _Stretch, document: StatusDocument) -> _Entry:
    failed = [_attempt(call) for call in stretch.calls if call.error is not None]
    state = _state(stretch, document)
    goes_on = stretch.is_last and not document.is_ended
    if state in ("done", "retrying") and goes_on:
        state = "running"  # another look follows
    return _entry(
        "looks",
        stretch.calls[0].started,
        None if goes_on else max((c.ended for c in stretch.calls if c.ended), default=None),
        state,
        looks=sum(call.looks or 1 for call in stretch.calls),
        attempts=failed or UNSET,
    )


def _state(stretch: _Stretch, document: StatusDocument) -> State:
    last = stretch.calls[-1]
    if last.ended is None:
        if not document.is_ended:
            return "running"
        return "done" if last.activity == _LAST and document.status == "Cancelled" else "interrupted"
    if last.error is None:
        return "done"
    return "retrying" if stretch.is_last and not document.is_ended else "failed"


def _attempt(call: Call) -> Attempt:
    return Attempt(started=_text(call.started), ended=_text(call.ended) if call.ended else None, error=call.error)


def _questions(history: History, document: StatusDocument) -> Iterator[_Entry]:
    found = _Questions()
    if history.earlier is not None and history.earlier.asks:
        found.pending = history.earlier.asks
        found.asked = [_Asked(history.started, history.earlier.questions, calls=len(found.pending), continued=True)]
    answers = [raised for raised in history.raised if raised.question]
    happened: list[tuple[datetime, Any]] = [(c.ended, c) for c in history.calls if c.ended]
    happened += [(raised.at, raised) for raised in answers]
    for at, what in sorted(happened, key=lambda pair: pair[0]):
        if isinstance(what, Call):
            found.saw(what)
        else:
            found.was_answered(what.question, at)
    if document.is_ended:
        found.is_over(history.ended or history.started)
    elif document.required_action is not None:
        found.is_asked(question_of_event(document.required_action.event) or 0)
    for asked in found.asked:
        yield _entry(
            "question",
            asked.started,
            asked.ended,
            "done" if asked.ended else "running",
            event=tool_outputs_event(asked.number) if asked.number else UNSET,
            calls=asked.calls or UNSET,
            continued=asked.continued or UNSET,
        )


def _raised(history: History) -> Iterator[_Entry]:
    for raised in history.raised:
        if raised.question:
            yield _entry("answer", raised.at, raised.at, "done", event=raised.name)
        else:
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


def _entry(kind: Kind, started: datetime, ended: datetime | None, state: State, **fields: Any) -> _Entry:
    label = fields.get("step", kind)
    event = TimelineEvent(
        id=f"{label}.{_micros(started)}",
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


def _micros(moment: datetime) -> int:
    since = moment - datetime.fromtimestamp(0, UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
