"""What an instance that has ended may have left: runs in Foundry, and places at threads."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from contracts.generations import CAPABILITIES, Generation, generation_of_thread
from contracts.instance_input import read_instance_input
from contracts.runs import RunSnapshot, RunState
from contracts.status import read_custom_status
from foundry.connection import agent_service
from foundry.errors import FoundryError, NotFoundError
from foundry.service import AgentService
from ownership.threads import leave_by
from settings import load_settings
from store.connection import document_store

_STOPPABLE = {RunState.ACTIVE, RunState.REQUIRES_ACTION}

_SEES_RUNS = {"create_run", "get_run", "submit_tool_outputs"}
"""Activities that return a run of the instance's."""


@dataclass(frozen=True)
class Traces:
    """Where to look: the threads that an instance worked on, and the instance that its stamps name."""

    instance_id: str
    thread_ids: tuple[str, ...]
    made_one: bool = False
    """No thread is known, yet it may have created one."""
    run_ids: tuple[str, ...] = ()
    """Runs that the instance has seen as its own: not every service shows stamps."""
    generation: Generation = "classic"
    """Of the service that would have created it; a thread's id tells its own."""


def traces_of(payload: Mapping[str, Any]) -> Traces:
    """Return what custom status, input and history of an instance tell, from a Durable status payload that has them.
    Pure.

    The input is a start request, or what an earlier generation knew; the history holds the thread that was created, and
    the runs.
    """
    given = read_instance_input(payload.get("input"))
    created = [event for event in _events(payload) if "create_thread" in _names_of(event)]
    results = [_value_of(event) for event in created]
    known = [given.known("thread_id"), *(found.get("thread_id") for found in results)]
    planned = [_value_of(event) for event in _events(payload) if "plan_run" in _names_of(event)]
    seen = [_value_of(event) for event in _events(payload) if _SEES_RUNS & {*_names_of(event)}]
    shown = read_custom_status(payload.get("customStatus"))
    runs = [given.known("run_id"), shown.run_id if shown else None, *(found.get("run_id") for found in seen)]
    thread_ids = _each_once(known)
    stamped = given.known("instance_id")
    return Traces(
        instance_id=stamped if isinstance(stamped, str) else str(payload.get("instanceId")),
        thread_ids=thread_ids,
        made_one=bool(created) and not thread_ids,
        run_ids=_each_once(runs),
        generation=_generation(given.fixed_policy, *planned),
    )


def _each_once(ids: Iterable[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found for found in ids if isinstance(found, str) and found))


def _generation(*policies: Mapping[str, Any]) -> Generation:
    """Return the generation that one of these policies says."""
    said = [policy.get("generation") for policy in policies]
    return next((generation for generation in CAPABILITIES if generation in said), "classic")


def _events(payload: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    history = payload.get("historyEvents")
    return (event for event in (history if isinstance(history, list) else []) if isinstance(event, Mapping))


def _names_of(event: Mapping[str, Any]) -> tuple[Any, Any]:
    return event.get("FunctionName"), event.get("Name")


def _value_of(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the activity has returned; an empty object where it has failed, or was not done."""
    return _object(_object(event.get("Result")).get("value"))


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
    settings = load_settings()
    services = {generation: agent_service(settings, generation).within(seconds) for generation in CAPABILITIES}
    traces = replace(traces, instance_id=traces.instance_id[:512])
    thread_ids = traces.thread_ids
    if traces.made_one:
        thread_ids = tuple(services[traces.generation].threads_of_instance(traces.instance_id))
    refusals: list[FoundryError] = []
    cancelled = 0
    for thread_id in thread_ids:
        service = services[generation_of_thread(thread_id)]
        with _collected(refusals):
            for run in _runs_on(service, thread_id, traces):
                if run.state in _STOPPABLE and _is_of(traces, run):
                    with _collected(refusals):
                        service.cancel_run(thread_id, run.run_id)
                        cancelled += 1
    if refusals:
        raise refusals[0]
    return cancelled


def _runs_on(service: AgentService, thread_id: str, traces: Traces) -> list[RunSnapshot]:
    """Return the newest runs of the thread, and those of the instance that the list does not show."""
    listed = service.list_runs(thread_id)
    hidden = [] if service.capabilities.lists_all_runs else list(traces.run_ids)
    for run_id in hidden:
        if all(run.run_id != run_id for run in listed):
            with contextlib.suppress(NotFoundError):  # it is another thread's
                listed.append(service.get_run(thread_id, run_id))
    return listed


def _is_of(traces: Traces, run: RunSnapshot) -> bool:
    """Say whether the run is the instance's: it carries its stamp; or none, and the instance has seen it as its own."""
    return run.instance_id == traces.instance_id or (run.instance_id is None and run.run_id in traces.run_ids)


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
