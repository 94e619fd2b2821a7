"""What happened in this generation, from the history that the orchestrator is given. Pure.

With the history's own moments and not those of the episodes: an activity is scheduled milliseconds after its episode
began and ends before the next one, and the status API tells the former.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from azure.durable_functions.models.history import HistoryEventType as Kind

from contracts.durable import question_of_event
from contracts.past import Past
from orchestrators.question import Question, Stage
from run_past import Call, Happened, Raised, completed, crashed, handed_on, is_asked, tell, tells_of_rewind


def past_after(past: Past, history: Sequence[Any], question: Question) -> Past:
    """Return what the next generation is told of the past. `question` is where this one has left it."""
    tell(past, happened(history))
    if question.stage is Stage.OPEN:
        is_asked(past, question.number)
    return handed_on(past)


def happened(history: Sequence[Any]) -> Happened:
    """Return what these events tell. A cancel is left out: no generation follows it."""
    pauses: list[Any] = []
    for event in history:
        if event.event_type == Kind.EXECUTION_SUSPENDED:
            pauses.append((event.timestamp, None))
        elif event.event_type == Kind.EXECUTION_RESUMED and pauses and pauses[-1][1] is None:
            pauses[-1] = (pauses[-1][0], event.timestamp)
    return Happened(
        calls=_calls(history),
        raised=list(_answers(history)),
        pauses=pauses,
        rewinds=[
            event.timestamp
            for event in history
            if event.event_type == Kind.GENERIC_EVENT and tells_of_rewind(getattr(event, "Data", None))
        ],
    )


def _calls(history: Sequence[Any]) -> list[Call]:
    begun: dict[int, Call] = {}
    calls: dict[int, Iterable[Call]] = {}
    for event in history:
        match event.event_type:
            case Kind.TASK_SCHEDULED:
                begun[event.event_id] = Call(str(event.Name), event.timestamp)
                calls[event.event_id] = [begun[event.event_id]]
            case Kind.TASK_COMPLETED if event.TaskScheduledId in begun:
                call = begun[event.TaskScheduledId]
                result = getattr(event, "Result", None)
                calls[event.TaskScheduledId] = completed(call.activity, call.started, event.timestamp, result)
            case Kind.TASK_FAILED if event.TaskScheduledId in begun:
                call = begun[event.TaskScheduledId]
                calls[event.TaskScheduledId] = [crashed(call.activity, call.started, event.timestamp, event.Reason)]
    return sorted(chain.from_iterable(calls.values()), key=lambda call: call.started)


def _answers(history: Iterable[Any]) -> Iterable[Raised]:
    """Yield the first event of each name: what is raised again has no effect."""
    known: list[str] = []
    for event in history:
        if event.event_type != Kind.EVENT_RAISED or event.Name in known:
            continue
        known.append(event.Name)
        number = question_of_event(str(event.Name))
        if number is not None:
            yield Raised(event.Name, event.timestamp, question=number)
