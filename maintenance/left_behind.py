"""What an instance that has ended may have left: runs in Foundry, and places at threads."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from contracts.instance_input import read_instance_input
from contracts.runs import RunState
from foundry.connection import agent_service
from foundry.errors import FoundryError, NotFoundError
from ownership.threads import leave_by
from settings import load_settings
from store.connection import document_store

_STOPPABLE = {RunState.ACTIVE, RunState.REQUIRES_ACTION}


@dataclass(frozen=True)
class Traces:
    """Where to look: the threads that an instance worked on, and the instance that its stamps name."""

    instance_id: str
    thread_ids: tuple[str, ...]
    made_one: bool = False
    """No thread is known, yet it may have created one."""


def traces_of(payload: Mapping[str, Any]) -> Traces:
    """Return what the input and the history of an instance tell, from a Durable status payload that has both. Pure.

    The input is a start request, or what an earlier generation knew; the history holds the thread that was created.
    """
    given = read_instance_input(payload.get("input"))
    created = [e for e in _events(payload) if "create_thread" in (e.get("FunctionName"), e.get("Name"))]
    results = [_object(_object(event.get("Result")).get("value")) for event in created]
    known = [given.known("thread_id"), *(found.get("thread_id") for found in results)]
    thread_ids = tuple(dict.fromkeys(t for t in known if isinstance(t, str) and t))
    stamped = given.known("instance_id")
    return Traces(
        instance_id=stamped if isinstance(stamped, str) else str(payload.get("instanceId")),
        thread_ids=thread_ids,
        made_one=bool(created) and not thread_ids,
    )


def _events(payload: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    history = payload.get("historyEvents")
    return (event for event in (history if isinstance(history, list) else []) if isinstance(event, Mapping))


def _object(value: Any) -> Mapping[str, Any]:
    """Return the value where it is an object, or JSON text of one (of one ...)."""
    while isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, Mapping) else {}


def cancel_runs_of(traces: Traces, seconds: float = 60.0) -> int:
    """Cancel the active runs that carry the instance's stamp, on its threads or, where none is known, on the newest
    threads that carry it; return how many. What Foundry has deleted has no run. Blocks for so many seconds at most;
    raises `FoundryError` where a look or a cancel was refused, after all the others were tried.
    """
    service = agent_service(load_settings()).within(seconds)
    instance_id = traces.instance_id[:512]
    thread_ids = service.threads_of_instance(instance_id) if traces.made_one else traces.thread_ids
    refusals: list[FoundryError] = []
    cancelled = 0
    for thread_id in thread_ids:
        with _collected(refusals):
            for run in service.list_runs(thread_id):
                if run.instance_id == instance_id and run.state in _STOPPABLE:
                    with _collected(refusals):
                        service.cancel_run(thread_id, run.run_id)
                        cancelled += 1
    if refusals:
        raise refusals[0]
    return cancelled


def leave_threads_of(instance_id: str, traces: Traces) -> None:
    """Take the instance out of the lines of its threads. Blocks for seconds at most; fails never."""
    for thread_id in traces.thread_ids:
        leave_by(document_store, thread_id, instance_id)


@contextlib.contextmanager
def _collected(refusals: list[FoundryError]) -> Iterator[None]:
    """Keep a refusal for later, but for one that says that the thing is gone: only then nothing is left of it."""
    try:
        yield
    except NotFoundError as error:
        if not error.names_it:
            refusals.append(error)
    except FoundryError as error:
        refusals.append(error)
