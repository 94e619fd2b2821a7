"""The same tests for each generation of the agent service: which one is the present test's, and what it cannot show."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest

from contracts.generations import CAPABILITIES, Generation

_present: list[Generation] = ["classic"]


def present() -> Generation:
    """The generation of which the agents of the present test are."""
    return _present[-1]


@contextmanager
def of_generation(generation: Generation) -> Iterator[Generation]:
    """Within it the agents are of this generation."""
    _present.append(generation)
    try:
        yield generation
    finally:
        _present.pop()


def per_generation(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each generation. A module whose `RUNS_ONCE` says why runs once, and so does one that is of
    one generation, `ONLY`. A test that is marked `classic` is skipped for the other one, with the mark's reason.
    """
    if "generation" not in metafunc.fixturenames:
        return
    mark = metafunc.definition.get_closest_marker("classic")
    skip = [pytest.mark.skip(reason=f"classic only: {mark.args[0]}")] if mark else []
    params = [pytest.param(name, marks=[] if name == "classic" else skip) for name in _generations_of(metafunc.module)]
    metafunc.parametrize("generation", params, indirect=True, scope="module")


def _generations_of(module: ModuleType) -> tuple[Generation, ...]:
    """Return for which generations the module's tests are run."""
    if only := getattr(module, "ONLY", None):
        return (only,)
    if getattr(module, "RUNS_ONCE", None):
        return ("classic",)
    wanted = os.environ.get("TEST_GENERATION")
    return tuple(name for name in CAPABILITIES if wanted in {None, "", name})


def thread_prefix() -> str:
    """What the id of a thread, or of a conversation, begins with."""
    return "thread_" if present() == "classic" else "conv_"


NOWHERE: dict[Generation, str] = {"classic": "thread_nowhere", "responses": f"conv_{'0' * 60}"}
"""A thread, or a conversation, that is not there, with an id as the service makes them."""


def run_prefix() -> str:
    """What the id of a run, or of a response, begins with."""
    return "run_" if present() == "classic" else "resp_"


OPTIONS: dict[Generation, dict[str, Any]] = {
    "classic": {"temperature": 0.2, "additional_instructions": "Be brief."},
    "responses": {"structured_inputs": {"tone": "brief"}},
}
"""Options of a run that the generation takes."""

OPERATIONS = {
    "create_thread": "create_conversation",
    "delete_thread": "delete_conversation",
    "create_message": "add_items",
    "list_messages": "list_items",
    "create_run": "create_response",
    "get_run": "get_response",
    "list_runs": "list_responses",
    "cancel_run": "cancel_response",
    "list_steps": "get_response",
    "list_threads": "list_conversations",
    "submit_tool_outputs": "create_response",
}
"""What the emulator calls the requests of the second generation, by those of classic that they stand for."""


def operation(classic: str) -> str:
    """What the emulator calls this request of the present generation."""
    return classic if present() == "classic" else OPERATIONS[classic]


@pytest.fixture(scope="module", autouse=True)
def generation(request: pytest.FixtureRequest) -> Iterator[Generation]:
    """The generation of the test's agents."""
    with of_generation(request.param) as made:
        yield made
