"""The files that are checked, and what a finding is."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.checks.bicep import Declaration, Template, parse


@dataclass(frozen=True)
class Finding:
    """What is wrong, where, and the check that says so."""

    check: str
    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.check}: {self.message}"


class Project:
    """A checkout of the repository, or a copy of it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @functools.cached_property
    def templates(self) -> dict[str, Template]:
        """Every template, by its path from the root."""
        return {
            path.relative_to(self.root).as_posix(): parse(path.read_text())
            for path in sorted((self.root / "infra").rglob("*.bicep"))
        }

    @property
    def resources(self) -> Iterator[tuple[str, Declaration]]:
        """Every resource with the file that declares it."""
        for file, template in self.templates.items():
            for resource in template.of_kind("resource").values():
                yield file, resource

    def text(self, path: str) -> str:
        """Return the text of a file; empty if there is none."""
        file = self.root / path
        return file.read_text() if file.is_file() else ""

    def json(self, path: str) -> Any:
        """Return the content of a JSON file; an empty object if there is none."""
        return json.loads(self.text(path) or "{}")


Check = Callable[[Project], Iterable[Finding]]
CHECKS: dict[str, Check] = {}
"""Every check by its name, in the order in which the modules declare them."""


def check(name: str) -> Callable[[Callable[[Project], Iterable[tuple[str, int, str]]]], Check]:
    """Register a check, which yields file, line and message of what it finds."""

    def register(function: Callable[[Project], Iterable[tuple[str, int, str]]]) -> Check:
        def run(project: Project) -> Iterator[Finding]:
            for file, line, message in function(project):
                yield Finding(name, file, line, message)

        assert name not in CHECKS, name
        CHECKS[name] = run
        return run

    return register
