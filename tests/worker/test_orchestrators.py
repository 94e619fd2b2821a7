"""Orchestrators on recorded contexts, as Microsoft's runtime and as the local host invoke them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_functions import ORCHESTRATOR
from tests.worker.comparison import REPOSITORY, Both, Player

HISTORIES = sorted((REPOSITORY / "tests" / "histories").glob("*/*.json"))
EPISODES = REPOSITORY / "tests" / "recordings" / "episodes.json"
EPISODE_BEGINS, EPISODE_ENDS = 12, 13


def contexts(path: Path) -> list[dict[str, Any]]:
    """Every episode of a recorded instance: what the orchestrator is called with, as the history grows."""
    found = []
    for recorded in json.loads(path.read_text("utf-8")):
        context = recorded["context"]
        ends = [n for n, event in enumerate(context["history"]) if event["EventType"] == EPISODE_ENDS]
        found += [{**context, "history": context["history"][:end]} for end in ends]
        found.append(context)
    return found


@pytest.mark.parametrize("path", HISTORIES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_the_products_orchestrator_answers_alike(path: Path, product: Both) -> None:
    given = contexts(path)

    def scenario(player: Player) -> None:
        for context in given:
            player.orchestrator(ORCHESTRATOR, context)

    notes = product(scenario)
    assert len([n for n in notes if n.get("invoked") == ORCHESTRATOR]) == len(given) > 1


def test_an_input_that_does_not_fit_fails_alike(product: Both) -> None:
    context = contexts(HISTORIES[0])[0]

    def scenario(player: Player) -> None:
        for given in ('{"request": {}}', '"text"', "null", "[", '{"request": {"user_message": "x", "more": 1}}'):
            player.orchestrator(ORCHESTRATOR, {**context, "input": given})
        player.orchestrator(ORCHESTRATOR, {**context, "history": []})

    assert any("error" in note for note in product(scenario))


def test_the_recorded_apps_orchestrators_answer_alike(recorded_app: Both) -> None:
    episodes = json.loads(EPISODES.read_text("utf-8"))
    assert len(episodes) > 50

    def scenario(player: Player) -> None:
        for episode in episodes:
            player.orchestrator(episode["orchestrator"], episode["context"])

    notes = recorded_app(scenario)
    assert {"result", "error"} <= {key for note in notes for key in note}
