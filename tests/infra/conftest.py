"""The checks of infra/ need packages of their own (infra/requirements-checks.txt): see `make infra-check`."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHECKED = (
    "infra",
    "azure.yaml",
    "console",
    "host.json",
    "settings.py",
    "local.settings.example.json",
    ".checkov.yaml",
    "docs/operations.md",
    "docs/errors.md",
)

collect_ignore: list[str] = []
if importlib.util.find_spec("tree_sitter_bicep") is None:
    collect_ignore = [
        "test_bicep.py",
        "test_checkov.py",
        "test_compiler.py",
        "test_faults.py",
        "test_operations.py",
        "test_settings.py",
        "test_workflows.py",
    ]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the checks read, to seed faults into."""
    for name in CHECKED:
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("checks", "__pycache__"))
        else:
            shutil.copyfile(source, target)
    return tmp_path
