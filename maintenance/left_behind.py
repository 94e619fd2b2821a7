"""What an instance that has ended may have left in Foundry, and stopping it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from contracts.generations import CAPABILITIES, Generation, generation_of_thread
from contracts.instance_input import read_instance_input
from contracts.runs import RunState
from foundry.connection import agent_service
from foundry.errors import FoundryError, NotFoundError
from settings import load_settings

_STOPPABLE = {RunState.ACTIVE, RunState.REQUIRES_ACTION}


@dataclass(frozen=True)
class Traces:
    """Where to look: the threads that an instance worked on, and the instance that its stamps name."""

    instance_id: str
    thread_ids: tuple[str, ...]
    made_one: bool = False
    """No thread is known, yet it may have created one."""
    generation: Generation = "classic"
    """Of the service that would have created it; a thread's id tells its own."""


def traces_of(payload: Mapping[str, Any]) -> Traces:
    """Return what the input and the history of an instance tell, from a Durable status payload that has both. Pure.

    The input is a start request, or what an earlier generation knew; the history holds the thread that was created.
    """
    given = read_instance_input(payload.get("input"))
    created = [event for event in _events(payload) if "create_thread" in _names_of(event)]
    results = [_value_of(event) for event in created]
    known = [given.known("thread_id"), *(found.get("thread_id") for found in results)]
    planned = [_value_of(event) for event in _events(payload) if "plan_run" in _names_of(event)]
    thread_ids = tuple(dict.fromkeys(t for t in known if isinstance(t, str) and t))
    stamped = given.known("instance_id")
    return Traces(
        instance_id=stamped if isinstance(stamped, str) else str(payload.get("instanceId")),
        thread_ids=thread_ids,
        made_one=bool(created) and not thread_ids,
        generation=_generation(given.fixed_policy, *planned),
    )


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
    instance_id = traces.instance_id[:512]
    thread_ids = traces.thread_ids
    if traces.made_one:
        thread_ids = tuple(services[traces.generation].threads_of_instance(instance_id))
    refusals: list[FoundryError] = []
    cancelled = 0
    for thread_id in thread_ids:
        service = services[generation_of_thread(thread_id)]
        with _collected(refusals):
            for run in service.list_runs(thread_id):
                if run.instance_id == instance_id and run.state in _STOPPABLE:
                    with _collected(refusals):
                        service.cancel_run(thread_id, run.run_id)
                        cancelled += 1
    if refusals:
        raise refusals[0]
    return cancelled


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
