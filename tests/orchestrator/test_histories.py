"""Golden histories: what instances in flight have behind them replays on today's code, or they would break at
deployment.
"""

from __future__ import annotations

import json

import pytest

from tests.orchestrator.record_histories import HISTORIES, SCENARIOS, answer_to
from tests.orchestrator.scripted_foundry import ORCHESTRATOR
from tests.orchestrator.simulation import Simulation


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_recorded_history_replays(name: str) -> None:
    generations = json.loads((HISTORIES / f"{name}.json").read_text(encoding="utf-8"))
    simulation = Simulation(ORCHESTRATOR, {})
    for recorded in generations:
        assert answer_to(simulation, recorded["context"]) == {k: recorded[k] for k in ("answer", "error")}


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_prefix_of_a_history_replays_to_the_same_actions(name: str) -> None:
    for recorded in json.loads((HISTORIES / f"{name}.json").read_text(encoding="utf-8")):
        simulation = Simulation(ORCHESTRATOR, {})
        history = recorded["context"]["history"]
        whole = recorded["answer"]["actions"][0]
        ends = [n for n, event in enumerate(history) if event["EventType"] == 13]
        for end in ends:
            answer = answer_to(simulation, {**recorded["context"], "history": history[:end]})["answer"]
            actions = answer["actions"][0]
            assert [strip(a) for a in actions] == [strip(a) for a in whole[: len(actions)]]


def strip(action: object) -> object:
    """An action without the mark that it was cancelled, which comes later."""
    if isinstance(action, dict):
        return {k: strip(v) for k, v in action.items() if k != "isCanceled"}
    return [strip(a) for a in action] if isinstance(action, list) else action


def test_no_recorded_history_is_without_a_scenario() -> None:
    assert {p.stem for p in HISTORIES.glob("*.json")} == set(SCENARIOS)
