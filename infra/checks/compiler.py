"""Runs Microsoft's compiler over the templates, where it is on the PATH. Any output counts: warnings exit with 0."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from infra.checks.project import Finding

_DIAGNOSTIC = re.compile(r"^(?P<file>.*?)\((?P<line>\d+),\d+\) : (?P<message>.*)$")


def program() -> str | None:
    """Return the compiler of this machine, None where there is none."""
    return shutil.which("bicep")


def build_and_lint(bicep: str, root: Path) -> Iterator[Finding]:
    """Yield what the compiler says of each template. `build` goes to standard output, so only errors are read of it."""
    for template in sorted((root / "infra").rglob("*.bicep")):
        for command in (["build", str(template), "--stdout"], ["lint", str(template)]):
            done = subprocess.run([bicep, *command], capture_output=True, text=True, check=False)  # noqa: S603
            said = done.stderr if command[0] == "build" else done.stderr + done.stdout
            if done.returncode and not said.strip():
                said = f"bicep {command[0]} ended with {done.returncode}"
            for line in filter(None, map(str.strip, said.splitlines())):
                yield finding_of(line, template, root)


def finding_of(line: str, template: Path, root: Path) -> Finding:
    """Return one line of the compiler's output as a finding, in the file that it names."""
    found = _DIAGNOSTIC.match(line)
    file = Path(found["file"]) if found else template
    name = file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)
    return Finding("bicep", name, int(found["line"]) if found else 1, found["message"] if found else line)
