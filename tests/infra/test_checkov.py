"""checkov runs, reads every template, fails on faults, and skips only what would fail."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from infra.checks.checkov import Report, scan
from tests.infra.conftest import ROOT

FAULTS = {
    "CKV_AZURE_70": ("modules/function-app.bicep", "httpsOnly: true", "httpsOnly: false"),
    "CKV_AZURE_145": ("modules/function-app.bicep", "minTlsVersion: '1.2'", "minTlsVersion: '1.0'"),
    "CKV_AZURE_44": ("modules/storage.bicep", "'TLS1_2'", "'TLS1_0'"),
    "CKV_AZURE_34": ("modules/storage.bicep", "publicAccess: 'None'", "publicAccess: 'Blob'"),
    "checkov-unreadable": ("modules/network.bicep", "param location string", "param location string?"),
}


@pytest.fixture(scope="module")
def clean() -> Report:
    return scan(ROOT / "infra", ROOT / ".checkov.yaml")


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """One scan of a copy with all faults, and without the skips of .checkov.yaml."""
    folder = tmp_path_factory.mktemp("checkov") / "infra"
    shutil.copytree(ROOT / "infra", folder, ignore=shutil.ignore_patterns("checks", "__pycache__"))
    for file, old, new in FAULTS.values():
        path = folder / file
        text = path.read_text()
        assert old in text, f"the fault no longer fits {file}"
        path.write_text(text.replace(old, new, 1))
    config = folder.parent / "checkov.yaml"
    config.write_text("framework:\n  - bicep\nskip-download: true\n")
    return scan(folder, config)


def test_the_templates_pass(clean: Report) -> None:
    assert [str(finding) for finding in clean.findings] == []
    assert clean.passed > 25


@pytest.mark.parametrize("check", FAULTS)
def test_a_seeded_fault_is_found(check: str, faulty: Report) -> None:
    assert check in {finding.check for finding in faulty.findings}


def test_nothing_is_skipped_that_would_pass(faulty: Report) -> None:
    skipped = re.findall(r"- (CKV\w+)", (ROOT / ".checkov.yaml").read_text())
    assert sorted(set(skipped) - {finding.check for finding in faulty.findings}) == []


def test_no_report_is_a_finding(tmp_path: Path) -> None:
    assert scan(tmp_path, tmp_path / "missing.yaml").findings
