"""The GitHub workflow: its steps, and its shell lines in front of the real app. `make workflows-check` lints it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.world import World
from tests.examples.conftest import EXAMPLES
from tests.functions_host.harness import REPOSITORY

TEXT = (EXAMPLES / "github-workflow.yml").read_text("utf-8")
WORKFLOW: dict[str, Any] = yaml.safe_load(TEXT)
STEPS = {step.get("name", step.get("uses", step.get("run"))): step for step in WORKFLOW["jobs"]["ask"]["steps"]}


def shell(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a step as the runner does."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.e2e
def test_its_steps_ask_and_show(world: World, environment: dict[str, str], tmp_path: Path) -> None:
    given = {"GITHUB_RUN_ID": "1", "GITHUB_RUN_ATTEMPT": "1", "GITHUB_JOB": "ask"}
    asked = shell(STEPS["Ask"]["run"], tmp_path, AGENT="history", MESSAGE='Why "blue"? $(id)', **given)
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout == ""
    summary = tmp_path / "summary"
    shown = shell(STEPS["Show the answer"]["run"], tmp_path, GITHUB_STEP_SUMMARY=str(summary))
    assert shown.returncode == 0
    lines = summary.read_text("utf-8").splitlines()
    assert lines[0] == '    You wrote: "Why "blue"? $(id)".'
    assert all(line.startswith("    ") for line in lines)

    again = shell(STEPS["Ask"]["run"], tmp_path, AGENT="history", MESSAGE='Why "blue"? $(id)', **given)
    started = re.compile(r"started (\S+)")
    assert started.search(again.stderr)[1] == started.search(asked.stderr)[1]  # type: ignore[index]


def test_nothing_that_people_type_becomes_shell() -> None:
    assert not [step for step in STEPS.values() if "${{" in step.get("run", "")]
    assert WORKFLOW["permissions"] == {}
    [(secret, name)] = re.findall(r"(\w+): \$\{\{ secrets\.(\w+) \}\}", TEXT)
    assert secret == name == "AGENT_RUNS_KEY"
    assert "AGENT_RUNS_KEY" in STEPS["Ask"]["env"]  # no other step has it


def test_its_actions_are_those_of_our_own_workflows() -> None:
    ours = (REPOSITORY / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    used = [step["uses"] for step in STEPS.values() if "uses" in step]
    assert len(used) == 2
    assert all(f"uses: {each} # v" in ours for each in used)


def test_make_lints_it() -> None:
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    [target] = re.findall(r"^workflows-check:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert target.count("examples/github-workflow.yml") == 2
