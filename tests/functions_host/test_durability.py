"""The state survives: kills, restarts, other databases; and old histories still replay."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

import pytest

from local.functions_host.errors import HostError
from local.functions_host.store import SCHEMA_VERSION, Store
from tests.functions_host import load, soak
from tests.functions_host.conftest import NEVER, SAMPLE_APP
from tests.functions_host.harness import HostProcess


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_kills_at_random_moments_lose_nothing(seed: int) -> None:
    ends = soak.soak(rounds=4, seed=seed)
    assert sum(ends.values()) == 32


def test_500_runs_started_at_once_complete() -> None:
    with HostProcess(SAMPLE_APP, env=NEVER, args=("--quiet",)) as host:
        assert load.load(host, 500).runs == 500
        assert host.log == ""


def test_a_database_of_another_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = Store(str(path))
    with store.transaction():
        store.set_meta("schema_version", "0")
    store.close()
    with pytest.raises(HostError, match=f"has schema version 0, this host writes {SCHEMA_VERSION}: delete the file"):
        Store(str(path))


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (x)")
    connection.close()
    with pytest.raises(HostError, match="is a database of something else"):
        Store(str(path))
    path.write_bytes(b"not a database at all, but long enough to look at" * 20)
    with pytest.raises(HostError, match="cannot be used: file is not a database"):
        Store(str(path))


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "state.db"))

    def fail_half_way() -> None:
        with store.transaction():
            store.put_message("one", None, "{}", 0)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert store.pending_instances() == []
    store.close()


def test_a_store_in_use_is_refused_until_it_is_closed(tmp_path: Path) -> None:
    path = str(tmp_path / "state.db")
    first = Store(path)
    with pytest.raises(HostError, match="in use by another host"):
        Store(path)
    first.close()
    Store(path).close()


def test_an_activity_under_way_at_the_kill_runs_again(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    with HostProcess(SAMPLE_APP, env=NEVER) as host:
        host.request("POST", "/api/client/start", {"name": "appends", "id": "one", "input": str(path)})
        host.until_ended("one")
        assert path.read_text() == "ran\n"
        host.kill()
        host.restart()
        assert host.status("one")["output"] == "ok"
        assert path.read_text() == "ran\n"  # what was recorded does not run again


def test_timers_that_came_due_while_the_host_was_down_fire_at_start() -> None:
    with HostProcess(SAMPLE_APP, env=NEVER) as host:
        host.launch("polls", "one", {"polls": 1})
        host.until("one", lambda s: s["runtimeStatus"] == "Running")
        host.kill()
        time.sleep(1.2)
        host.restart()
        assert host.until_ended("one")["output"] == {"seen": 2}
        assert "resumed from the database: 1 waiting instances, 0 activities" in host.log


def test_sigterm_lets_running_activities_end(tmp_path: Path) -> None:
    with HostProcess(soak.APP) as host:
        host.launch("chain", "one")
        host.until_log("activity sync_work")
        assert host.stop() == 0
        host.restart()
        assert host.until_ended("one")["output"] == 20


def test_the_clock_does_not_run_backwards_over_a_restart() -> None:
    with HostProcess(SAMPLE_APP, env=NEVER, args=("--clock-speed", "50000")) as host:
        host.launch("polls", "one", {"polls": 3})
        first = host.until_ended("one")
        host.restart()
        host.launch("adds", "two")
        second = host.until_ended("two")
        assert second["createdTime"] >= first["lastUpdatedTime"]
        assert "s ahead: so far had a faster one come on this database" in host.log


def test_memory_is_allowed_and_forgets(tmp_path: Path) -> None:
    with HostProcess(SAMPLE_APP, env=NEVER, db=":memory:") as host:
        host.launch("adds", "one")
        host.until_ended("one")
        host.restart()
        assert host.request("GET", f"{host.webhook}/instances").json == []
    assert not (SAMPLE_APP / ".local").exists()


def test_versions_that_do_not_fit_wait_or_fail(tmp_path: Path) -> None:
    document = json.loads((SAMPLE_APP / "host.json").read_text())
    (tmp_path / "function_app.py").write_text((SAMPLE_APP / "function_app.py").read_text())
    for failure in ("Reject", "Fail"):
        document["extensions"]["durableTask"] |= {
            "defaultVersion": "1.10",
            "versionMatchStrategy": "CurrentOrOlder",
            "versionFailureStrategy": failure,
        }
        (tmp_path / "host.json").write_text(json.dumps(document))
        with HostProcess(tmp_path, env=NEVER) as host:
            for version, instance in (("1.9", "old"), ("1.11", "new"), (None, "default")):
                given = {"name": "versioned", "id": instance, "version": version}
                host.request("POST", "/api/client/start", given)
            assert host.until_ended("old")["output"] == "1.9"
            assert host.until_ended("default")["output"] == "1.10"
            if failure == "Fail":
                assert "does not fit the host's version '1.10'" in host.until_ended("new")["output"]
            else:
                host.until_log("instance 'new' has version '1.11'")
                assert host.status("new")["runtimeStatus"] == "Pending"
