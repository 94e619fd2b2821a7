"""Places at conversations, in the store: a document per thread, with the instances in the order of their arrival.

An activity may run twice, and the answer to a write may get lost: the document says who has which place, so asking
again changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from app_log import log_event
from contracts.runs import FormerRun
from contracts.wire import from_wire, to_wire
from ownership.alone import saw_alone, take_version
from ownership.line import Place, joined, left, place_of, to_look_at
from store.documents import DocumentName, DocumentStore, Listed, StoreError

_log = logging.getLogger("agent_run.ownership")

KIND = "threads"

MOST_TRIES = 50
"""So many races in a row are lost at most, each to somebody who got on; then the activity is tried again later."""

MOST_IN_LINE = 5_000
"""At one conversation."""


class LineIsFullError(StoreError):
    """Too many instances wait for one conversation."""


def document_of(thread_id: str) -> DocumentName:
    """Return the name of the document of a thread."""
    return DocumentName(KIND, thread_id)


def take_place(
    store: DocumentStore,
    thread_id: str,
    instance: str,
    has_ended: Callable[[str], bool],
    *,
    is_done: Callable[[str], bool] = lambda _: False,
    next_in_turn: bool = False,
    waits: bool = True,
    is_new: bool = False,
    run_of: Callable[[str], FormerRun | None] = lambda _: None,
) -> Place:
    """Return the instance's place at the thread: its old one, or a new one at the end (or right behind the owner).

    `has_ended` is asked about those in front only, for as long as they have; it says so of instances that nobody knows,
    too. `is_done` is asked of an owner by the next in turn: whether it needs the thread no more, although it goes on.
    One that does not wait takes no place behind others. A new thread has no line yet, which saves a request. `run_of`
    tells what one who is passed over has left. Raises `StoreError`, and what the three raise.
    """
    ended: set[str] = set()
    name = document_of(thread_id)
    for attempt in range(MOST_TRIES):
        line, former, etag = ([], None, None) if is_new and attempt == 0 else _read(store, thread_id)
        while (other := to_look_at(line, instance, ended.__contains__)) is not None and has_ended(other):
            ended.add(other)
        wanted = joined(line, instance, ended=ended, next_in_turn=next_in_turn, waits=waits)
        if (place := place_of(wanted, instance)).position == 1 and is_done(place.owner):
            ended.add(place.owner)
            wanted = joined(line, instance, ended=ended, next_in_turn=next_in_turn, waits=waits)
        if len(wanted) > MOST_IN_LINE:
            raise LineIsFullError(f"{MOST_IN_LINE:,} runs wait for thread {thread_id} already", retryable=False)
        if passed := [other for other in line if other not in wanted]:
            former = run_of(passed[-1]) or former
        version = etag if wanted == line else store.write(name, _value_of(wanted, former), etag)
        if version is not None:
            if wanted == [instance] and former is None:
                saw_alone(store, thread_id, instance, version)
            return replace(place_of(wanted, instance), former=former)
    raise StoreError(f"{MOST_TRIES} others were faster at thread {thread_id}")


def leave(store: DocumentStore, thread_id: str, instance: str, run: FormerRun | None = None) -> None:
    """Take the instance out of the line, and note its run for whoever comes next, where that is asked for. Where that
    does not succeed now, the next one finds that it has ended.
    """
    name = document_of(thread_id)
    try:
        known = take_version(store, thread_id, instance)
        if run is None and known is not None and store.delete(name, known):
            return
        for _ in range(MOST_TRIES):
            line, former, etag = _read(store, thread_id)
            if etag is None or instance not in line:
                return
            rest, former = left(line, instance), run or former
            last = not rest and former is None
            if store.delete(name, etag) if last else store.write(name, _value_of(rest, former), etag):
                return
    except StoreError as error:
        _log_not_left(thread_id, instance, error)


def leave_by(
    open_store: Callable[[], DocumentStore], thread_id: str, instance: str, run: FormerRun | None = None
) -> None:
    """Leave as `leave` does, by a store that may not open either."""
    try:
        store = open_store()
    except StoreError as error:
        _log_not_left(thread_id, instance, error)
    else:
        leave(store, thread_id, instance, run)


def _log_not_left(thread_id: str, instance: str, error: StoreError) -> None:
    log_event(_log, "agent_run.thread_not_left", instance_id=instance, thread_id=thread_id, message=error.message)


def is_wanted(store: DocumentStore, thread_id: str, instance: str) -> bool:
    """Say whether anybody else stands in the thread's line, going on or not. Raises `StoreError`."""
    line, _, _ = _read(store, thread_id)
    return bool(left(line, instance))


def owner_of(store: DocumentStore, thread_id: str, has_ended: Callable[[str], bool]) -> str | None:
    """Return the instance that owns the thread now, if one does. Raises `StoreError`."""
    line, _, _ = _read(store, thread_id)
    return next((other for other in line if not has_ended(other)), None)


def front_of(store: DocumentStore, thread_id: str) -> str | None:
    """Return who stands first in the thread's line, going on or not. Raises `StoreError`."""
    line, _, _ = _read(store, thread_id)
    return next(iter(line), None)


def is_unused(store: DocumentStore, document: Listed, *, has_ended: Callable[[str], bool]) -> bool:
    """Say whether all in the line of a document that was listed have ended. Raises `StoreError`."""
    found = store.read_listed(document)
    return found is not None and all(has_ended(other) for other in _line_of(found.value))


def former_of(store: DocumentStore, thread_id: str) -> FormerRun | None:
    """Return what the last owner of the thread has left, where that is noted. Raises `StoreError`."""
    return _read(store, thread_id)[1]


def _read(store: DocumentStore, thread_id: str) -> tuple[list[str], FormerRun | None, str | None]:
    """Return the thread's line, what its last owner has left, and the version of its document; nobody, and None, where
    there is none.
    """
    found = store.read(document_of(thread_id))
    return (_line_of(found.value), _former_in(found.value), found.etag) if found else ([], None, None)


def _line_of(value: dict[str, Any]) -> list[str]:
    line = value.get("line")
    return [item for item in line if isinstance(item, str)] if isinstance(line, list) else []


def _former_in(value: dict[str, Any]) -> FormerRun | None:
    try:
        return from_wire(FormerRun, value["former"]) if "former" in value else None
    except msgspec.ValidationError:
        return None


def _value_of(line: list[str], former: FormerRun | None) -> dict[str, Any]:
    return {"line": line, **({"former": to_wire(former)} if former else {})}
