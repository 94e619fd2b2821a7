"""The command as a program, in front of the real app: on the local host, with the emulator behind it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from client import AgentRuns
from tests.e2e.world import World, one_message_one_run
from tests.faults.spoiling import SpoilingProxy
from tests.functions_host.harness import REPOSITORY

pytestmark = pytest.mark.e2e
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as made:
        yield made


def command(url: str, *arguments: str, **more: Any) -> subprocess.Popen[str]:
    key = {"AGENT_RUNS_KEY": more.pop("key")} if "key" in more else {}
    own = {k: v for k, v in os.environ.items() if not k.startswith("AGENT_RUNS_") and k not in ("NO_COLOR", "TERM")}
    return subprocess.Popen(
        [sys.executable, "-m", "client", *arguments],
        cwd=REPOSITORY,
        env={**own, "AGENT_RUNS_URL": url, **key, **more.pop("env", {})},
        text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more},
    )


def done(url: str, *arguments: str, **more: Any) -> tuple[int, str, str]:
    with command(url, *arguments, **more) as process:
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        return process.returncode, out, err


def until(process: subprocess.Popen[str], text: str) -> str:
    """Read lines of standard error until one has the text; return it."""
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return line
    raise AssertionError(f"ended with {process.wait()} before it said {text!r}")


def id_of(line: str) -> str:
    return line.split("started ")[1].strip()


def test_a_run_prints_its_answer(world: World) -> None:
    code, out, err = done(world.host.url, "run", "Why is the sky blue?", "--agent", "history")
    assert code == 0, err
    assert out.startswith("Sunlight holds all colours.")
    assert "Success" in err


def test_a_question_is_answered_by_what_the_command_says(world: World) -> None:
    code, out, err = done(world.host.url, "run", "How warm is it?", "--agent", "tool")
    assert (code, out) == (4, "")
    [hint] = [line for line in err.splitlines() if "to answer: " in line]
    arguments = hint.split("-m client ")[1].replace("TEXT", "18_degrees").split()
    code, out, err = done(world.host.url, *arguments, "--watch")
    assert (code, out) == (0, "The tools said: 18_degrees\n"), err


def test_an_approval_is_given(world: World) -> None:
    with AgentRuns(world.host.url) as runs:
        run = runs.run("hi", agent="mcpApproval")
    assert run.question is not None
    code, out, err = done(world.host.url, "answer", run.id, "--approve", "--watch")
    assert code == 0, (out, err)
    assert "search_issues of the server github" in err  # who approves sees what


def test_runs_are_listed_and_shown(world: World) -> None:
    with AgentRuns(world.host.url) as runs:
        run_id = runs.run("hi", agent="instant").id
    code, out, err = done(world.host.url, "ls", "--limit", "1000")
    assert code == 0, err
    assert run_id in [line.split("\t")[0] for line in out.splitlines()]
    code, out, err = done(world.host.url, "ls", "--json", "--status", "Success", "--limit", "1")
    assert code == 0, err
    assert json.loads(out)["status"] == "Success"
    code, out, err = done(world.host.url, "show", run_id)
    assert code == 0, err
    assert "Success" in out


def test_a_run_outlives_its_host_under_the_eyes_of_the_command() -> None:
    with World(speed=5.0) as world:
        with command(world.host.url, "run", "Take your time.", "--agent", "slow") as process:
            run_id = id_of(until(process, "started "))
            until(process, "Running")
            world.until(run_id, lambda d: d["run_id"])
            world.host.kill()
            until(process, "trying again")
            world.host.start()
            out, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, err
        assert out
        one_message_one_run(world, world.document(run_id))


def test_a_start_whose_answer_is_lost_starts_one_run(world: World) -> None:
    lost: list[str] = []

    def lose_the_first(method: str, path: str, answer: Any) -> Any:
        if path == "/api/run_agent" and not lost:
            lost.append(answer["id"])
            raise ConnectionResetError("lost on the way")
        return answer

    with SpoilingProxy(world.host.url, lose_the_first) as proxy:
        code, out, err = done(proxy.endpoint, "run", "hi", "--agent", "history", "--detach")
    assert code == 0, err
    assert [out.strip()] == lost
    one_message_one_run(world, world.end(lost[0]))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_the_run_or_cancels_it(number: signal.Signals, world: World) -> None:
    with command(world.host.url, "run", "hi", "--agent", "forever") as process:
        run_id = id_of(until(process, "started "))
        until(process, "Running")
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert f"-m client watch {run_id}" in err
    assert world.document(run_id)["status"] == "Running"

    with command(world.host.url, "watch", run_id, "--cancel-on-interrupt") as process:
        until(process, "Running")
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert world.end(run_id)["status"] == "Cancelled"
    assert done(world.host.url, "watch", run_id)[0] == 3


def test_a_key_opens_the_app_and_a_wrong_one_does_not() -> None:
    with World(args=["--auth"]) as world:
        key = world.host.ready["function_key"]
        assert done(world.host.url, "run", "hi", "--agent", "instant", key=key)[0] == 0
        for wrong in ({"key": "wrong"}, {}):
            code, out, err = done(world.host.url, "run", "hi", "--agent", "instant", **wrong)
            assert (code, out) == (5, "")
            assert "AGENT_RUNS_KEY" in err
        assert key not in world.host.log


def test_a_reader_that_goes_away_is_no_error(world: World) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    code, _, err = done(world.host.url, "run", "hi", "--agent", "instant", stdout=writing)
    os.close(writing)
    assert code == 141
    assert "Traceback" not in err
    assert "Exception" not in err


def test_a_terminal_shows_a_clock_that_is_gone_at_the_end(world: World) -> None:
    ours, theirs = pty.openpty()
    process = command(world.host.url, "run", "hi", "--agent", "history", stderr=theirs, env={"TERM": "xterm"})
    os.close(theirs)
    seen = b""
    while piece := _read(ours):
        seen += piece
    os.close(ours)
    with process:
        assert process.stdout is not None
        assert process.stdout.read().startswith("You said: hi") or process.wait() == 0
    text = seen.decode()
    assert "0:00:0" in text
    assert "Success" in text
    assert "\x1b[2K" in text


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # Linux says so where the other end is closed
        return b""
