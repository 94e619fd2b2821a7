"""`make demo` and `make start` as a user runs them, without make."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self
from xml.etree import ElementTree as ET

import pytest

from local.picture import picture
from tests.functions_host.harness import REPOSITORY

pytestmark = pytest.mark.e2e
RUNS_ONCE = "runs programs, which show both generations themselves"
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
needs_bash = pytest.mark.skipif(
    not (shutil.which("bash") and shutil.which("curl")), reason="runs curl lines in bash, one of which is not installed"
)
PATIENCE_SECONDS = 60
MARK = "TEST_COMMANDS_MARK"


class Command:
    """A program in a process of its own; at the end of the `with` block none of its descendants may be left."""

    def __init__(self, module: str, *arguments: str, errors: int = subprocess.STDOUT, **environment: str) -> None:
        self.mark = uuid.uuid4().hex
        own = {k: v for k, v in os.environ.items() if not k.startswith("FOUNDRY_") and k not in ("NO_COLOR", "TERM")}
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", module, *arguments],
            cwd=REPOSITORY,
            env={**own, "PYTHONWARNINGS": "default", MARK: self.mark, **environment},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        self.seen = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process_id in descendants(self.mark) if self.process.poll() is None else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        self.process.wait()

    def until(self, found: Callable[[str], Any]) -> str:
        """Read lines until one is found; return it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.seen += line
            if found(line):
                return line
        raise AssertionError(f"ended with {self.process.wait()} before that:\n{self.seen}")

    def end(self, number: signal.Signals | None = None) -> int:
        """Wait for the end, or bring it about; return the exit code. Nothing may be left running."""
        if number is not None:
            self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=PATIENCE_SECONDS)
        self.seen += output
        wait_for(lambda: not descendants(self.mark))
        return self.process.returncode


def descendants(mark: str) -> list[int]:
    """The processes with this mark in their environment: whoever their parent is by now."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}".encode() in environ.read_bytes():
                found.append(int(environ.parent.name))
    return found


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
        return json.load(answer)


def post(url: str, body: Any) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
        return json.load(answer)


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


# --- make demo --------------------------------------------------------------------------------------------------------


def test_the_demo_kills_the_host_and_shows_one_message_and_one_run_as_the_picture_does() -> None:
    own = {"FOUNDRY_ALLOWED_AGENT_IDS": "asst_other", "RUN_TIMEOUT_SECONDS": "nonsense"}  # a developer's: no matter
    with Command("local.demo", FORCE_COLOR="1", **own) as demo:
        assert demo.end() == 0, demo.seen
    shown = lines_of((REPOSITORY / "docs" / "pictures" / "demo.svg").read_text("utf-8"))
    assert lines_of(picture(demo.seen)) == shown
    told = [text for text, _ in shown]
    assert (
        told.index("the host is up again") == told.index("kill -9 N  the host is dead, the run in Foundry goes on") + 1
    )
    assert "Foundry's ledger of the second run: 1 message, 1 response. Nothing lost, nothing twice." in told
    assert len(demo.seen.splitlines()) <= 20


def lines_of(svg: str) -> list[tuple[str, list[str]]]:
    """The lines of a picture with the colours in each, without what differs from run to run."""
    found = []
    for text in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"):
        line = re.sub(r"^ +\d+\.\d s +", "", "".join(text.itertext()))
        line = re.sub(r"kill -9 \d+", "kill -9 N", line)
        found.append((line, [span.get("class", "") for span in text]))
    return [(line, colours) for line, colours in found if not line.startswith("Running")]  # how often it was looked at


@needs_proc
@pytest.mark.parametrize(
    ("after", "number"),
    [
        ("Starting", signal.SIGINT),
        ("create_run", signal.SIGTERM),
        ("kill -9", signal.SIGINT),
        ("up again", signal.SIGHUP),
        pytest.param(
            "up again",
            signal.SIGKILL,
            marks=pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent"),
        ),
    ],
)
def test_an_interrupted_demo_leaves_no_process(after: str, number: signal.Signals) -> None:
    with Command("local.demo") as demo:
        demo.until(lambda line: after in line)
        code = demo.end(number)
    assert code == (-number if number is signal.SIGKILL else 130), demo.seen
    assert "Traceback" not in demo.seen


@needs_proc
def test_a_demo_that_is_interrupted_again_while_it_ends_leaves_no_process() -> None:
    with Command("local.demo") as demo:
        demo.until(lambda line: "create_run" in line)
        [host] = [p for p in descendants(demo.mark) if b"functions_host" in Path(f"/proc/{p}/cmdline").read_bytes()]
        os.kill(host, signal.SIGSTOP)  # it cannot end by itself now
        wait_for(lambda: status_of(host, "State")[0] == "T")
        demo.process.send_signal(signal.SIGINT)
        wait_for(lambda: int(status_of(host, "ShdPnd"), 16) >> (signal.SIGTERM - 1) & 1)  # it is asked to
        assert demo.end(signal.SIGINT) == 130, demo.seen


def status_of(process_id: int, field: str) -> str:
    found = re.search(rf"^{field}:\s*(\S+)", Path(f"/proc/{process_id}/status").read_text("utf-8"), re.MULTILINE)
    assert found is not None
    return found[1]


@needs_proc
def test_a_demo_whose_reader_goes_away_leaves_no_process() -> None:
    with Command("local.demo", errors=subprocess.PIPE) as demo:
        assert demo.process.stdout is not None
        assert demo.process.stderr is not None
        demo.until(lambda line: "Starting" in line)
        demo.process.stdout.close()
        assert demo.process.stderr.read() == ""
        assert demo.process.wait(PATIENCE_SECONDS) == 1
        wait_for(lambda: not descendants(demo.mark))


# --- make start -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def started(*arguments: str, **environment: str) -> Iterator[tuple[Command, str]]:
    """`make start` once it has said all that it says at first; with the host's URL."""
    with Command("local.start", "--port", "0", *arguments, **environment) as start:
        start.until(lambda line: "Try it" in line)
        start.until(lambda line: line == "\n")
        url = re.search(r"The app listens on (http://127\.0\.0\.1:\d+), Ctrl-C ends it", start.seen)
        assert url is not None, start.seen
        yield start, url[1]


def printed_lines(output: str) -> list[str]:
    """What a reader would type: the lines below "Try it", but for their headings."""
    block = output.split("Try it in another terminal, line by line:\n")[1].split("\n\n", maxsplit=1)[0]
    return [line.strip() for line in block.splitlines() if not line.startswith("  #")]


@needs_bash
@pytest.mark.parametrize("arguments", [(), ("--auth",)])
def test_every_line_that_start_prints_works_as_printed_and_a_run_is_one_line(
    tmp_path: Path, arguments: Sequence[str]
) -> None:
    with started("--db", str(tmp_path / "state.db"), *arguments) as (start, _):
        assert len(start.seen.splitlines()) <= 20, start.seen
        assert "\x1b" not in start.seen
        console = re.search(r"^  Console  (http://\S+)$", start.seen, re.MULTILINE)
        assert console is not None
        with urllib.request.urlopen(console[1], timeout=PATIENCE_SECONDS) as answer:
            assert b"<title>Agent runs</title>" in answer.read()
        lines = printed_lines(start.seen)
        assert len(lines) == 8
        assert sum("curl" in line for line in lines) == 8
        script = "set -eo pipefail\n" + "\n".join(f"{line} > out-{n}" for n, line in enumerate(lines))
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
        assert done.returncode == 0, done.stderr
        answers = [json.loads(text) for n in range(8) if (text := (tmp_path / f"out-{n}").read_text("utf-8"))]
        # a slow machine may have ended the cancelled run by the time its cancel is answered
        assert {error["code"] for answer in answers if (error := answer.get("error"))} <= {"cancelled"}
        [agents, answered, looked_at, cancelled, tool] = answers
        assert {agent["generation"] for agent in agents["agents"]} == {"classic", "responses"}
        assert (answered["status"], "Rayleigh" in answered["response"]) == ("Success", True)
        assert looked_at["status"] == "Running"
        assert cancelled["status"] in ("Cancelling", "Cancelled")
        ended = [start.until(lambda line: "agent_run" in line) for _ in range(3)]
        assert dict(line.split("agent_run ")[1].split()[:2] for line in ended) == {
            answered["instanceId"]: "Completed",
            cancelled["instanceId"]: "Terminated",  # which of the last two ends first depends on the machine
            tool["instanceId"]: "Completed",
        }
        assert ["cancelled on request" in line for line in ended].count(True) == 1
        said = len(start.seen.splitlines())
        assert start.end(signal.SIGINT) == 0, start.seen
        assert [line for line in start.seen.splitlines()[said:] if line] == ["Host and emulator are stopped."]


@needs_proc
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_a_killed_start_that_is_started_again_finishes_its_runs(tmp_path: Path) -> None:
    arguments = ("--db", str(tmp_path / "state.db"))
    with started(*arguments) as (start, url):
        accepted = post(
            f"{url}/api/run_agent",
            {"agent_id": "asst_history00000000000000000", "user_message": "Why is the sky blue?"},
        )
        path = accepted["runUri"].removeprefix(url)
        wait_for(lambda: get(url + path)["run_id"])
        assert start.end(signal.SIGKILL) == -signal.SIGKILL
    assert sorted(f.name for f in tmp_path.glob("*.db")) == ["state.blobs.db", "state.db", "state.foundry.db"]
    with started(*arguments) as (start, url):
        document = wait_for(lambda: (d := get(url + path))["status"] != "Running" and d)
        assert document["status"] == "Success", document
        emulator = re.search(r"curl -s (http://\S+)/_emulator/agents", start.seen)
        assert emulator is not None
        [thread] = get(f"{emulator[1]}/_emulator/ledger")["threads"].values()
        assert (thread["user_messages"], len(thread["runs"])) == (1, 1)
        assert start.end(signal.SIGTERM) == 0


@needs_proc
def test_a_busy_port_and_a_state_in_use_are_one_clear_line(tmp_path: Path) -> None:
    with started("--db", str(tmp_path / "state.db")) as (start, url):
        port = url.rsplit(":", 1)[1]
        with Command("local.start", "--port", port, "--db", ":memory:") as second:
            assert second.end() == 1
        assert f"port {port} cannot be opened" in second.seen
        with Command("local.start", "--port", "0", "--db", str(tmp_path / "state.db")) as third:
            assert third.end() == 1
        assert f"{tmp_path}/state.foundry.db is in use by another emulator" in third.seen
        assert "Traceback" not in second.seen + third.seen
        assert start.end(signal.SIGINT) == 0
    files = {f.name for f in tmp_path.iterdir()}
    kept = {f"{state}{more}" for state in ("state.foundry.db", "state.blobs.db") for more in ("", "-wal", "-shm")}
    assert files <= {"state.db", "keys.json", *kept}, files


@needs_proc
@pytest.mark.parametrize(("module", "said"), [("foundry_emulator", "Ctrl-C ends it."), ("functions_host", "above")])
def test_a_service_that_dies_ends_the_other_one(module: str, said: str) -> None:
    with started("--db", ":memory:") as (start, _):
        [service] = [p for p in descendants(start.mark) if module.encode() in Path(f"/proc/{p}/cmdline").read_bytes()]
        os.kill(service, signal.SIGKILL)
        assert start.end() == 1
    assert re.search(rf"ERROR local.{module} has ended by itself: .*{said}", start.seen), start.seen


@needs_proc
@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("https://<account>.services.ai.azure.com/api/projects/<project>", "FOUNDRY_PROJECT_ENDPOINT"),
        ("http://127.0.0.1:9/api/projects/nobody", "had no answer"),
    ],
)
def test_a_project_that_cannot_be_used_is_a_warning(endpoint: str, words: str) -> None:
    token = {"FOUNDRY_ACCESS_TOKEN": "a-token-of-twenty-characters"}
    with started("--db", ":memory:", FOUNDRY_PROJECT_ENDPOINT=endpoint, **token) as (start, url):
        [warning] = [line for line in start.seen.splitlines() if "WARNING" in line]
        assert words in warning
        assert "Unset FOUNDRY_PROJECT_ENDPOINT to use the emulator" in warning
        assert f"Foundry  {endpoint}" in start.seen
        assert printed_lines(start.seen) == [f"curl -s {url}/api/agents", f"curl -s {url}/api/health/ready"]
        assert start.end(signal.SIGINT) == 0


def test_agents_of_ones_own_that_cannot_be_read_are_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "agents.json").write_text("{")
    with Command("local.start", "--port", "0", "--db", ":memory:", "--agents", str(tmp_path / "agents.json")) as start:
        assert start.end() == 1
    assert (
        f"ERROR local.foundry_emulator did not start: foundry emulator: {tmp_path}/agents.json: not JSON" in start.seen
    )
    assert start.seen.count("\n") == 1


def test_help_is_shown_at_once() -> None:
    with Command("local.start", "--help") as start:
        assert start.end() == 0
    assert start.seen.startswith("usage: python -m local.start")
    assert "--port" in start.seen
    assert "local.functions_host --help" in start.seen


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        ([], ""),
        (["PORT=7072", "DB=my state.db"], ' --port 7072 --db "my state.db"'),
        (["ARGS=--help"], " --help"),
    ],
)
def test_make_passes_on_what_it_is_given(given: Sequence[str], arguments: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("PORT", "DB", "ARGS")}
    done = subprocess.run(
        ["make", "-n", "start", *given], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
    )
    assert " ".join(done.stdout.splitlines()[-1].split()).endswith(f"-m local.start{arguments}")
