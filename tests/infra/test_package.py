"""The package holds the app and nothing else, with the host.json of the Durable provider."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra import package

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("provider", "kind"), [("azureStorage", "azureStorage"), ("durableTaskScheduler", "azureManaged")]
)
def test_the_host_file_is_that_of_the_provider(provider: str, kind: str, tmp_path: Path) -> None:
    package.stage(ROOT, tmp_path / "out", provider)
    host = json.loads((tmp_path / "out" / "host.json").read_text())
    assert host["extensions"]["durableTask"]["storageProvider"]["type"] == kind


def test_the_app_is_in_it_and_nothing_else(tmp_path: Path) -> None:
    deployed = package.stage(ROOT, tmp_path / "out", "azureStorage")
    folders = {file.parts[0] for file in deployed}
    assert {"function_app.py", "host.json", "requirements.txt", "orchestrators", "activities", "foundry"} <= folders
    unwanted = {"infra", "tests", "local", "docs", "benchmarks", "README.md", "local.settings.json", ".venv", ".git"}
    assert not folders & unwanted
    assert not any("__pycache__" in file.parts for file in deployed)


def test_the_provider_comes_from_the_environment_of_azd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DURABLE_PROVIDER", "durableTaskScheduler")
    assert package.main(["--output", str(tmp_path / "out"), "--zip", str(tmp_path / "app.zip")]) == 0
    with zipfile.ZipFile(tmp_path / "app.zip") as archive:
        assert b"azureManaged" in archive.read("host.json")
        assert "function_app.py" in archive.namelist()


def test_an_unknown_provider_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DURABLE_PROVIDER", "netherite")
    with pytest.raises(SystemExit):
        package.main(["--output", str(tmp_path / "out")])


def test_a_folder_that_is_no_package_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("x")
    with pytest.raises(SystemExit, match="not replaced"):
        package.stage(ROOT, tmp_path, "azureStorage")
    assert (tmp_path / "precious.txt").exists()


def test_it_is_a_program(tmp_path: Path) -> None:
    script = str(ROOT / "infra" / "package.py")
    done = subprocess.run([sys.executable, script, "--output", str(tmp_path / "out")], capture_output=True, check=True)
    assert b"files for azureStorage" in done.stdout
