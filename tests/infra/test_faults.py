"""Every check finds the fault that it is there for, and finds nothing in the templates as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.checks.project import CHECKS
from infra.checks.suite import findings
from tests.infra.conftest import ROOT
from tests.infra.faults import FAULTS

README_TABLE = """# App

## Settings

| Name | Default | Meaning |
|---|---|---|
"""


def test_the_templates_have_no_fault() -> None:
    assert [str(finding) for finding in findings(ROOT)] == []


def test_an_untouched_copy_has_no_fault(checkout: Path) -> None:
    assert [str(finding) for finding in findings(checkout)] == []


@pytest.mark.parametrize(
    ("check", "file", "old", "new"), FAULTS, ids=[f"{i:03}-{fault[0]}" for i, fault in enumerate(FAULTS)]
)
def test_a_seeded_fault_is_found(check: str, file: str, old: str, new: str, checkout: Path) -> None:
    path = checkout / file
    text = path.read_text()
    assert old in text, f"the fault no longer fits {file}"
    path.write_text(text.replace(old, new, 1))
    assert check in {finding.check for finding in findings(checkout)}


@pytest.mark.parametrize("fault", ["missing row", "unknown row", "wrong default"])
def test_a_fault_in_the_readme_is_found(fault: str, checkout: Path) -> None:
    from infra.checks.consistency import default_settings
    from infra.checks.project import Project

    defaults = default_settings(Project(checkout))
    rows = [f"| `{name}` | {f'`{value}`' if value else 'none'} | x |" for name, value in defaults.items()]
    (checkout / "README.md").write_text(README_TABLE + "\n".join(rows))
    assert "readme-settings" not in {finding.check for finding in findings(checkout)}
    match fault:
        case "missing row":
            rows.pop()
        case "unknown row":
            rows.append("| `NEW_SETTING` | none | x |")
        case _:
            rows = [row.replace("1800", "900") for row in rows]
    (checkout / "README.md").write_text(README_TABLE + "\n".join(rows))
    assert "readme-settings" in {finding.check for finding in findings(checkout)}


def test_a_missing_model_is_found(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from infra.checks import facts

    monkeypatch.delitem(facts.SDK_MODELS, "Microsoft.Web/sites")
    assert "model-missing" in {finding.check for finding in findings(checkout)}


def test_every_check_is_shown_to_fail() -> None:
    shown = {fault[0] for fault in FAULTS} | {"readme-settings", "model-missing"}
    assert shown == CHECKS.keys()
