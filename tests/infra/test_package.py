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
    ours = {"infra", "tests", "local", "client", "examples", "docs", "benchmarks", "README.md", "local.settings.json"}
    assert not folders & (ours | {".venv", ".git"})
    assert not any("__pycache__" in file.parts for file in deployed)
    of_pages = {".html", ".mjs", ".css"}
    assert [f for f in deployed if f.suffix in of_pages and f.parts[0] not in ("console", "http_api")] == []
    assert [f for f in deployed if f.suffix not in {".py", ".json", ".txt"} | of_pages] == []


def test_the_requirements_are_the_lock(tmp_path: Path) -> None:
    package.stage(ROOT, tmp_path / "out", "azureStorage")
    assert (tmp_path / "out" / "requirements.txt").read_bytes() == (ROOT / package.LOCK).read_bytes()


@pytest.fixture
def checkout_of_git(tmp_path: Path) -> Path:
    """A small app under git, with what a developer leaves lying about."""
    root = tmp_path / "app"
    files = {
        ".funcignore": ".*\ninfra/\ntests/\n*.md\n",
        "function_app.py": "app = 1\n",
        "host.json": "{}",
        "requirements.txt": "msgspec\n",
        "infra/requirements.lock": "msgspec==1\n",
        "tests/test_app.py": "",
        "README.md": "",
    }
    litter = ["venv/bin/python", "node_modules/x/index.js", "secret.pem", "notes.txt", "function_app.orig"]
    for name in (*files, *litter):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(files.get(name, "x"))
    git(root, "init", "--quiet")
    git(root, "add", *files)
    return root


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)


APP = {"function_app.py", "host.json", "requirements.txt"}


def test_what_git_does_not_track_is_left_out(checkout_of_git: Path, tmp_path: Path) -> None:
    files = package.stage(checkout_of_git, tmp_path / "out", "azureStorage")
    assert {file.as_posix() for file in files} == APP
    assert {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file()} == APP


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("secret.pem", "x"),
        ("keys/prod.key", "x"),
        ("prod.env", "x"),
        ("local.settings.json", "{}"),
        ("config.py", "KEY = '''-----BEGIN RSA PRIVATE KEY-----'''"),
        ("config.py", "CONNECTION = 'AccountName=a;AccountKey=" + "A" * 86 + "=='"),
        ("config.py", "URL = 'https://a.example/?sv=1&sig=" + "A" * 43 + "%3D'"),
        ("config.py", "TOKEN = '" + ".".join(["eyJ" + "a" * 40] * 2 + ["b" * 40]) + "'"),
    ],
)
def test_what_looks_like_a_secret_is_refused_by_name(
    name: str, text: str, checkout_of_git: Path, tmp_path: Path
) -> None:
    (checkout_of_git / name).parent.mkdir(exist_ok=True)
    (checkout_of_git / name).write_text(text)
    git(checkout_of_git, "add", "--force", name)
    with pytest.raises(package.NotPackagedError, match=f"secret.*{name}"):
        package.stage(checkout_of_git, tmp_path / "out", "azureStorage")
    assert not (tmp_path / "out").exists()


def test_a_tracked_file_that_is_gone_is_named(checkout_of_git: Path, tmp_path: Path) -> None:
    (checkout_of_git / "function_app.py").unlink()
    with pytest.raises(package.NotPackagedError, match=r"not there: function_app\.py"):
        package.stage(checkout_of_git, tmp_path / "out", "azureStorage")


def test_without_git_nothing_is_packaged(tmp_path: Path) -> None:
    (tmp_path / "function_app.py").write_text("")
    with pytest.raises(package.NotPackagedError, match="only what it tracks"):
        package.stage(tmp_path, tmp_path / "out", "azureStorage")


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
    with pytest.raises(package.NotPackagedError, match="not replaced"):
        package.stage(ROOT, tmp_path, "azureStorage")
    assert (tmp_path / "precious.txt").exists()


def test_it_is_a_program(tmp_path: Path) -> None:
    script = str(ROOT / "infra" / "package.py")
    done = subprocess.run([sys.executable, script, "--output", str(tmp_path / "out")], capture_output=True, check=True)
    assert b"files for azureStorage" in done.stdout
