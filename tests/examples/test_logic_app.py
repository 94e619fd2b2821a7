"""The Logic App definition: its shape by Microsoft's schema reference, and an execution in front of the real app."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.world import World, one_message_one_run
from tests.examples.conftest import EXAMPLES
from tests.examples.logic_app import Workflow

TEXT = (EXAMPLES / "logic-app.json").read_text("utf-8")
DEFINITION: dict[str, Any] = json.loads(TEXT)
LONGEST_REQUEST_SECONDS = 120
"""Of an Http action in a consumption workflow."""


def scopes(actions: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The actions that run beside each other: those of the workflow, of each loop and of each branch."""
    yield actions
    for action in actions.values():
        for inner in (action.get("actions"), action.get("else", {}).get("actions")):
            if inner is not None:
                yield from scopes(inner)


ACTIONS = {name: action for scope in scopes(DEFINITION["actions"]) for name, action in scope.items()}


# --- its shape --------------------------------------------------------------------------------------------------------


def test_it_has_the_parts_of_a_definition() -> None:
    assert set(DEFINITION) == {"$schema", "contentVersion", "parameters", "triggers", "actions", "outputs"}
    assert DEFINITION["$schema"].endswith("/schemas/2016-06-01/workflowdefinition.json#")
    assert {name: each["type"] for name, each in DEFINITION["parameters"].items()} == {
        "appUrl": "String",
        "appKey": "SecureString",
    }
    known = {"type", "kind", "description", "inputs", "runAfter", "operationOptions", "runtimeConfiguration"}
    own = {"Until": {"expression", "limit", "actions"}, "If": {"expression", "actions", "else"}}
    for action in ACTIONS.values():
        assert set(action) <= known | own.get(action["type"], set())
        assert {"type", "runAfter"} <= set(action)
        assert re.fullmatch(r"Http|Until|If|Wait|Response|Terminate", action["type"])


def test_an_action_runs_after_those_beside_it() -> None:
    for scope in scopes(DEFINITION["actions"]):
        for action in scope.values():
            assert set(action["runAfter"]) <= set(scope)
            assert all(states[0] == "Succeeded" for states in action["runAfter"].values())
    assert ACTIONS["Outcome"]["runAfter"] == {"Until_ended": ["Succeeded", "TimedOut"]}  # it says why, then, too


def test_expressions_name_what_exists() -> None:
    assert set(re.findall(r"(?:body|outputs)\('(\w+)'\)", TEXT)) <= set(ACTIONS)
    assert set(re.findall(r"parameters\('(\w+)'\)", TEXT)) == set(DEFINITION["parameters"])
    fields = set(DEFINITION["triggers"]["question"]["inputs"]["schema"]["properties"])
    assert set(re.findall(r"triggerBody\(\)\?\['(\w+)'\]", TEXT)) == fields


def test_nothing_goes_on_for_ever() -> None:
    until = ACTIONS["Until_ended"]
    assert until["limit"] == {"count": 60, "timeout": "PT1H"}
    held = re.fullmatch(r"wait=(\d+)", ACTIONS["Look"]["inputs"]["headers"]["Prefer"])
    assert held is not None
    assert int(held[1]) < LONGEST_REQUEST_SECONDS
    assert until["limit"]["count"] * int(held[1]) >= 3600  # its time ends it, not its count
    for action in ACTIONS.values():
        if action["type"] == "Http":
            assert action["operationOptions"] == "DisableAsyncPattern"  # or else the platform polls by itself
            policy = action["inputs"]["retryPolicy"]
            assert policy["type"] == "exponential"
            assert 1 <= policy["count"] <= 90


def test_no_key_stands_in_the_history_of_executions() -> None:
    for name, action in ACTIONS.items():
        if "parameters('appKey')" in json.dumps(action.get("inputs", {})):
            assert "inputs" in action["runtimeConfiguration"]["secureData"]["properties"], name
    assert "outputs" in ACTIONS["Start"]["runtimeConfiguration"]["secureData"]["properties"]


def test_a_response_is_in_no_loop() -> None:
    assert "Response" not in {
        each["type"] for scope in scopes(ACTIONS["Until_ended"]["actions"]) for each in scope.values()
    }


# --- an execution -----------------------------------------------------------------------------------------------------


def execution(environment: dict[str, str], agent: str) -> Workflow:
    parameters = {"appUrl": environment["AGENT_RUNS_URL"], "appKey": environment["AGENT_RUNS_KEY"]}
    return Workflow(DEFINITION, parameters, {"agent": agent, "message": "Why is the sky blue?"})


@pytest.mark.e2e
def test_an_execution_answers_its_caller(world: World, environment: dict[str, str]) -> None:
    workflow = execution(environment, "history")
    assert workflow.run() == "Succeeded"
    assert workflow.answer is not None
    assert workflow.answer["statusCode"] == 200
    assert workflow.answer["body"]["response"].startswith("Sunlight")
    one_message_one_run(world, workflow.answer["body"])


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("agent", "ended"),
    [
        ("fails", r"Failed: server_error: .*went wrong.*"),
        ("cancelledOutside", r"Failed: cancelled: .*"),
        ("tool", r"Failed: Running: Run \S+ has not ended: it waits for an answer, or takes longer\."),
    ],
)
def test_an_execution_fails_with_what_the_run_says(agent: str, ended: str, environment: dict[str, str]) -> None:
    workflow = execution(environment, agent)
    assert re.fullmatch(ended, workflow.run())
    assert workflow.answer is None


@pytest.mark.e2e
def test_an_execution_whose_start_is_refused_fails_there(environment: dict[str, str]) -> None:
    workflow = execution({**environment, "AGENT_RUNS_KEY": "wrong"}, "history")
    assert workflow.run() == "Failed"
    assert workflow.states == {"Start": "Failed", "Until_ended": "Skipped", "Outcome": "Skipped"}


@pytest.mark.parametrize(
    ("status", "question", "is_over"),
    [(202, None, False), (202, {"event": "tool_outputs_1"}, True), (200, None, True), (404, None, True)],
)
def test_it_looks_until_the_run_has_ended_or_asks(status: int, question: Any, is_over: bool) -> None:
    workflow = Workflow(DEFINITION, {}, None)
    workflow._outputs["Look"] = {"statusCode": status, "body": {"required_action": question}}
    assert workflow.value(ACTIONS["Until_ended"]["expression"]) is is_over


def test_it_rests_as_long_as_the_app_wishes() -> None:
    workflow = Workflow(DEFINITION, {}, None)
    count = ACTIONS["Rest"]["inputs"]["interval"]["count"]
    for headers, seconds in (({"Retry-After": "5"}, 5), ({}, 2)):
        workflow._outputs["Look"] = {"statusCode": 202, "headers": headers}
        assert workflow.value(count) == seconds
