"""What `pip install .` installs: the client as `agent_runs`, the command, and nothing of the app."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.contract.project import ROOT
from version import VERSION

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: a build leaves its own folders behind."""
    folder = tmp_path_factory.mktemp("distribution")
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "client", folder / "client", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "contracts").mkdir()
    (folder / "contracts" / "__init__.py").write_text("")
    pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder / "out"), str(folder))
    [made] = (folder / "out").glob("*.whl")
    return made


def test_it_holds_the_client_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    ours = {f.relative_to(ROOT / "client").as_posix() for f in (ROOT / "client").rglob("*.py")} | {"py.typed"}
    assert names == {f"agent_runs/{name}" for name in ours}


def test_it_has_the_apps_version() -> None:
    assert PROJECT["version"] == VERSION


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    pip("install", "--no-deps", "--no-index", "--no-compile", "--target", str(folder), str(wheel))
    return folder


def run(installed: Path, *command: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "SYSTEMROOT", "HOME", "LANG")}
    return subprocess.run(
        command, cwd=installed, env={**kept, "PYTHONPATH": str(installed)}, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip


def test_it_is_a_command(installed: Path) -> None:
    done = run(installed, sys.executable, str(installed / "bin" / "agent-runs"), "show", "..")
    assert done.returncode == 2
    assert done.stderr.startswith("agent-runs: a run's id has")


def test_it_is_a_module_of_that_name_which_needs_requests_and_nothing_of_ours(installed: Path) -> None:
    program = (
        "import sys; before = set(sys.modules); import agent_runs, agent_runs.command\n"
        "print(agent_runs.AgentRuns.__module__)\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new & {'rich', 'msgspec', 'azure', 'contracts', 'client', 'settings', 'local'}))"
    )
    done = run(installed, sys.executable, "-c", program)
    assert done.stdout == "agent_runs.runs\n[]\n", done.stderr


def test_its_requirements_are_those_of_the_app() -> None:
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    ours = {line.split("#")[0].strip() for line in lines}
    assert set(PROJECT["dependencies"]) <= ours
    [rich] = PROJECT["optional-dependencies"]["terminal"]
    assert rich in (ROOT / "requirements-dev.txt").read_text("utf-8")
