"""`python -m local.foundry_emulator` as a process."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from local.foundry_emulator import Agents
from settings import load_settings

ROOT = Path(__file__).parents[2]
TOKEN = "the-only-token-that-is-right"
COMMAND = [sys.executable, "-W", "error", "-m", "local.foundry_emulator"]


@contextmanager
def running(tmp_path, *arguments):
    ready = tmp_path / "ready.json"
    with subprocess.Popen(
        [*COMMAND, "--ready-file", str(ready), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            until = time.monotonic() + 20
            while not ready.exists():
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < until
                time.sleep(0.02)
            yield process, json.loads(ready.read_text())
        finally:
            process.kill()


def refused(*arguments):
    done = subprocess.run([*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ready_file_list_of_agents_and_a_clean_end(tmp_path, number):
    with running(tmp_path, "--filler-agents", "2", "--token", TOKEN, "--clock-speed", "10") as (
        process,
        ready,
    ):
        assert ready == {
            "url": ready["url"],
            "endpoint": f"{ready['url']}/api/projects/demo",
            "token": TOKEN,
            "pid": process.pid,
        }
        assert list(tmp_path.iterdir()) == [tmp_path / "ready.json"]
        url = f"{ready['endpoint']}/assistants?api-version=v1"
        right = requests.get(url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=5)
        wrong = requests.get(url, headers={"Authorization": "Bearer other"}, timeout=5)
        assert (right.status_code, wrong.status_code) == (200, 401)
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, err) == (0, "")
        assert ready["endpoint"] in out
        for agent in Agents:
            assert agent in out
        assert "and 2 filler agents" in out
        assert f"export FOUNDRY_PROJECT_ENDPOINT={ready['endpoint']}\n" in out
        assert f"export FOUNDRY_ACCESS_TOKEN={TOKEN}\n" in out


def test_a_project_of_any_name_with_a_quota(tmp_path):
    with running(tmp_path, "--project", "_project", "--quota", "1/60") as (_, ready):
        assert ready["endpoint"] == f"{ready['url']}/api/projects/_project"
        headers = {"Authorization": "Bearer t"}
        url = f"{ready['endpoint']}/threads/runs?api-version=v1"
        runs = [requests.post(url, json={"assistant_id": Agents.SLOW}, headers=headers, timeout=5).json() for _ in "ab"]
        assert [run["status"] for run in runs] == ["queued", "queued"]
        while (ledger := requests.get(f"{ready['url']}/_emulator/ledger", timeout=5).json())["threads"]:
            states = {run["id"]: run["status"] for one in ledger["threads"].values() for run in one["runs"]}
            if states[runs[1]["id"]] == "failed":
                break
        assert states[runs[0]["id"]] != "failed"


def test_what_it_prints_for_export_is_all_that_a_client_needs(tmp_path):
    with running(tmp_path) as (process, _):
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=10)
    exported = dict(re.findall(r"^ +export (\w+)=(\S+)$", out, re.MULTILINE))
    load_settings(exported)  # raises where the app would refuse one of them
    assert set(exported) == {"FOUNDRY_PROJECT_ENDPOINT", "FOUNDRY_ACCESS_TOKEN"}


def test_what_was_acknowledged_is_there_after_a_kill(tmp_path):
    db = tmp_path / "foundry.db"
    acknowledged = []

    def talk(endpoint):
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {TOKEN}"
            while True:
                body = {"messages": [{"role": "user", "content": "hi"}] * 3}
                try:
                    answer = session.post(f"{endpoint}/threads?api-version=v1", json=body, timeout=5)
                except requests.ConnectionError:
                    return  # killed
                acknowledged.append(answer.json()["id"])
                enough.set() if len(acknowledged) > 200 else None

    enough = threading.Event()
    with running(tmp_path, "--db", str(db)) as (process, ready):
        talkers = [threading.Thread(target=talk, args=(ready["endpoint"],)) for _ in range(3)]
        for one in talkers:
            one.start()
        assert enough.wait(timeout=30)
        process.kill()
        for one in talkers:
            one.join(timeout=10)
    (tmp_path / "ready.json").unlink()
    with running(tmp_path, "--db", str(db)) as (process, ready):
        done = refused("--db", str(db))
        assert done.stderr.count("\n") == 1
        assert "foundry.db is in use by another emulator" in done.stderr
        threads = requests.get(f"{ready['url']}/_emulator/ledger", timeout=10).json()["threads"]
        assert {one["user_messages"] for one in threads.values()} == {3}
        assert set(acknowledged) <= set(threads)
        assert len(set(threads) - set(acknowledged)) <= len(talkers)  # written, and killed before the answer
        process.send_signal(signal.SIGTERM)
        assert f"are kept in {db} ({len(threads)} by now)" in process.communicate(timeout=10)[0]


def test_a_port_in_use_is_one_clear_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = refused("--port", str(port))
    assert done.stderr == f"foundry emulator: cannot listen on port {port}: Address already in use\n"
    assert done.returncode == 1


def test_a_bad_agents_file_is_one_clear_line(tmp_path):
    file = tmp_path / "agents.json"
    file.write_text('{"agents": [{"name": "a", "script": {"phases": [{"seconds": "long"}]}}]}')
    done = refused("--agents", str(file))
    assert done.stderr.count("\n") == 1
    assert "$.agents[0].script.phases[0].seconds" in done.stderr


def test_switches_and_generations_of_the_command_line(tmp_path):
    options = ("--unknown", "p2=hidden", "--unknown", "list_lag=2", "--generations", "responses")
    with running(tmp_path, *options) as (_, ready):
        found = requests.get(f"{ready['url']}/_emulator/unknowns", timeout=5).json()
        assert (found["p2"], found["list_lag"], found["p3"]) == ("hidden", 2.0, "locked")
        headers = {"Authorization": "Bearer t"}
        statuses = [
            requests.get(f"{ready['endpoint']}{path}?api-version=v1", headers=headers, timeout=5).status_code
            for path in ("/agents", "/assistants")
        ]
        assert statuses == [200, 404]


@pytest.mark.parametrize("switch", ["p2=maybe", "p99=x", "p2"])
def test_a_wrong_switch_is_one_clear_line(switch):
    done = refused("--unknown", switch)
    assert done.stderr.count("\n") == 1
    assert switch.split("=")[0] in done.stderr


def test_a_ready_file_that_cannot_be_written(tmp_path):
    done = refused("--ready-file", str(tmp_path / "gone" / "ready.json"))
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "70000"],
        ["--port", "x"],
        ["--clock-speed", "0"],
        ["--clock-speed", "nan"],
        ["--token", "too-short"],
        ["--latency", "-1"],
        ["--filler-agents", "-1"],
        ["--project", "a/b"],
        ["--project", ""],
        ["--quota", "3"],
        ["--quota", "0/6"],
        ["--quota", "3/nan"],
        ["--generations", "classic,third"],
        ["--generations", ""],
    ],
)
def test_bad_options_are_refused(arguments):
    from local.foundry_emulator.__main__ import main

    with pytest.raises(SystemExit) as refused:
        main(arguments)
    assert refused.value.code == 2
