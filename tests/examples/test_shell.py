"""The curl script, run in front of the local host."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.world import World, one_message_one_run
from tests.examples.conftest import EXAMPLES
from tests.faults.spoiling import SpoilingProxy

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not (shutil.which("bash") and shutil.which("curl")), reason="bash or curl is not installed"),
]
SCRIPT = EXAMPLES / "run.sh"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
        timeout=100,
    )


@pytest.mark.parametrize(
    ("agent", "code", "status"),
    [("history", 0, "Success"), ("fails", 1, "Failed"), ("cancelledOutside", 3, "Cancelled"), ("tool", 4, "Running")],
)
def test_its_exit_code_says_how_the_run_ended(agent: str, code: int, status: str, environment: dict[str, str]) -> None:
    done = run(agent, 'What "is" it, {} & $HOME?')
    assert done.returncode == code, done.stderr
    document = json.loads(done.stdout)
    assert document["status"] == status
    assert environment["AGENT_RUNS_KEY"] not in done.stdout + done.stderr


def test_the_message_arrives_as_it_was_given(world: World, environment: dict[str, str]) -> None:
    message = 'line\n"quoted" \\ $HOME `id` äöü'
    first = json.loads(run("history", message).stdout)
    again = world.host.request(
        "POST",
        "/api/run_agent",
        {"agent_id": "history", "user_message": "and?", "thread_id": first["thread_id"]},
        headers={"x-functions-key": environment["AGENT_RUNS_KEY"], "Prefer": "wait=60"},
    )
    assert message.splitlines()[0] in again.json["response"]


def test_what_is_refused_and_what_is_not_reached(environment: dict[str, str]) -> None:
    done = run("nosuch", "hi")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no agent" in done.stderr
    assert run("history", "hi", AGENT_RUNS_KEY="wrong").returncode == 5


def test_time_that_is_over_leaves_the_run(environment: dict[str, str]) -> None:
    done = run("forever", "hi", TIMEOUT_SECONDS="0", HOLD_SECONDS="1")
    assert (done.returncode, done.stdout) == (6, "")
    assert "started " in done.stderr


def test_a_start_whose_answer_is_lost_starts_one_run(world: World, environment: dict[str, str]) -> None:
    lost: list[str] = []

    def lose_the_first(_method: str, path: str, answer: dict[str, str]) -> dict[str, str]:
        if path.endswith("/agents/history/runs") and not lost:
            lost.append(answer["id"])
            raise ConnectionResetError("lost on the way")
        return answer

    with SpoilingProxy(world.host.url, lose_the_first) as proxy:
        done = run("history", "hi", AGENT_RUNS_URL=proxy.endpoint)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [document["instanceId"]] == lost
    one_message_one_run(world, document)


def test_no_list_of_processes_shows_the_key(
    world: World, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    curl = tmp_path / "bin" / "curl"
    curl.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {seen}\nexec {shutil.which("curl")} "$@"\n')
    curl.chmod(0o755)
    assert run("history", "hi").returncode == 0
    assert environment["AGENT_RUNS_KEY"] not in seen.read_text()
    assert "Idempotency-Key: curl-" in seen.read_text()
