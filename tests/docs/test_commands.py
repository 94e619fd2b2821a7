"""Every command of the README and of a page under `docs/` does what is said there."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.client.installed import command_in
from tests.docs.documents import Document, document, pages
from tests.docs.shell import EMULATOR, HOST, Command, blocks, calls, commands, fits, is_shell, run
from tests.e2e.world import World
from tests.functions_host.harness import REPOSITORY

LANGUAGES = {"console", "json", "mermaid", "python", "text"}

AZURE = re.compile(r"\b(az|azd) |https://<(app|account)>\.|^logs ")
"""What needs Azure cannot run here: that the shell can read it is all that is seen. `logs` is the runbook's."""

BY_NIGHT = re.compile(r"\$(URL|ENDPOINT)/")
"""The runbook's calls of the app and of Foundry, which `tests/docs/test_runbook.py` runs."""

REAL_HOST = re.compile(r"^(func|azurite|cp local.settings.example.json) ?")
"""Cannot be had from a package registry; `tests/e2e/test_func.py` does this where both are installed."""

SERVER = re.compile(r"python -m (?P<module>local\.\w+)(?P<arguments> .*)?")

ELSEWHERE = {
    "git clone": "tests/docs/test_readme.py",
    "make demo": "tests/docs/test_readme.py",
    "make start": "tests/e2e/test_commands.py",
    "pip install '.[terminal]'": "tests/client/test_distribution.py",
    "make install": ".ci/run",
    "make test": ".ci/run",
    "make lint": ".ci/run",
    "make test-lowest": ".ci/run",
    "make worker": "tests/worker/test_functions.py",
    "make bench": "tests/benchmarks/test_run.py",
    "make help": "tests/docs/test_readme.py",
    "make infra-check": "tests/infra/test_checkov.py",
    "make conformance": "tests/functions_host/test_conformance.py",
    "make soak": "tests/functions_host/test_durability.py",
    "make load": "tests/functions_host/test_durability.py",
    "make chaos": "tests/faults/test_chaos.py",
    "make races": "tests/ownership/test_race.py",
    "python infra/package.py": "tests/infra/test_package.py",
    "python -m tests.orchestrator.record_histories": "tests/orchestrator/test_histories.py",
    "python -m pytest tests/orchestrator": "tests/orchestrator/test_histories.py",
}
"""What is run by another test, at least in small, or by CI; that `make` knows it is seen here."""

PAGES = [page for page in (document(REPOSITORY / "README.md"), *pages()) if commands(page)]


def of_page(page: Document) -> str:
    return page.path.name


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as made:
        yield made


@pytest.mark.parametrize("page", pages(), ids=of_page)
def test_blocks_say_what_they_are(page: Document) -> None:
    assert {language for language, _ in blocks(page)} <= LANGUAGES
    assert "\n$ " not in "".join(body for language, body in blocks(page) if language != "console")


@pytest.mark.parametrize("page", PAGES, ids=of_page)
def test_commands_are_run_or_cannot_be(page: Document) -> None:
    for command in commands(page):
        assert is_shell(command.text), command.text
        cannot_run = AZURE.search(command.text) or REAL_HOST.search(command.text)
        by_night = page.path.name == "runbook.md" and BY_NIGHT.search(command.text)
        runs_here = calls(command) or SERVER.fullmatch(command.text)
        assert runs_here or cannot_run or by_night or elsewhere(command), f"nothing runs: {command.text}"


def elsewhere(command: Command) -> bool:
    return any(command.text.startswith(text) for text in ELSEWHERE)


def test_the_tests_that_run_the_others_exist() -> None:
    assert [where for where in ELSEWHERE.values() if not (REPOSITORY / where).is_file()] == []


@pytest.mark.parametrize("name", [text.removeprefix("make ") for text in ELSEWHERE if text.startswith("make ")])
def test_what_make_would_run_exists(name: str) -> None:
    done = subprocess.run(["make", "-n", name], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for module in re.findall(r"-m (local|tests|infra|benchmarks)((?:\.\w+)+)", done.stdout):
        path = REPOSITORY.joinpath(module[0], *module[1][1:].split("."))
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), path


@pytest.mark.e2e
@pytest.mark.skipif(shutil.which("curl") is None, reason="the pages call the app with curl, which is not installed")
@pytest.mark.parametrize("page", [p for p in PAGES if any(map(calls, commands(p)))], ids=of_page)
def test_a_page_shows_what_its_commands_print(page: Document, world: World, tmp_path: Path) -> None:
    path = command_in(tmp_path / "bin")
    session = [Command(f"export PATH={shlex.quote(str(path))}:$PATH AGENT_RUNS_URL={world.host.url}")]
    session += [command for command in commands(page) if calls(command)]
    addresses = {HOST: urlsplit(world.host.url).netloc, EMULATOR: urlsplit(world.emulator.url).netloc}
    for command, printed in zip(session, run(session, addresses=addresses, folder=tmp_path), strict=True):
        assert not command.output or fits(command.output, printed), f"$ {command.text}\n{printed}"


SERVERS = sorted({command.text for page in PAGES for command in commands(page) if SERVER.fullmatch(command.text)})


@pytest.mark.e2e
@pytest.mark.parametrize("text", SERVERS)
def test_a_local_server_starts_as_the_page_says(text: str, tmp_path: Path) -> None:
    found = SERVER.fullmatch(text)
    assert found is not None
    given = shlex.split(found["arguments"] or "")
    ready = tmp_path / "ready.json"
    # The last one of two counts: a free port, and no state of the developer's.
    own = ["--port", "0", "--ready-file", str(ready), "--db", str(tmp_path / "state.db")]
    with subprocess.Popen([sys.executable, "-m", found["module"], *given, *own], cwd=REPOSITORY) as server:
        try:
            while not ready.exists():
                assert server.poll() is None, f"{text} ended with {server.returncode}"
                time.sleep(0.05)
            url = json.loads(ready.read_text("utf-8"))["url"]
            with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port)):
                pass
        finally:
            server.send_signal(signal.SIGINT)
    assert server.returncode == 0


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
        run([Command("echo fine"), Command("false"), Command("echo no")], addresses={}, folder=tmp_path)
