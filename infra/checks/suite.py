"""All checks together. Importing the modules of the checks is what registers them."""

from __future__ import annotations

from pathlib import Path

from infra.checks import consistency, contracts, language, policy, resources
from infra.checks.project import CHECKS, Finding, Project

MODULES = (language, contracts, resources, policy, consistency)


def findings(root: Path) -> list[Finding]:
    """Return what the checks find under a root. Where a template cannot be read, only that is reported."""
    project = Project(root)
    unreadable = list(CHECKS["syntax"](project))
    return unreadable or [finding for run in CHECKS.values() for finding in run(project)]
