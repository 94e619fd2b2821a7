"""What a run asks, whole: the custom status has no room for large calls, so they are read from Foundry, which has them.

A worker keeps what it has read for as long as the question lasts, since callers poll.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import msgspec
from msgspec import UNSET

from contracts.status import PendingToolCall, RequiredAction, StatusDocument, shown_call
from http_api.beside_document import service_of, told

ASK_AGAIN_SECONDS = 5.0
"""Foundry is not asked more often where it fails, or shows other calls than those of the question."""

MOST_QUESTIONS = 100
MOST_CHARACTERS = 40_000_000
"""Kept by a worker, of all questions together; the newest one is kept whatever it has."""

_threads = ThreadPoolExecutor(4, thread_name_prefix="question")

Calls = tuple[PendingToolCall, ...]


async def with_whole_question(document: StatusDocument) -> StatusDocument:
    """Return the document with all pending calls and all of their arguments, where Foundry tells; else it says that
    they are missing.
    """
    action, thread_id, run_id = document.required_action, document.thread_id, document.run_id
    if action is None or not (thread_id and run_id):
        _questions.forget(run_id)
        return document
    if _is_whole(action):
        return document
    calls = await told(_questions.reading(thread_id, run_id, action), f"the question of run {run_id}")
    _questions.make_room(run_id)
    if calls is not None and _are_of(action, calls):
        shown = msgspec.structs.replace(action, calls=calls, more=UNSET, truncated=UNSET, see=UNSET)
    else:
        why = "Foundry does not tell now" if calls is None else "Foundry shows other calls now"
        see = f"{action.see or f'GET /api/runs/{document.instance_id}'}, again: {why}"
        shown = msgspec.structs.replace(action, truncated=True, see=see)
    return msgspec.structs.replace(document, required_action=shown)


def _is_whole(action: RequiredAction) -> bool:
    return not (action.truncated or action.more) and all(call.arguments is not UNSET for call in action.calls)


def _are_of(action: RequiredAction, calls: Calls) -> bool:
    """Say whether these are the calls of the question: Foundry may have an answer meanwhile, or ask anew."""
    ids = {call.id for call in calls}
    return len(calls) == len(action.calls) + (action.more or 0) and all(call.id in ids for call in action.calls)


def _read(thread_id: str, run_id: str) -> Calls:
    return tuple(map(shown_call, service_of(thread_id).get_run(thread_id, run_id).pending_calls))


@dataclass(frozen=True)
class _Reading:
    """What Foundry tells, or will tell, about a question."""

    event: str
    calls: Future[Calls]
    asked_at: float

    @property
    def told(self) -> Calls | None:
        """What Foundry has told; None where it has not yet, or has failed."""
        done = self.calls.done() and not self.calls.cancelled() and self.calls.exception() is None
        return self.calls.result() if done else None

    def serves(self, action: RequiredAction) -> bool:
        """Say whether nothing else is to be asked about this question now."""
        if self.event != action.event:
            return False
        if not self.calls.done() or time.monotonic() - self.asked_at < ASK_AGAIN_SECONDS:
            return True
        return self.told is not None and _are_of(action, self.told)

    @property
    def characters(self) -> int:
        return sum(len(call.arguments or "") + len(call.name) + len(call.id) for call in self.told or ())


class _Questions:
    """The readings of this worker by run, those last that were wanted last. Only the event loop's thread acts here."""

    def __init__(self) -> None:
        self._of_run: OrderedDict[str, _Reading] = OrderedDict()

    def reading(self, thread_id: str, run_id: str, action: RequiredAction) -> Future[Calls]:
        """Return the reading of this question, one for all who ask."""
        known = self._of_run.get(run_id)
        if known is None or not known.serves(action):
            known = _Reading(action.event, _threads.submit(_read, thread_id, run_id), time.monotonic())
            self._of_run[run_id] = known
        self._of_run.move_to_end(run_id)
        return known.calls

    def forget(self, run_id: str | None) -> None:
        """Forget the run's question: it is over."""
        if run_id is not None:
            self._of_run.pop(run_id, None)

    def make_room(self, newest: str) -> None:
        """Forget what was not wanted for longest, as far as it is too much."""
        kept = sum(reading.characters for reading in self._of_run.values())
        while len(self._of_run) > MOST_QUESTIONS or (kept > MOST_CHARACTERS and len(self._of_run) > 1):
            oldest = next(run_id for run_id in self._of_run if run_id != newest)
            kept -= self._of_run.pop(oldest).characters


_questions = _Questions()
