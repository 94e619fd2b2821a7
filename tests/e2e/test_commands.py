"""`make demo` and `make start` as a user runs them, without make."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.functions_host.harness import REPOSITORY

pytestmark = pytest.mark.e2e


def _command(module: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("FOUNDRY_")}
    return subprocess.Popen(
        [sys.executable, "-u", "-m", module, *arguments],
        cwd=REPOSITORY,
        env={**env, "PYTHONWARNINGS": "default", "DEMO_MARK": "yes", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for child processes in /proc")


def test_the_demo_shows_two_answers_on_one_thread() -> None:
    with _command("local.demo") as demo:
        output, _ = demo.communicate(timeout=100)
    assert demo.returncode == 0, output
    assert "Rayleigh" in output
    threads = set(re.findall(r"thread_\w{24}", output))
    assert len(threads) == 1
    assert "Why is the sky blue?" in output.split("The same thread once more")[1]
    assert "Host and emulator are stopped." in output


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_no_process(number: signal.Signals) -> None:
    with _command("local.demo") as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "202 Accepted" in line:
                break
        children = _children(demo.pid)
        assert len(children) == 2
        demo.send_signal(number)
        output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 130, output
    assert not [c for c in children if Path(f"/proc/{c}").exists()]


@needs_proc
def test_start_prints_curl_lines_and_ends_both() -> None:
    with _command("local.start", "--port", "0", "--db", ":memory:") as start:
        assert start.stdout is not None
        seen = ""
        for line in start.stdout:
            seen += line
            if "Ctrl-C ends the host" in line:
                break
        children = _children(start.pid)
        url = re.search(r"Listening on (http://127\.0\.0\.1:\d+)", seen)
        assert url, seen
        with urllib.request.urlopen(f"{url[1]}/api/health", timeout=10) as answer:
            assert answer.status == 200
        for route in ("run_agent", "agents/{agent_id}/runs", "runs/{instance_id}", "agents", "health", "health/ready"):
            assert f"/api/{route}" in seen
        assert "curl" in seen
        start.send_signal(signal.SIGINT)
        output, _ = start.communicate(timeout=60)
    assert start.returncode == 0, output
    time.sleep(0.1)
    assert not [c for c in children if Path(f"/proc/{c}").exists()]


def test_a_busy_port_is_one_clear_line() -> None:
    with _command("local.start", "--port", "0", "--db", ":memory:") as first:
        assert first.stdout is not None
        url = ""
        for line in first.stdout:
            if found := re.search(r"Listening on http://127\.0\.0\.1:(\d+)", line):
                url = found[1]
                break
        with _command("local.start", "--port", url, "--db", ":memory:") as second:
            output, _ = second.communicate(timeout=60)
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=60)
    assert second.returncode == 1
    assert f"port {url}" in output
    assert "Traceback" not in output
