"""Command line: run the checks of this package, then checkov; exit 1 if anything is found."""

from __future__ import annotations

import sys
from pathlib import Path

from infra.checks import compiler
from infra.checks.checkov import scan
from infra.checks.project import CHECKS, Finding
from infra.checks.suite import findings

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Print what is wrong, or how much was looked at."""
    found: list[Finding] = findings(ROOT)
    report = scan(ROOT / "infra", ROOT / ".checkov.yaml")
    found += report.findings
    bicep = compiler.program()
    found += compiler.build_and_lint(bicep, ROOT) if bicep else []
    for finding in found:
        print(finding)  # noqa: T201 - this is a command-line program
    print(  # noqa: T201
        f"{len(CHECKS)} checks of our own; checkov: {report.passed} passed, {report.skipped} skipped with a reason; "
        f"Bicep's compiler: {bicep or 'not on the PATH'}; "
        f"{len(found)} findings"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
