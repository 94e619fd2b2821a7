"""Which interpreter make and CI take: needs no runtime, so it runs with all other tests too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.worker import interpreters
from tests.worker.interpreters import candidates, newest, runs_as, supported, version

HERE = Path(interpreters.__file__)
OLDEST, BEYOND = (3, 11), (3, 15)


def _executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_the_newest_within_the_bounds_is_taken_and_of_two_the_first() -> None:
    found = {Path("a"): (3, 12), Path("b"): (3, 14), Path("c"): (3, 14), Path("d"): (3, 15), Path("e"): None}
    assert newest(found, OLDEST, BEYOND) == Path("b")
    assert newest(found, (3, 13), (3, 14)) is None
    assert newest({}, OLDEST, BEYOND) is None


def test_versions_are_numbers() -> None:
    assert version("3.9") < version("3.13")


def test_the_bounds_are_the_projects() -> None:
    oldest, beyond = supported(interpreters.PYPROJECT.read_text("utf-8"))
    assert oldest <= sys.version_info[:2] < beyond


def test_it_looks_on_the_path_and_at_what_pyenv_has_installed(tmp_path: Path) -> None:
    on_path = [_executable(tmp_path / "bin" / name, "") for name in ("python3.14", "python3.13", "python3")]
    for name in ("python3.10", "python3.15", "python", "python3.13-config"):
        _executable(tmp_path / "bin" / name, "")
    installed = _executable(tmp_path / "pyenv" / "versions" / "3.13.0" / "bin" / "python3", "")
    environment = {"PATH": str(tmp_path / "bin"), "PYENV_ROOT": str(tmp_path / "pyenv")}
    found = [p for p in candidates(environment, OLDEST, BEYOND) if tmp_path in p.parents]
    assert found == [*on_path, installed]


def test_pyenv_is_asked_where_it_has_its_versions(tmp_path: Path) -> None:
    _executable(tmp_path / "bin" / "pyenv", f"echo {tmp_path}/elsewhere")
    installed = _executable(tmp_path / "elsewhere" / "versions" / "3.13.0" / "bin" / "python3", "")
    assert installed in candidates({"PATH": str(tmp_path / "bin")}, OLDEST, BEYOND)


def test_a_shim_that_refuses_to_run_is_no_interpreter(tmp_path: Path) -> None:
    assert runs_as(Path(sys.executable)) == sys.version_info[:2]
    assert runs_as(_executable(tmp_path / "refuses", "echo 'command not found' >&2; exit 127")) is None
    assert runs_as(_executable(tmp_path / "talks", "echo 3 13 hello world")) is None
    assert runs_as(_executable(tmp_path / "early", "echo 3 14 candidate")) is None
    assert runs_as(tmp_path / "nowhere") is None


@pytest.mark.parametrize(("at_least", "code"), [("3.11", 0), ("9.0", 1)])
def test_it_prints_a_path_or_ends_with_1(at_least: str, code: int) -> None:
    asked = subprocess.run(
        [sys.executable, str(HERE), "--at-least", at_least], capture_output=True, text=True, check=False, timeout=60
    )
    assert (asked.returncode, asked.stderr) == (code, "")
    assert bool(asked.stdout) == (code == 0)
    if code == 0:
        assert runs_as(Path(asked.stdout.strip())) is not None
