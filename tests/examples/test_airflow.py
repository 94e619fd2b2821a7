"""The Airflow task, with a stand-in for Airflow (which is too large to install here) and the real app."""

from __future__ import annotations

import ast
import importlib
import runpy
import sys
import types
from typing import Any

import pytest

from tests.e2e.world import World, one_message_one_run
from tests.examples.conftest import EXAMPLES

DAG = EXAMPLES / "airflow_dag.py"


class AirflowException(Exception):  # noqa: N818 - Airflow's name
    pass


class AirflowFailException(AirflowException):
    pass


class Instance:
    dag_id, task_id, run_id, map_index = "ask_an_agent", "run_agent", "manual__2026-11-26T00:00:00+00:00", -1

    def __init__(self, run_id: str, try_number: int = 1) -> None:
        self.run_id = run_id
        self.try_number = try_number


@pytest.fixture
def task(world: World, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """The task's function: called with its instance and arguments."""
    state: dict[str, Any] = {}
    defined: dict[str, Any] = {}

    def decorator(**options: Any) -> Any:
        def decorate(function: Any) -> Any:
            defined[function.__name__] = (function, options)
            return lambda *_arguments: None  # within a DAG a call makes a node and runs nothing

        return decorate

    class BaseHook:
        @staticmethod
        def get_connection(name: str) -> Any:
            assert name == "agent_runs"
            return types.SimpleNamespace(host=environment["AGENT_RUNS_URL"], password=environment["AGENT_RUNS_KEY"])

    sdk = types.ModuleType("airflow.sdk")
    sdk.__dict__.update(
        BaseHook=BaseHook, dag=decorator, task=decorator, get_current_context=lambda: {"ti": state["instance"]}
    )
    exceptions = types.ModuleType("airflow.exceptions")
    exceptions.__dict__.update(AirflowException=AirflowException, AirflowFailException=AirflowFailException)
    modules = {"airflow": types.ModuleType("airflow"), "airflow.sdk": sdk, "airflow.exceptions": exceptions}
    for name, module in {**modules, "agent_runs": importlib.import_module("client")}.items():
        monkeypatch.setitem(sys.modules, name, module)
    runpy.run_path(str(DAG))
    function, options = defined["run_agent"]
    assert options == {"retries": 2}

    def call(instance: Instance, *arguments: Any) -> Any:
        state["instance"] = instance
        return function(*arguments)

    return call


@pytest.mark.e2e
def test_a_task_returns_the_answer_and_every_try_of_it_the_same(task, world):
    first = task(Instance("one"), "history", "Why is the sky blue?")
    assert first["response"].startswith("Sunlight")
    assert task(Instance("one", try_number=2), "history", "Why is the sky blue?") == first
    one_message_one_run(world, first)
    assert task(Instance("two"), "history", "Why is the sky blue?") != first


@pytest.mark.e2e
def test_what_failed_is_started_again_by_the_next_try(task):
    with pytest.raises(AirflowException, match="server_error") as failed:
        task(Instance("three"), "fails", "hi")
    assert not isinstance(failed.value, AirflowFailException)
    with pytest.raises(AirflowException, match="server_error") as again:
        task(Instance("three", try_number=2), "fails", "hi")
    assert str(again.value) != str(failed.value)  # another run


@pytest.mark.e2e
def test_a_question_is_no_reason_to_try_again(task):
    with pytest.raises(AirflowFailException, match="waits for an answer"):
        task(Instance("four"), "tool", "hi")


def test_what_it_takes_of_airflow_is_what_the_stand_in_has():
    taken = {
        f"{node.module}.{name.name}"
        for node in ast.walk(ast.parse(DAG.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module.startswith("airflow")
        for name in node.names
    }
    assert taken == {
        "airflow.exceptions.AirflowException",
        "airflow.exceptions.AirflowFailException",
        "airflow.sdk.BaseHook",
        "airflow.sdk.dag",
        "airflow.sdk.get_current_context",
        "airflow.sdk.task",
    }
