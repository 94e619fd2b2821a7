"""Runs checkov over templates; files that it cannot read, which it passes over without a word, are findings too."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.checks.project import Finding


@dataclass(frozen=True)
class Report:
    """What checkov said."""

    findings: list[Finding]
    passed: int
    skipped: int


def scan(folder: Path, config: Path) -> Report:
    """Return what checkov finds in a folder, and the files that it could not read."""
    command = [sys.executable, "-m", "checkov.main", "--directory", str(folder), "--config-file", str(config)]
    done = subprocess.run(  # noqa: S603 - our own arguments
        [*command, "--framework", "bicep", "--output", "json", "--compact", "--skip-download"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,  # it would read a .checkov.yaml of the current folder besides
    )
    return read_report(done.stdout, done.stderr)


def read_report(output: str, errors: str) -> Report:
    """Return the report that checkov printed; that it printed none is a finding."""
    try:
        report: dict[str, Any] = json.loads(output)
        results, summary = report["results"], report["summary"]
    except (ValueError, KeyError, TypeError):
        return Report([Finding("checkov", "infra", 1, f"gave no report: {errors[-500:]}")], 0, 0)
    found = [
        Finding(failed["check_id"], failed["file_path"].lstrip("/"), failed["file_line_range"][0], failed["check_name"])
        for failed in results["failed_checks"]
    ]
    found += [Finding("checkov-unreadable", str(f), 1, "checkov cannot read this") for f in results["parsing_errors"]]
    return Report(found, summary["passed"], summary["skipped"])
