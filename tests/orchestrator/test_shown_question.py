"""What an orchestration shows of a question, and where it says that all of it is."""

from __future__ import annotations

import pytest

from tests.orchestrator.scripted_foundry import ScriptedFoundry
from tests.orchestrator.test_agent_run import asks

MANY = [f"call_{n:028d}" for n in range(128)]
STARTED = {
    "instance_id": "first", "operation_id": "op", "policy": {"agent_id": "asst_1", "timeout_seconds": 60},
    "options": {}, "metadata": {}, "started": "2026-11-21T10:00:00Z", "deadline": "2026-11-21T10:01:00Z",
    "message": {"text": "hi"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "instance_id"),
    [(ScriptedFoundry.given(timeout=20), "first"), ({"progress": STARTED}, "first"), ({"progress": STARTED}, "copy")],
    ids=["start", "next-generation", "restarted-copy"],
)
def test_the_instance_that_is_asked_is_named(given: dict, instance_id: str) -> None:
    foundry = ScriptedFoundry({0: asks(*MANY)})
    ended = foundry.simulate(instance_id=instance_id).run(given)
    shown = [s["required_action"] for s in ended.custom_statuses if s["required_action"]]
    assert {(action["truncated"], action["see"]) for action in shown} == {(True, f"GET /api/runs/{instance_id}")}
