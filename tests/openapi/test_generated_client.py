"""A client that openapi-python-client generates from the description has every operation, and runs an agent."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import openapi_python_client
import pytest
from openapi_python_client.config import Config, ConfigFile, MetaType

from http_api.openapi_3_0 import as_3_0
from http_api.operations import OPERATIONS
from tests.e2e.world import World, agent
from tests.openapi.test_document import CONFIGURATIONS, document

EVERY_OPERATION = {operation.name for operation in OPERATIONS}
STARTS = {operation.name for operation in OPERATIONS if operation.is_start}
NO_TEXT = "Unsupported content type text/plain"
"""The one thing that the generator cannot do: a client says everything in JSON."""


def generate(described: dict[str, Any], package: Path) -> list[str | None]:
    """Generate a package; return what the generator warns of."""
    source = package.with_suffix(".json")
    source.write_text(json.dumps(described), encoding="utf-8")
    file = ConfigFile(post_hooks=[])  # what is only run needs no formatter
    config = Config.from_sources(file, MetaType.NONE, source, "utf-8", overwrite=False, output_path=package)
    return [warning.detail for warning in openapi_python_client.generate(config=config)]


def operations_of(package: Path) -> set[str]:
    return {module.stem for module in package.glob("api/*/*.py")} - {"__init__"}


@pytest.mark.parametrize("version", ["3.1", "3.0"])
@pytest.mark.parametrize("given", CONFIGURATIONS)
def test_no_operation_is_dropped(given: str, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / f"client_{given}_{version.replace('.', '_')}"
    described = document(given=CONFIGURATIONS[given])
    warnings = generate(as_3_0(described) if version == "3.0" else described, package)
    assert warnings == [NO_TEXT] * len(STARTS)
    assert operations_of(package) == EVERY_OPERATION
    monkeypatch.syspath_prepend(tmp_path)
    for module in package.rglob("*.py"):
        importlib.import_module(".".join(module.relative_to(tmp_path).with_suffix("").parts))


@pytest.mark.parametrize("field", ["run_options", "metadata"])
def test_a_default_that_is_an_object_would_lose_the_starts(field: str, tmp_path: Path) -> None:
    described = document()
    for name in ("StartRequest", "StartRequestOfAgent"):
        described["components"]["schemas"][name]["properties"][field]["default"] = {}
    generate(described, tmp_path / "client")
    assert operations_of(tmp_path / "client") == EVERY_OPERATION - STARTS


@pytest.mark.e2e
def test_the_client_runs_an_agent(
    world: World, key: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = world.host.request("GET", "/api/openapi.json", headers=key)
    generate(answer.json, tmp_path / "runs_an_agent")
    monkeypatch.syspath_prepend(tmp_path)
    generated = importlib.import_module("runs_an_agent")
    models = importlib.import_module("runs_an_agent.models")
    runs = {name: importlib.import_module(f"runs_an_agent.api.runs.{name}") for name in (*STARTS, "agent_run_status")}
    rich = models.StartRequestAgentId(agent("rich"))  # an enumeration, since the settings allow some agents only
    [header] = key
    with generated.AuthenticatedClient(
        answer.json["servers"][0]["url"], key[header], prefix="", auth_header_name=header, timeout=60
    ) as client:

        def start(body: Any, **given: Any) -> Any:
            return runs["run_agent"].sync(client=client, body=body, **given)

        options = models.RunOptions(temperature=0.5)
        request = models.StartRequest(user_message="hi", agent_id=rich, run_options=options)
        started = start(request, idempotency_key_header="once")
        assert isinstance(started, models.StartedRun)
        ended = start(request, idempotency_key_header="once", prefer="wait=60")
        assert isinstance(ended, models.StatusDocument)
        assert (ended.instance_id, ended.status) == (started.id, models.StatusDocumentStatus.SUCCESS)
        assert isinstance(ended.output, models.Outcome)
        assert ended.response == ended.output.response != ""
        assert runs["agent_run_status"].sync(started.id, client=client) == ended

        body = models.StartRequestOfAgent(user_message="hi", thread_id=ended.thread_id)
        again = runs["start_agent_run"].sync(agent("instant"), client=client, body=body, prefer="wait=60")
        assert (again.status, again.thread_id) == (models.StatusDocumentStatus.SUCCESS, ended.thread_id)

        refused = start(models.StartRequest(user_message=" ", agent_id=rich))
        assert isinstance(refused, models.Error)
        assert [(d.code, d.target) for d in refused.error.details] == [("blank", "user_message")]
