"""Microsoft's compiler is run over every template where it is installed, and any output is a finding."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from infra.checks import compiler

FAKE = """#!{python}
import sys
command, template = sys.argv[1:3]
print(f"{{command}} {{template}}", file=open({calls!r}, "a"))
if command == "build":
    print("{{}}")
if template.endswith("main.bicep") and command == {says!r}:
    stream = sys.stdout if command == "lint" else sys.stderr
    print(f"{{template}}(7,1) : Warning no-unused-params: never used", file=stream)
sys.exit({code})
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("infra/main.bicep", "infra/modules/storage.bicep"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


def fake(root: Path, *, says: str = "", code: int = 0) -> str:
    program = root / "bicep"
    program.write_text(FAKE.format(python=sys.executable, calls=str(root / "calls"), says=says, code=code))
    program.chmod(0o755)
    return str(program)


def test_every_template_is_built_and_linted(root: Path) -> None:
    assert list(compiler.build_and_lint(fake(root), root)) == []
    calls = (root / "calls").read_text().splitlines()
    assert sorted(call.replace(f"{root}/", "") for call in calls) == [
        "build infra/main.bicep", "build infra/modules/storage.bicep",
        "lint infra/main.bicep", "lint infra/modules/storage.bicep",
    ]  # fmt: skip


@pytest.mark.parametrize("command", ["build", "lint"])
def test_a_warning_is_a_finding_though_it_exits_with_0(command: str, root: Path) -> None:
    found = [str(finding) for finding in compiler.build_and_lint(fake(root, says=command), root)]
    assert found == ["infra/main.bicep:7: bicep: Warning no-unused-params: never used"]


def test_a_failure_without_a_word_is_a_finding(root: Path) -> None:
    assert len(list(compiler.build_and_lint(fake(root, code=3), root))) == 4


def test_it_is_looked_for_on_the_path(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(root))
    assert compiler.program() is None
    assert fake(root) == compiler.program()
