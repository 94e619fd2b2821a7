"""checkov reads every template, fails on faults, and skips only what would fail."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from infra.checks.checkov import read_report, scan
from tests.infra.conftest import ROOT

FAULTS = {
    "CKV_AZURE_70": ("modules/function-app.bicep", "httpsOnly: true", "httpsOnly: false"),
    "CKV_AZURE_145": ("modules/function-app.bicep", "minTlsVersion: '1.2'", "minTlsVersion: '1.0'"),
    "CKV_AZURE_44": ("modules/storage.bicep", "'TLS1_2'", "'TLS1_0'"),
    "CKV_AZURE_34": ("modules/storage.bicep", "publicAccess: 'None'", "publicAccess: 'Blob'"),
    "checkov-unreadable": ("modules/network.bicep", "param location string", "param location ="),
}


def test_the_templates_pass() -> None:
    report = scan(ROOT / "infra", ROOT / ".checkov.yaml")
    assert [str(finding) for finding in report.findings] == []
    assert report.passed > 25


def test_seeded_faults_are_found_and_nothing_is_skipped_in_vain(tmp_path: Path) -> None:
    folder, config = tmp_path / "infra", tmp_path / "checkov.yaml"
    shutil.copytree(ROOT / "infra", folder, ignore=shutil.ignore_patterns("checks", "__pycache__"))
    for file, old, new in FAULTS.values():
        path = folder / file
        text = path.read_text()
        assert old in text, f"the fault no longer fits {file}"
        path.write_text(text.replace(old, new, 1))
    config.write_text("framework:\n  - bicep\nskip-download: true\n")
    found = {finding.check for finding in scan(folder, config).findings}
    skipped = set(re.findall(r"- (CKV\w+)", (ROOT / ".checkov.yaml").read_text()))
    assert FAULTS.keys() - found == set()
    assert skipped - found == set(), "passes without being skipped"


def test_no_report_is_a_finding() -> None:
    assert "gave no report: boom" in str(read_report("no JSON", "boom").findings[0])
