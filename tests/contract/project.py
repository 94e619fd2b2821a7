"""What the contract tests know of the project: its files, its imports, its functions in a fresh process."""

from __future__ import annotations

import ast
import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DEPLOYED_PACKAGES = (
    "activities", "contracts", "foundry", "http_api", "maintenance", "orchestrators", "ownership", "store",
    "validation",
)  # fmt: skip


@functools.cache
def deployed_modules() -> dict[str, Path]:
    """Return every module that runs on Azure, by its dotted name."""
    files = [*ROOT.glob("*.py"), *(f for package in DEPLOYED_PACKAGES for f in (ROOT / package).rglob("*.py"))]
    return {".".join(f.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): f for f in files}


@functools.cache
def imports_of(module: str) -> frozenset[str]:
    """Return the dotted names that a module imports, wherever it does: `from a import b` counts as `a` and `a.b`."""
    tree = ast.parse(deployed_modules()[module].read_text("utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            found |= {base} | {f"{base}.{name.name}" for name in node.names}
    return frozenset(found)


def packages_imported_by(module: str) -> set[str]:
    """Return the top-level packages that a module imports."""
    return {name.split(".")[0] for name in imports_of(module)}


def run_python(program: str, **environment: str) -> Any:
    """Run a program in a fresh interpreter at the project's root; return the JSON that it prints."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "SYSTEMROOT", "TEMP", "TMP", "HOME", "LANG")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
