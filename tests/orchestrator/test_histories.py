"""Golden histories: what instances in flight have behind them replays on today's code, or they would break at
deployment.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.orchestrator.record_histories import HISTORIES, SCENARIOS, answer_to
from tests.orchestrator.scripted_foundry import ORCHESTRATOR
from tests.orchestrator.simulation import VERSION, Simulation

every_history = pytest.mark.parametrize(
    "path", sorted(HISTORIES.glob("*/*.json")), ids=lambda p: f"{p.parent.name}-{p.stem}"
)


def generations(path: Path) -> list[Any]:
    recorded: list[Any] = json.loads(path.read_text(encoding="utf-8"))
    return recorded


@every_history
def test_the_recorded_history_replays(path: Path) -> None:
    simulation = Simulation(ORCHESTRATOR, {})
    for recorded in generations(path):
        assert answer_to(simulation, recorded["context"]) == {k: recorded[k] for k in ("answer", "error")}


@every_history
def test_every_prefix_of_a_history_replays_to_the_same_actions(path: Path) -> None:
    for recorded in generations(path):
        simulation = Simulation(ORCHESTRATOR, {})
        history = recorded["context"]["history"]
        whole = recorded["answer"]["actions"][0]
        ends = [n for n, event in enumerate(history) if event["EventType"] == 13]
        for end in ends:
            answer = answer_to(simulation, {**recorded["context"], "history": history[:end]})["answer"]
            actions = answer["actions"][0]
            failed = "error" in recorded["answer"]  # then inputs are left out at the very end
            assert [strip(a, inputs=failed) for a in actions] == [
                strip(a, inputs=failed) for a in whole[: len(actions)]
            ]


def strip(action: object, *, inputs: bool) -> object:
    """An action without the mark that it was cancelled, which comes later, and without its input if need be."""
    left_out = {"isCanceled", "input"} if inputs else {"isCanceled"}
    if isinstance(action, dict):
        return {k: strip(v, inputs=inputs) for k, v in action.items() if k not in left_out}
    return [strip(a, inputs=inputs) for a in action] if isinstance(action, list) else action


def test_every_scenario_is_recorded_for_the_version_of_today() -> None:
    assert {p.stem for p in (HISTORIES / VERSION).glob("*.json")} == set(SCENARIOS)


def test_a_history_is_of_the_version_that_its_folder_names() -> None:
    for path in HISTORIES.glob("*/*.json"):
        for recorded in generations(path):
            started = next(e for e in recorded["context"]["history"] if e["EventType"] == 0)
            assert (started["Version"] or "1.0") == path.parent.name
