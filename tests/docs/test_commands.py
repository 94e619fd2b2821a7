"""Every command of a page under `docs/` does what the page says."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.documents import Document, pages
from tests.docs.shell import ADDRESS, Command, blocks, commands, fits, is_shell, run
from tests.e2e.world import World
from tests.functions_host.harness import REPOSITORY

LANGUAGES = {"console", "json", "python", "text"}

AZURE = re.compile(r"\b(az|azd) |https://<app>\.")
"""What needs Azure cannot run here: that the shell can read it is all that is seen."""

TOO_MUCH = re.compile(r"\b(func|azurite) ")
"""The real host cannot be had from a package registry; `tests/e2e/test_func.py` runs on it where it is installed."""

ELSEWHERE = {
    "make demo": "tests/e2e/test_commands.py",
    "make start": "tests/e2e/test_commands.py",
    "make test": ".ci/run",
    "python infra/package.py": "tests/infra/test_package.py",
    "make infra-check": "tests/infra/test_checkov.py",
    "make conformance": "tests/functions_host/test_conformance.py",
}
"""What is run by another test, or takes too long for one; what `make` would run is looked at here."""

PAGES = [page for page in pages() if commands(page)]


def of_page(page: Document) -> str:
    return page.path.name


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as made:
        yield made


def runs_here(command: Command) -> bool:
    return ADDRESS in command.text


@pytest.mark.parametrize("page", pages(), ids=of_page)
def test_blocks_say_what_they_are(page: Document) -> None:
    assert {language for language, _ in blocks(page)} <= LANGUAGES
    assert "\n$ " not in "".join(body for language, body in blocks(page) if language != "console")


@pytest.mark.parametrize("page", PAGES, ids=of_page)
def test_commands_are_run_or_cannot_be(page: Document) -> None:
    for command in commands(page):
        assert is_shell(command.text), command.text
        cannot_run = AZURE.search(command.text) or TOO_MUCH.search(command.text)
        assert runs_here(command) or cannot_run or elsewhere(command), f"nothing runs: {command.text}"


def elsewhere(command: Command) -> str | None:
    return next((where for text, where in ELSEWHERE.items() if command.text.startswith(text)), None)


@pytest.mark.parametrize("name", [text.removeprefix("make ") for text in ELSEWHERE if text.startswith("make ")])
def test_what_make_would_run_exists(name: str) -> None:
    done = subprocess.run(["make", "-n", name], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for module in re.findall(r"-m (local|tests|infra|benchmarks)((?:\.\w+)+)", done.stdout):
        path = REPOSITORY.joinpath(module[0], *module[1][1:].split("."))
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), path


@pytest.mark.e2e
@pytest.mark.skipif(shutil.which("curl") is None, reason="the pages call the app with curl, which is not installed")
@pytest.mark.parametrize("page", [p for p in PAGES if any(map(runs_here, commands(p)))], ids=of_page)
def test_a_page_shows_what_its_commands_print(page: Document, world: World, tmp_path: Path) -> None:
    session = [command for command in commands(page) if runs_here(command)]
    address = world.host.url.removeprefix("http://")
    for command, printed in zip(session, run(session, address=address, folder=tmp_path, environment={}), strict=True):
        assert not command.output or fits(command.output, printed), f"$ {command.text}\n{printed}"


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ('{"id":"' + "a" * 32 + '"}', '{"id":"' + "b" * 32 + '"}', True),
        ("202", "409", False),
        ("{\n    ...\n}", '{\n    "a": 1,\n    "b": 2\n}', True),
        ("{\n    ...\n}", "[]", False),
        ("a ... c", "a b", False),
        ("thread_" + "a" * 24, "thread_" + "b" * 23, False),
    ],
)
def test_output_is_compared(shown: str, printed: str, same: bool) -> None:
    assert fits(shown, printed) is same


def test_a_command_that_fails_is_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="false"):
        run([Command("echo fine"), Command("false"), Command("echo no")], address="", folder=tmp_path, environment={})
