"""Every end passes through `endings.end`, exactly once, and it is the last thing that happens."""

from __future__ import annotations

import ast
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.project import deployed_modules
from tests.orchestrator.record_histories import SCENARIOS
from tests.orchestrator.scripted_foundry import ScriptedFoundry, down, failure, ok, said
from tests.orchestrator.simulation import Ended

MORE: dict[str, Callable[[], tuple[ScriptedFoundry, Ended]]] = {
    "invalid": lambda: _run(ScriptedFoundry(), {"thread_id": "no id"}),
    "mismatch": lambda: _run(ScriptedFoundry(get_response=[ok(said("theirs", of_another_message=True))])),
    "not terminated": lambda: _run(
        ScriptedFoundry({0: "active"}, terminate_instance=[failure("not_terminated")]), events=[(5, "cancel")]
    ),
    "answer never comes": lambda: _run(ScriptedFoundry(get_response=[down()] * 9999)),
    "cancelled without a run": lambda: _run(ScriptedFoundry(), events=[(0.01, "cancel")]),
}


def _run(foundry: ScriptedFoundry, request: Any = None, **options: Any) -> tuple[ScriptedFoundry, Ended]:
    return foundry, foundry.run(request, **options)


@pytest.mark.parametrize("name", [*SCENARIOS, *MORE])
def test_every_instance_says_once_how_it_ended(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "agent_run.orchestrator")
    _, ended = {**SCENARIOS, **MORE}[name]()
    assert ended.status in {"Completed", "Failed", "Terminated"}
    # The simulation replays every episode once more, never with `is_replaying`: each line comes twice.
    lines = [m.split(" ", 1)[1] for m in caplog.messages if m.startswith("agent_run.ended ")]
    assert len(set(lines)) == 1
    fields = json.loads(lines[0])
    said = {"Completed": "Success", "Failed": "Failed", "Terminated": "Cancelled"}[ended.status]
    if name == "not terminated":  # the termination is asked for last of all, and may not be taken
        assert (fields["status"], ended.status) == ("Cancelled", "Failed")
    else:
        assert fields["status"] == said
    assert ended.custom_status["status"] == said


def test_only_the_steps_touch_the_durable_context() -> None:
    for module, path in deployed_modules().items():
        if not module.startswith("orchestrators.") or module == "orchestrators.steps":
            continue
        touched = [
            ast.unparse(node)
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Attribute) and ast.unparse(node.value).split(".")[-1] in {"context", "_context"}
        ]
        assert touched == [], module


def test_instances_end_in_one_place_only() -> None:
    """Nothing but `endings` raises the error that fails an instance, or has it terminated."""
    for module, path in deployed_modules().items():
        if module.startswith("orchestrators.") and module != "orchestrators.endings":
            names = {n.id for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Name)}
            assert not names & {"AgentRunFailedError", "terminate_instance"}, module
