"""The control API and the ledger, as a test in another process uses them."""

import time

import pytest
import requests

from local.foundry_emulator import Agents, FoundryEmulator
from tests.foundry_emulator.conftest import Http


def test_the_ledger_tells_requests_in_order_and_threads_with_their_runs(http):
    thread_id = http.thread("hi", metadata={"a": "b"})
    run = http.run(thread_id, Agents.INSTANT, metadata={"op": "9"})
    http("GET", "/threads/thread_gone")
    ledger = http.control("GET", "/ledger").json()
    assert [(one["operation"], one["status"], one["took_effect"]) for one in ledger["requests"]] == [
        ("create_thread", 200, True),
        ("create_run", 200, True),
        ("get_thread", 404, False),
    ]
    assert [one["number"] for one in ledger["requests"]] == [1, 2, 3]
    created = ledger["requests"][1]
    assert (created["method"], created["path"]) == ("POST", f"/threads/{thread_id}/runs")
    assert created["body"] == {"assistant_id": Agents.INSTANT, "metadata": {"op": "9"}}
    assert (created["thread_id"], created["run_id"], created["fault"]) == (thread_id, run["id"], None)
    thread = ledger["threads"][thread_id]
    assert (thread["user_messages"], len(thread["messages"]), thread["metadata"]) == (1, 2, {"a": "b"})
    assert thread["runs"] == [
        {
            "id": run["id"],
            "agent_id": Agents.INSTANT,
            "status": "completed",
            "cancel_requested": False,
            "tool_rounds_answered": 0,
            "metadata": {"op": "9"},
        }
    ]


def test_the_ledger_never_holds_the_token(http, emulator):
    http("GET", "/assistants", headers={"Authorization": "Bearer planted-secret"})
    assert "planted-secret" not in http.control("GET", "/ledger").text
    assert "planted-secret" not in repr(emulator.ledger())


def test_the_ledger_can_be_narrowed_down(http):
    first, second = http.thread("1"), http.thread("2")
    http.say(first, "3")
    ledger = http.control("GET", f"/ledger?thread_id={first}").json()
    assert list(ledger["threads"]) == [first]
    assert [one["operation"] for one in ledger["requests"]] == ["create_thread", "create_message"]
    assert len(http.control("GET", "/ledger?operation=create_thread").json()["requests"]) == 2
    assert [one["number"] for one in http.control("GET", "/ledger?since=2").json()["requests"]] == [3]
    assert http.control("GET", "/ledger?since=x").status_code == 400
    assert second in http.control("GET", "/ledger").json()["threads"]


def test_large_and_broken_bodies_are_noted_not_kept(http, emulator):
    thread_id = http.thread()
    http.say(thread_id, "x" * 5000)
    http("POST", "/threads", data=b"{nope")
    large, broken = emulator.ledger().requests[1:]
    assert large.body["bytes"] > 5000
    assert broken.body == {"not_json": "{nope"}


def test_a_deleted_thread_stays_in_the_ledger(http, emulator):
    thread_id = http.thread("hi")
    http.ok("DELETE", f"/threads/{thread_id}")
    assert emulator.ledger().threads[thread_id]["deleted"]
    assert http("GET", f"/threads/{thread_id}").status_code == 404


def test_faults_over_http(http):
    thread_id = http.thread()
    added = http.control("POST", "/faults", {"kind": "reset", "operation": "create_run", "effect": "first"})
    assert added.status_code == 201
    fault_id = added.json()["faults"][0]["id"]
    with pytest.raises(requests.ConnectionError):
        http.run(thread_id, Agents.FOREVER)
    [shown] = http.control("GET", "/faults").json()["faults"]
    assert (shown["id"], shown["applied"], shown["rule"]["kind"]) == (fault_id, 1, "reset")
    assert len(http.control("GET", "/ledger").json()["threads"][thread_id]["runs"]) == 1
    assert http.control("DELETE", f"/faults/{fault_id}").status_code == 200
    assert http.control("DELETE", f"/faults/{fault_id}").status_code == 404
    http.control("POST", "/faults", [{"kind": "html"}, {"kind": "status", "status": 500}])
    assert [http("GET", "/threads").status_code for _ in range(3)] == [502, 500, 200]
    assert http.control("DELETE", "/faults").status_code == 200
    assert http.control("GET", "/faults").json() == {"faults": []}


def test_bad_control_requests_say_what_is_wrong(http):
    for method, path, body, status, words in (
        ("POST", "/faults", {"kind": "nope"}, 400, "Invalid enum value"),
        ("POST", "/faults", [{"kind": "html"}, {"kind": "nope"}], 400, "Invalid enum value"),
        ("POST", "/faults", [1], 400, "is an object"),
        ("POST", "/outage", {"seconds": "long"}, 400, "must be a number"),
        ("POST", "/runs/run_x/cancel", None, 404, "no run run_x"),
        ("POST", "/runs/run_x/end", {"status": "lost"}, 400, "Invalid enum value"),
        ("GET", "/nonsense", None, 404, "no such control"),
        ("PUT", "/faults", None, 404, "no such control"),
    ):
        answer = http.control(method, path, body)
        assert (answer.status_code, words in answer.json()["error"]) == (status, True), answer.text
    assert http.control("GET", "/faults").json() == {"faults": []}  # a list is taken as a whole or not at all


def test_somebody_else_cancels_or_ends_a_run(http):
    thread_id = http.thread("hi")
    run = http.run(thread_id, Agents.SLOW_CANCEL)
    assert http.control("POST", f"/runs/{run['id']}/cancel").json()["status"] == "cancelling"
    until = time.monotonic() + 5
    while http.get_run(run)["status"] != "cancelled" and time.monotonic() < until:
        time.sleep(0.02)
    assert http.get_run(run)["status"] == "cancelled"
    assert http.control("POST", f"/runs/{run['id']}/cancel").status_code == 409
    run = http.run(thread_id, Agents.FOREVER)
    end = {"status": "failed", "code": "server_error", "message": "gone"}
    assert http.control("POST", f"/runs/{run['id']}/end", end).json()["status"] == "failed"
    assert http.get_run(run)["last_error"] == {"code": "server_error", "message": "gone"}
    http.say(thread_id, "the thread is free again")
    run = http.run(thread_id, Agents.FOREVER)
    assert http.control("POST", f"/runs/{run['id']}/end").json()["status"] == "cancelled"


def test_connections_are_counted(emulator):
    with requests.Session() as session:
        http = Http(emulator, session)
        for _ in range(5):
            http.thread()
        assert http.control("GET", "/connections").json() == {"opened": 1, "open": 1}
    with requests.Session() as session:
        Http(emulator, session).thread()
    assert emulator.connections()["opened"] == 2
    assert emulator.ledger().connections_opened == 2


def test_reset_forgets_everything(http, emulator):
    http.thread("hi")
    emulator.faults.add("reset", operation="create_run")
    http.ok("POST", "/assistants", {"model": "gpt-4o"})
    http.ok("DELETE", f"/assistants/{Agents.SLOW}")
    assert http.control("POST", "/reset").status_code == 200
    ledger = http.control("GET", "/ledger").json()
    assert ledger.pop("connections_opened") == 0
    assert not any(ledger.values())
    assert emulator.faults.all() == []
    assert {one["id"] for one in http.control("GET", "/agents").json()["agents"]} == set(Agents)


def test_an_outage_over_http(http, emulator):
    assert http.control("POST", "/outage", {"seconds": 1}).status_code == 202
    with pytest.raises(requests.ConnectionError):
        http.control("GET", "/ledger")


def test_the_index_tells_the_routes(http, emulator):
    index = http.control("GET", "/").json()
    assert index["endpoint"] == emulator.endpoint
    assert "/_emulator/ledger" in index["routes"]


def test_state_is_reachable_from_python(http, emulator):
    thread_id = http.thread("hi")
    run = http.run(thread_id, Agents.FOREVER)
    with emulator.state.lock:
        assert [message.role for message in emulator.state.threads[thread_id].messages] == ["user"]
        assert emulator.state.runs[run["id"]].thread_id == thread_id
    assert emulator.ledger().runs[0]["id"] == run["id"]


def test_an_emulator_that_is_not_started_says_so():
    with pytest.raises(RuntimeError, match="not started"):
        _ = FoundryEmulator().endpoint


def test_starting_twice_or_on_a_taken_port_fails_and_leaks_nothing(emulator):
    with pytest.raises(RuntimeError, match="already started"):
        emulator.start()
    other = FoundryEmulator(port=emulator.port)
    with pytest.raises(OSError, match="in use"):
        other.start()
    other.stop()  # nothing to stop is no error


def test_the_ledger_outlives_the_server():
    with FoundryEmulator() as emulator, requests.Session() as session:
        thread_id = Http(emulator, session).thread("hi")
    assert emulator.ledger().threads[thread_id]["user_messages"] == 1
