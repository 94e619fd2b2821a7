"""Every POST of the second generation, its answer lost, under every two values of what no source says about it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from contracts.generations import Generation
from contracts.runs import METADATA_INSTANCE, METADATA_OPERATION
from tests.e2e.world import World
from tests.faults.lost_posts import HOST, SPEED, VALUES, live_all, wrong_with
from tests.pairs import pairs

ONLY: Generation = "responses"

COMBINATIONS = pairs(VALUES)


@pytest.fixture(scope="module")
def world(generation: Generation) -> Iterator[World]:
    with World(speed=SPEED, env=HOST) as made:
        yield made


@pytest.mark.e2e
@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", range(len(COMBINATIONS)))
def test_a_lost_post_is_done_once_under_every_two_values(world: World, number: int) -> None:
    assert live_all(world, COMBINATIONS[number], f"lost-{number}") == []


# --- each check fails where it should ---


def response(instance: str, operation: str = "run-0", status: str = "completed") -> dict[str, Any]:
    stamp = {METADATA_INSTANCE: instance, METADATA_OPERATION: operation}
    return {"id": f"resp_{instance}", "status": status, "metadata": stamp}


RIGHT: dict[str, Any] = {
    "items": [{"role": "user", "text": "one"}, {"role": "assistant", "text": "it"}, {"role": "user", "text": "two"}],
    "responses": [response("i"), response("j"), response("j", "answer-1"), response("j", "close:resp_j")],
    "open_calls": [],
    "broken": False,
}


def test_a_right_conversation_passes_the_checks() -> None:
    assert list(wrong_with(RIGHT, ["one", "two"], {"i": 1, "j": 2})) == []


@pytest.mark.parametrize(
    ("spoil", "finding"),
    [
        (lambda c: c["items"].append({"role": "user", "text": "two"}), "'two': 2"),
        (lambda c: c["items"].pop(), "its user messages are {'one': 1}"),
        (lambda c: c["responses"].append(response("i", "run-1")), "its responses are"),
        (lambda c: c["responses"].pop(0), "its responses are"),
        (lambda c: c["responses"][3].update(status="in_progress"), "responses go on"),
        (lambda c: c["open_calls"].append("call_1"), "it waits for ['call_1']"),
        (lambda c: c.update(broken=True), "broken for good"),
    ],
)
def test_each_check_of_a_conversation_fails_where_it_should(spoil: Callable[[Any], None], finding: str) -> None:
    conversation = copy.deepcopy(RIGHT)
    spoil(conversation)
    found = list(wrong_with(conversation, ["one", "two"], {"i": 1, "j": 2}))
    assert len(found) == 1
    assert finding in found[0]
