"""A small storm, and the proof that the checks of its ledger can fail."""

from __future__ import annotations

import copy

import pytest

from tests.e2e.world import World
from tests.faults.caller import Caller
from tests.faults.chaos import storm
from tests.faults.checks import Started, all_findings

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("seed", [3, 4])
def test_a_small_storm(seed: int) -> None:
    assert storm(seed, runs=24, kills=2) == []


def test_each_check_of_the_ledger_fails_where_it_should() -> None:
    with World() as world:
        caller = Caller(world)
        document = caller.end(caller.start("history", "a-good-run"))
        good = world.emulator.ledger().threads
    start = Started(document["instanceId"], "history", "a-good-run", document)
    assert all_findings(good, [start]) == []
    thread_id = document["thread_id"]

    doubled = copy.deepcopy(good)
    doubled[thread_id]["messages"].append(next(m for m in doubled[thread_id]["messages"] if m["role"] == "user"))
    assert any("2 times the user message" in f for f in all_findings(doubled, [start]))
    twice = copy.deepcopy(good)
    twice[thread_id]["runs"].append(twice[thread_id]["runs"][0])
    assert any("2 times the run" in f for f in all_findings(twice, [start]))
    active = copy.deepcopy(good)
    active[thread_id]["runs"][0]["status"] = "in_progress"
    assert any("is left 'in_progress'" in f for f in all_findings(active, [start]))
    assert any("nobody started" in f for f in all_findings(good, []))
    lost = Started(start.instance_id, "history", "a-good-run", {**document, "status": "Running"})
    assert any("has no end" in f for f in all_findings(good, [lost]))
    other = Started(start.instance_id, "history", "another message", document)
    assert any("somebody else's answer" in f for f in all_findings(good, [other]))
    ignored = {**document, "status": "Failed", "runtimeStatus": "Failed", "run_status": "in_progress"}
    cancelled = Started(start.instance_id, "history", "a-good-run", ignored, cancel_accepted=True)
    assert any("the cancel was answered 202" in f for f in all_findings(good, [cancelled]))
