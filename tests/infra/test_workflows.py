"""The workflows run what a developer runs here, on every supported Python; `make workflows-check` reads them."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = {path.name: yaml.safe_load(path.read_text()) for path in (ROOT / ".github" / "workflows").glob("*.yml")}
TARGETS = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_what_the_workflows_make_exists() -> None:
    made = re.findall(
        r"\bmake ([a-z][a-z0-9-]*)", "\n".join(s.get("run", "") for w in WORKFLOWS.values() for s in steps(w))
    )
    assert {"lint", "test", "test-lowest", "infra-check", "lock-check", "workflows-check", "e2e-func"} <= set(made)
    assert set(made) - TARGETS == set()


def test_ci_runs_on_every_supported_python() -> None:
    supported = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    first, after = (int(minor) for minor in re.fullmatch(r">=3\.(\d+),<3\.(\d+)", supported).groups())  # type: ignore[union-attr]
    pythons = WORKFLOWS["ci.yml"]["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert pythons == [f"3.{minor}" for minor in range(first, after)]


@pytest.mark.parametrize("name", sorted(WORKFLOWS))
def test_a_workflow_may_read_and_no_more(name: str) -> None:
    allowed = {"contents": "read"} | ({"id-token": "write"} if name == "deploy.yml" else {})
    assert WORKFLOWS[name]["permissions"] == allowed


def test_deploying_takes_no_stored_secret() -> None:
    assert "secrets." not in (ROOT / ".github" / "workflows" / "deploy.yml").read_text()


def test_the_container_of_developers_has_the_tools() -> None:
    text = (ROOT / ".devcontainer" / "devcontainer.json").read_text()
    container = json.loads(text)
    assert "azure-functions-core-tools" in container["postCreateCommand"]
    assert set(re.findall(r"make ([a-z ]+)", container["postCreateCommand"])[0].split()) <= TARGETS
    assert {"azd", "azure-cli", "node"} <= {
        feature.rpartition("/")[2].partition(":")[0] for feature in container["features"]
    }
