"""What make and CI do where no Python for Microsoft's runtime is found: make goes on and says so, CI fails."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = [
    path.relative_to(ROOT)
    for folder in (".", "benchmarks", "infra", "tests/worker")
    for path in (ROOT / folder).glob("requirements*.txt")
]
NOTHING_FOUND = "case $* in *interpreters.py*) exit 1;; esac"

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


def _executable(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What make looks at, with environments whose python finds no interpreter and passes every test."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in REQUIREMENTS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".azurite").mkdir()
    (tmp_path / ".azurite" / ".ready").touch()
    for environment in (".venv", ".venv-infra"):
        _executable(tmp_path / environment / "bin" / "python", f'{NOTHING_FOUND}\necho "ran $*"')
        for ready in (".ready", ".ready-benchmarks"):
            (tmp_path / environment / ready).touch()
    return tmp_path


def _run(*command: str, cwd: Path, path: str | None = None) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k not in ("VENV", "WORKER_PYTHON")}
    environment = {**kept, "PATH": path or os.environ["PATH"]}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_make_test_says_what_it_leaves_out_and_goes_on(checkout: Path) -> None:
    made = _run("make", "test", cwd=checkout)
    assert made.returncode == 0, made.stderr
    assert [line.split(":")[0] for line in made.stdout.splitlines()] == [
        "ran -m pytest -n 4 --dist worksteal",
        "ran -m pytest tests/infra --confcutdir=tests/infra -n 4 --dist worksteal",
        "SKIPPED",
    ]


def test_make_test_holds_the_app_to_the_runtime_where_there_is_a_python_for_it(checkout: Path) -> None:
    _executable(checkout / "newest", 'mkdir -p .venv-worker/bin; cp .venv/bin/python .venv-worker/bin; echo "made $*"')
    made = _run("make", "test", f"WORKER_PYTHON={checkout}/newest", cwd=checkout)
    assert made.returncode == 0, made.stderr
    assert "made -m venv --clear .venv-worker" in made.stdout
    assert made.stdout.splitlines()[-1] == "ran -m pytest tests/worker -n 2 --dist worksteal"
    again = _run("make", "worker", f"WORKER_PYTHON={checkout}/newest", cwd=checkout)
    assert again.stdout.splitlines() == ["ran -m pytest tests/worker -n 2 --dist worksteal"]


def test_make_worker_fails_without_one(checkout: Path) -> None:
    made = _run("make", "worker", cwd=checkout)
    assert made.returncode != 0
    assert "No Python 3.13 or later was found" in made.stdout


def test_another_interpreter_has_environments_of_its_own(checkout: Path) -> None:
    _executable(checkout / "other", 'mkdir -p "$3/bin"; cp .venv/bin/python "$3/bin"; echo "made $3"')
    made = _run("make", "test", f"PYTHON={checkout}/other", "VENV=.venv-3.13", cwd=checkout)
    assert made.returncode == 0, made.stderr
    assert {".venv-3.13", ".venv-3.13-infra", ".venv"} < {p.name for p in checkout.iterdir()}


@pytest.mark.parametrize("user", [0, 1000])
def test_ci_fails_where_none_is_found_and_none_can_be_installed(user: int, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    _executable(folder / "python3", "exit 1")
    _executable(folder / "id", f"echo {user}")
    _executable(folder / "apt-get", f'echo "apt-get $*" >> {tmp_path}/asked; exit 100')
    _executable(folder / "make", f"touch {tmp_path}/made")
    ran = _run("bash", str(ROOT / ".ci" / "run"), cwd=ROOT, path=f"{folder}:/usr/bin:/bin")
    assert ran.returncode == 1
    assert "FAILED: no Python 3.13 or 3.14" in ran.stderr
    assert not (tmp_path / "made").exists()
    asked = (tmp_path / "asked").read_text().splitlines() if user == 0 else []
    assert [line.split()[1] for line in asked] == (["update", "install"] if user == 0 else [])
