"""The command line: what it promises the other tools of this repository."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.functions_host.conformance import RECORDED_APP
from tests.functions_host.harness import HostProcess

SPEED = ("--clock-speed", "20")


def test_runs_an_orchestration_end_to_end() -> None:
    with HostProcess(RECORDED_APP, args=SPEED) as host:
        assert "o_chain" in host.ready["functions"]
        started = host.request("POST", "/api/start/o_chain?id=one", {"hello": 1})
        assert started.status == 202
        status = host.until_ended("one")
        assert status["runtimeStatus"] == "Completed"
        assert status["output"] == {"a": {"n": 1}, "b": [{"n": 1}, "två", None]}
        assert host.stop() == 0
        assert "orchestrator o_chain 'one' Completed" in host.log


def test_a_killed_host_resumes_its_runs() -> None:
    with HostProcess(RECORDED_APP, args=SPEED) as host:
        host.launch("o_wait", "waiting")
        host.launch("o_timers", "timers")
        host.until("waiting", lambda s: s["runtimeStatus"] == "Running")
        url = host.url
        host.kill()
        host.restart()
        assert host.url == url
        assert host.raise_event("waiting", "done", {"x": 1}) == 202
        assert host.until_ended("waiting")["output"] == {"type": "dict", "value": {"x": 1}}
        assert host.until_ended("timers")["runtimeStatus"] == "Completed"


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RuntimeError, match=f"port {port} cannot be opened"):
            HostProcess(RECORDED_APP, args=("--port", str(port))).__enter__()


def test_a_second_host_on_one_database_refuses() -> None:
    with HostProcess(RECORDED_APP) as host, pytest.raises(RuntimeError, match="in use by another host"):
        HostProcess(RECORDED_APP, db=host.db).__enter__()


def test_an_unwritable_database_is_one_clear_line() -> None:
    with pytest.raises(RuntimeError, match=r"ERROR the database /proc/nowhere/state\.db cannot be opened"):
        HostProcess(RECORDED_APP, db="/proc/nowhere/state.db").__enter__()


def test_an_app_that_does_not_import_is_named_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "function_app.py").write_text("x = 1\nimport no_such_module_at_all\n")
    with pytest.raises(RuntimeError) as caught:
        HostProcess(tmp_path).__enter__()
    lines = str(caught.value).strip().splitlines()
    assert lines[-1] == (
        f"ERROR {tmp_path}/function_app.py, line 2: ModuleNotFoundError: No module named 'no_such_module_at_all'"
    )
    assert len([line for line in lines if "ERROR" in line]) == 1
