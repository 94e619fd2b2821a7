"""What happened in a run, told from the history of one generation after the other. Pure.

The orchestrator tells the past with it before it continues as new, and the timeline tells the rest: both with the
platform's own moments, so an event is the same before and after.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import msgspec
from msgspec.structs import replace

from contracts.codes import ErrorCode
from contracts.past import (
    LARGEST,
    LONGEST_CODE,
    LONGEST_MESSAGE,
    MOST_ENTRIES,
    Answered,
    Asked,
    Dropped,
    Past,
    Pause,
    Stretch,
    Try,
)
from contracts.status import RunError

LOOK = "get_run"
"""The activity that looks at a run, and does nothing else."""

MOST_BYTES = 4000
"""The past is in the input of every later generation, and in its history."""

FIRST_STEPS = 4
"""Thread, message, run, and the first looks: they are told whatever comes behind them."""

_MOST_REWINDS = 5
_UNDONE = "Rewound: "
"""So begins what stands for an event that a rewind has undone."""

_EPOCH = datetime.fromtimestamp(0, UTC)

_WORKER_DIED = RunError(code=ErrorCode.WORKER_DIED, message="the worker process died while the activity ran")
_RAISED = RunError(
    code=ErrorCode.ACTIVITY_FAILED, message="the activity failed for a fault of the app: its log has more"
)


# --- what a history holds ---


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
        return call_ids(calls)


@dataclass(frozen=True)
class Raised:
    """An external event of ours: the answer to a question (`question` is its number), or a cancel."""

    name: str
    at: datetime
    question: int = 0
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Happened:
    """What the history of one generation tells."""

    calls: Sequence[Call]
    """In the order of their beginnings."""
    raised: Sequence[Raised]
    pauses: Sequence[tuple[datetime, datetime | None]]
    rewinds: Sequence[datetime]


def completed(activity: str, started: datetime, ended: datetime, result: Any) -> Iterator[Call]:
    """Yield an activity that has returned an `ActivityResult`: two where it has posted the message and gone on with
    its run.
    """
    result = as_object(result)
    value = as_object(result.get("value"))
    run = as_object(value.get("run"))
    went_on_at = moment_in(value.get("run_requested_at"))
    if activity != "create_message" or not run or went_on_at is None:
        yield _returned(activity, started, ended, result)
        return
    went_on_at = min(max(went_on_at, started), ended)  # another machine's clock
    yield _returned(activity, started, went_on_at, result)
    yield _returned("create_run", went_on_at, ended, run)


def _returned(activity: str, started: datetime, ended: datetime, result: Mapping[str, Any]) -> Call:
    """Return the activity. Its failure is told in the app's own words: those of Foundry, which `message` may hold, may
    quote a prompt.
    """
    failure = as_object(result.get("failure"))
    summary = failure.get("summary")
    text = str(failure.get("message") if summary is None else summary)
    error = RunError(code=str(failure.get("code")), message=text[:LONGEST_MESSAGE]) if failure else None
    return Call(activity, started, ended, error, as_object(result.get("value")))


def crashed(activity: str, started: datetime, ended: datetime, reason: Any) -> Call:
    """Return an activity that has raised, or whose worker has died."""
    died = "exited with code" in str(reason)
    return Call(activity, started, ended, _WORKER_DIED if died else _RAISED)


def tells_of_rewind(data: Any) -> bool:
    """Say whether a GenericEvent with this text is the word of who rewound the instance."""
    return isinstance(data, str) and not data.startswith(_UNDONE)


def call_ids(calls: Any) -> frozenset[str]:
    """Return the ids of tool calls."""
    found = (as_object(call).get("id") for call in (calls if isinstance(calls, list) else []))
    return frozenset(i for i in found if isinstance(i, str))


def digest_of(asks: frozenset[str]) -> str:
    """Return what tells these calls from others; empty for none."""
    return hashlib.blake2s("\n".join(sorted(asks)).encode(), digest_size=6).hexdigest() if asks else ""


def decoded(value: Any) -> Any:
    """Return what JSON text (of text ...) holds; what is none stays as it is."""
    while isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def as_object(value: Any) -> Mapping[str, Any]:
    """Return the JSON object that is there, as text or not; an empty one for anything else."""
    found = decoded(value)
    return found if isinstance(found, Mapping) else {}


def moment_in(value: Any) -> datetime | None:
    """Return the moment that ISO text names, UTC where it says no zone; None where it is none."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def micros(moment: datetime) -> int:
    """Return the moment in microseconds since 1970."""
    since = moment - _EPOCH
    return min(max((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds, 0), LARGEST)


def moment_of(at: int) -> datetime:
    """Return the moment that these microseconds are."""
    return _EPOCH + timedelta(microseconds=at)


# --- what follows from it ---


def tell(past: Past, happened: Happened) -> None:
    """Add what the next generation's history tells. Nothing is dropped."""
    for call in happened.calls:
        _called(past, call)
    past.pauses += [Pause(at=micros(a), took=_between(a, b) if b else None) for a, b in happened.pauses]
    past.rewinds += [micros(at) for at in happened.rewinds]
    known = [answer.number for answer in past.answers]
    # An event that came when a generation ended is raised again in the next one.
    answers = [raised for raised in happened.raised if raised.question and raised.question not in known]
    ends: list[tuple[datetime, Call | Raised]] = [(call.ended, call) for call in happened.calls if call.ended]
    ends += [(raised.at, raised) for raised in answers]
    for at, what in sorted(ends, key=lambda pair: pair[0]):
        if isinstance(what, Call):
            _saw(past, what, micros(at))
        else:
            past.answers.append(Answered(at=micros(at), number=what.question))
            _was_answered(past, what.question, micros(at))


def is_asked(past: Past, number: int) -> None:
    """Add which question is open now. One that was refused is asked again without any other trace."""
    last = past.questions[-1] if past.questions else None
    if last is None:
        return
    if last.took is not None and last.number < number:
        past.questions.append(Asked(at=last.at + last.took, number=number, calls=last.calls))
    elif last.took is None:
        past.questions[-1] = replace(last, number=number)


def is_over(past: Past, at: datetime) -> None:
    """Add that the run has ended: nobody waits for an answer."""
    _close(past, micros(at))


def handed_on(past: Past) -> Past:
    """Return what the next generation is given: no messages, and no more than fits. Beyond that the oldest, behind the
    first steps, is told as a sum.
    """
    kept = Past(
        stretches=[_shortened(stretch) for stretch in past.stretches],
        questions=[*past.questions],
        answers=[*past.answers],
        pauses=[*past.pauses],
        rewinds=past.rewinds[-_MOST_REWINDS:],
        dropped=past.dropped,
        pending=past.pending,
        answered=past.answered,
    )
    while _is_too_much(kept) and _drop_one(kept):
        pass
    return kept


def _called(past: Past, call: Call) -> None:
    last = past.stretches[-1] if past.stretches else None
    one = Try(
        took=_between(call.started, call.ended) if call.ended else None,
        code=call.error.code[:LONGEST_CODE] if call.error else None,
        message=call.error.message if call.error else "",
    )
    looks = call.looks or (1 if call.activity == LOOK else 0)
    if last is not None and last.name == call.activity and (last.name == LOOK or last.tries[-1].code is not None):
        one = replace(one, after=max(micros(call.started) - last.at, 0))
        past.stretches[-1] = replace(last, tries=(*last.tries, one), count=last.count + 1, looks=last.looks + looks)
    else:
        past.stretches.append(Stretch(name=call.activity[:64], at=micros(call.started), tries=(one,), looks=looks))


def _open(past: Past) -> Asked | None:
    return past.questions[-1] if past.questions and past.questions[-1].took is None else None


def _saw(past: Past, call: Call, at: int) -> None:
    """Add what an activity saw at its end: the history does not hold the questions themselves."""
    if "state" not in call.value:
        return
    asks = digest_of(call.asks)
    if asks and asks not in (past.answered, past.pending):
        _close(past, at)
        past.questions.append(Asked(at=at, calls=len(call.asks)))
        past.pending = asks
    elif not asks and _open(past) is not None:
        _close(past, at)


def _was_answered(past: Past, number: int, at: int) -> None:
    if not past.questions:
        return
    last = past.questions[-1]
    if last.took is not None:  # the answer before was refused, and it was asked again
        past.questions.append(Asked(at=last.at + last.took, calls=last.calls))
    past.questions[-1] = replace(past.questions[-1], number=number)
    past.answered = past.pending or past.answered
    _close(past, at)


def _close(past: Past, at: int) -> None:
    present = _open(past)
    if present is not None:
        past.questions[-1] = replace(present, took=max(at - present.at, 0))
    past.pending = ""


def _shortened(stretch: Stretch) -> Stretch:
    failed = [one for one in stretch.tries if one.code is not None][-1:]
    last = [one for one in stretch.tries[-1:] if one.code is None]
    return replace(stretch, tries=tuple(replace(one, message="") for one in (*failed, *last)))


def _is_too_much(past: Past) -> bool:
    told = (past.stretches, past.questions, past.answers, past.pauses, past.rewinds)
    return sum(len(entries) for entries in told) > MOST_ENTRIES or len(msgspec.json.encode(past)) > MOST_BYTES


def _drop_one(past: Past) -> bool:
    """Tell the oldest that may be dropped no more but in the sum; return whether there was any."""
    may_go: Iterable[Stretch | Asked | Answered | Pause] = chain(
        past.stretches[FIRST_STEPS:-1], past.questions[:-1], past.answers, past.pauses
    )
    oldest = min(may_go, key=lambda entry: entry.at, default=None)
    if oldest is None:
        return False
    end = oldest.at
    match oldest:
        case Stretch():
            past.stretches.remove(oldest)
            end += max(one.after + (one.took or 0) for one in oldest.tries)
        case Asked():
            past.questions.remove(oldest)
            end += oldest.took or 0
        case Answered():
            past.answers.remove(oldest)
        case Pause():
            past.pauses.remove(oldest)
            end += oldest.took or 0
    before = past.dropped or Dropped(at=oldest.at, took=0)
    past.dropped = Dropped(
        at=before.at,
        took=max(before.at + before.took, end) - before.at,
        looks=before.looks + (oldest.looks if isinstance(oldest, Stretch) else 0),
        runs=before.runs + (isinstance(oldest, Stretch) and oldest.name == "create_run"),
        questions=before.questions + isinstance(oldest, Asked),
    )
    return True


def _between(begin: datetime, end: datetime) -> int:
    """Return how long it took: none where the clocks of two machines say it ended before it began."""
    return max(micros(end) - micros(begin), 0)
