"""Every check finds the fault that it is there for, and finds nothing in the templates as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.checks.project import CHECKS
from infra.checks.suite import findings
from tests.infra.conftest import ROOT
from tests.infra.faults import FAULTS


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


def test_a_missing_model_is_found(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from infra.checks import facts

    monkeypatch.delitem(facts.SDK_MODELS, "Microsoft.Web/sites")
    assert "model-missing" in {finding.check for finding in findings(checkout)}


def test_every_check_is_shown_to_fail() -> None:
    shown = {fault[0] for fault in FAULTS} | {"model-missing"}
    assert shown == CHECKS.keys()
