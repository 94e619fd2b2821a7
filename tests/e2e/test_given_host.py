"""The end-to-end tests against a host that they have not started."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import real_host
from tests.e2e.given_host import SETTINGS, Given
from tests.e2e.world import World, agent, one_message_one_run
from tests.functions_host.harness import REPOSITORY, HostProcess

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif("E2E_HOST" in os.environ, reason="starts a host of its own to give"),
]
RUNS_ONCE = "concerns the host, not the agent service"


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, str, str]]:
    """Address of a host that wants a key, the port at which it looks for the agent service, and its master key."""
    port = real_host.free_port()
    endpoint = f"http://127.0.0.1:{port}/api/projects/demo"
    args = ["--auth", "--clock-speed", "20"]
    with HostProcess(REPOSITORY, env={"FOUNDRY_PROJECT_ENDPOINT": endpoint, **SETTINGS}, args=args) as host:
        yield host.url, str(port), host.ready["master_key"]


@pytest.fixture(autouse=True)
def given_by_the_environment(address: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2E_HOST", f"{address[0]}/")
    monkeypatch.setenv("E2E_EMULATOR_PORT", address[1])


def test_a_run_against_a_given_host_with_its_key(
    address: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("E2E_KEY", address[2])
    with World() as world:
        assert world.host.url == address[0]
        document = world.run("instant", "hi")
        assert document["status"] == "Success"
        one_message_one_run(world, document)
        assert world.host.status(document["instanceId"])["runtimeStatus"] == "Completed"
        assert world.post_in_chunks("/api/run_agent", b"{}").status == 411


def test_without_its_key_it_lets_nobody_in() -> None:
    with World() as world:
        assert world.post("/api/run_agent", {"agent_id": agent("instant"), "user_message": "hi"}).status == 401


def test_what_needs_a_host_of_its_own_is_skipped() -> None:
    for options in ({"env": {"RUN_TIMEOUT_SECONDS": "1"}}, {"args": ["--auth"]}, {"spoiled": True}):
        with pytest.raises(pytest.skip.Exception, match="its own settings"):
            World(**options)  # type: ignore[arg-type]
    with World() as world:
        with pytest.raises(pytest.skip.Exception, match="one agent service"), World():
            pass
        for act in (world.host.kill, world.host.stop, world.host.restart, lambda: world.host.log):
            with pytest.raises(pytest.skip.Exception, match="the given host"):
                act()


def test_a_failure_is_not_taken_for_a_skip() -> None:
    with pytest.raises(AssertionError, match="wrong"), World():
        raise AssertionError("wrong")


def test_no_host_is_given_by_default() -> None:
    assert Given.by({"E2E_HOST": ""}) is None


@pytest.mark.skipif(real_host.tool("azurite") is None, reason="needs Azurite: make azurite")
def test_the_real_host_is_started_given_and_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Core Tools cannot be had here: a program of that name starts the local host instead."""
    func = tmp_path / "func"
    func.write_text(
        f"#!{sys.executable}\nimport os, sys\n"
        "assert sys.argv[1:3] == ['start', '--port'], sys.argv\n"
        "with open(__file__ + '.started', 'w') as file: file.write(sys.argv[3] + ' ' + str(os.getpid()))\n"
        f"os.execv({sys.executable!r}, [{sys.executable!r}, '-m', 'local.functions_host', '--app-root', '.',"
        f" '--db', {str(tmp_path / 'state.db')!r}, '--port', sys.argv[3]])\n"
    )
    func.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("E2E_HOST")
    monkeypatch.delenv("TEST_GENERATION", raising=False)
    test = "tests/e2e/test_runs.py::test_two_runs_share_a_thread"
    assert real_host.main(["-q", "-p", "no:cacheprovider", test]) == 0
    assert "2 passed" in capfd.readouterr().out
    _, process = (tmp_path / "func.started").read_text().split()
    with pytest.raises(ProcessLookupError):
        os.kill(int(process), 0)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", "")
    assert real_host.main([]) == 1
    assert "func" in capsys.readouterr().err
