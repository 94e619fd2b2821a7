"""The public management API, row by row of the table in durable-protocol.md."""

from __future__ import annotations

import itertools
import json
import re
import socket
import urllib.parse
from pathlib import Path
from typing import Any

import pytest

from tests.functions_host.conftest import NEVER, SAMPLE_APP
from tests.functions_host.harness import Answer, HostProcess

_IDS = itertools.count(1)
OPERATIONS = {
    "status": ("GET", "", None),
    "raiseEvent": ("POST", "/raiseEvent/other", b"{}"),
    "terminate": ("POST", "/terminate?reason=r", b""),
    "suspend": ("POST", "/suspend?reason=r", b""),
    "resume": ("POST", "/resume?reason=r", b""),
    "rewind": ("POST", "/rewind?reason=r", b""),
    "restart": ("POST", "/restart", b""),
    "restart same id": ("POST", "/restart?restartWithNewInstanceId=false", b""),
    "purge": ("DELETE", "", None),
}
CODES = {
    "Running": (202, 202, 202, 202, 500, 412, 202, 409, 412),
    "Suspended": (202, 202, 202, 500, 202, 412, 202, 409, 412),
    "Completed": (200, 410, 410, 410, 410, 412, 202, 202, 200),
    "Failed": (200, 410, 410, 410, 410, 202, 202, 202, 200),
    "Terminated": (200, 410, 410, 410, 410, 412, 202, 202, 200),
    "unknown": (404, 404, 404, 404, 404, 404, 400, 400, 404),
}


def fresh(prefix: str = "m") -> str:
    return f"{prefix}-{next(_IDS)}"


def in_state(host: HostProcess, state: str) -> str:
    instance = fresh(state.lower())
    if state == "unknown":
        return instance
    host.launch({"Completed": "adds", "Failed": "fails"}.get(state, "waits"), instance)
    if state in ("Completed", "Failed"):
        host.until_ended(instance)
        return instance
    host.until(instance, lambda s: s["runtimeStatus"] == "Running")
    if state == "Suspended":
        host.request("POST", f"{host.webhook}/instances/{instance}/suspend?reason=hold", b"")
        host.until(instance, lambda s: s["runtimeStatus"] == "Suspended")
    if state == "Terminated":
        host.request("POST", f"{host.webhook}/instances/{instance}/terminate?reason=enough", b"")
        host.until_ended(instance)
    return instance


def operate(host: HostProcess, instance: str, operation: str) -> Answer:
    method, path, body = OPERATIONS[operation]
    return host.request(method, f"{host.webhook}/instances/{instance}{path}", body)


@pytest.mark.parametrize(
    ("state", "operation", "code"),
    [(state, op, code) for state, codes in CODES.items() for op, code in zip(OPERATIONS, codes, strict=True)],
)
def test_the_code_of_each_operation_in_each_state(host: HostProcess, state: str, operation: str, code: int) -> None:
    answer = operate(host, in_state(host, state), operation)
    assert answer.status == code, answer.text
    if code in (404, 410) and operation != "rewind":
        assert (answer.body, answer.headers.get("Content-Type")) == (b"", None)


@pytest.mark.parametrize("state", ["Running", "Suspended"])
def test_starting_an_id_in_use_is_refused(host: HostProcess, state: str) -> None:
    instance = in_state(host, state)
    answer = host.request("POST", f"{host.webhook}/orchestrators/waits/{instance}", b"")
    assert answer.status == 409
    assert answer.json == {"Message": f"An Orchestration instance with the status {state} already exists."}


@pytest.mark.parametrize("state", ["Completed", "Failed", "Terminated"])
def test_starting_the_id_of_an_ended_instance_replaces_it(host: HostProcess, state: str) -> None:
    instance = in_state(host, state)
    host.launch("waits", instance, {"again": True})
    status = host.until(instance, lambda s: s["runtimeStatus"] == "Running")
    assert (status["input"], status["output"]) == ({"again": True}, None)


def test_the_status_document_in_its_order(host: HostProcess) -> None:
    instance = in_state(host, "Running")
    answer = host.request("GET", f"{host.webhook}/instances/{instance}?showInput=true")
    assert list(answer.json) == [
        "name", "instanceId", "runtimeStatus", "input", "customStatus", "output", "createdTime", "lastUpdatedTime",
    ]  # fmt: skip
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", answer.json["createdTime"])
    assert answer.headers["Retry-After"] == "5"
    assert answer.headers["Location"] == f"{host.webhook}/instances/{instance}?showInput=true"
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


def test_the_failed_flag(host: HostProcess) -> None:
    instance = in_state(host, "Failed")
    path = f"{host.webhook}/instances/{instance}"
    answer = host.request("GET", f"{path}?returnInternalServerErrorOnFailure=true")
    assert answer.status == 500
    assert answer.json["output"] == "Orchestrator function 'fails' failed: no way"
    assert answer.json["customStatus"] == "failing"


def test_the_history_flags(host: HostProcess) -> None:
    instance = in_state(host, "Completed")
    shown = host.status(instance, "?showHistory=true&showHistoryOutput=true")["historyEvents"]
    assert [e["EventType"] for e in shown] == [
        "ExecutionStarted", "TaskCompleted", "TaskCompleted", "ExecutionCompleted",
    ]  # fmt: skip
    assert (shown[1]["Result"], shown[1]["FunctionName"], shown[3]["Result"]) == (2, "double", 6)
    hidden = host.status(instance, "?showHistory=true")["historyEvents"]
    assert all("Result" not in e for e in hidden)
    assert "historyEvents" not in host.status(instance)


def test_events_keep_their_order_and_the_checks_theirs(host: HostProcess) -> None:
    instance = in_state(host, "Running")
    path = f"{host.webhook}/instances/{instance}/raiseEvent/go"
    plain = host.request("POST", path, b"plain", headers={"Content-Type": "text/plain"})
    assert (plain.status, plain.json) == (400, {"Message": "Only application/json request content is supported"})
    broken = host.request("POST", path, b"{x")
    assert (broken.status, broken.json["Message"]) == (400, "Invalid JSON content")
    unknown = host.request("POST", f"{host.webhook}/instances/{fresh()}/raiseEvent/go", b"{x")
    assert unknown.status == 404  # the instance is looked at first
    assert host.request("POST", path, {"x": [1, "å"]}).status == 202
    assert host.until_ended(instance)["output"] == {"x": [1, "å"]}


def test_what_is_done_to_a_suspended_instance_waits(host: HostProcess) -> None:
    instance = in_state(host, "Suspended")
    assert host.status(instance)["output"] == "hold"
    assert host.raise_event(instance, "go", 1) == 202
    assert host.request("POST", f"{host.webhook}/instances/{instance}/resume?reason=go", b"").status == 202
    assert host.until_ended(instance)["output"] == 1


def test_a_suspended_instance_can_be_terminated(host: HostProcess) -> None:
    instance = in_state(host, "Suspended")
    reason = urllib.parse.quote("because 12 é")
    assert host.request("POST", f"{host.webhook}/instances/{instance}/terminate?reason={reason}", b"").status == 202
    status = host.until_ended(instance)
    assert (status["runtimeStatus"], status["output"]) == ("Terminated", "because 12 é")


def test_rewind_runs_the_failed_part_again(host: HostProcess, tmp_path: Path) -> None:
    path, instance = tmp_path / "file", fresh("rewind")
    host.request("POST", "/api/client/start", {"name": "fails_until", "id": instance, "input": str(path)})
    assert host.until_ended(instance)["runtimeStatus"] == "Failed"
    path.write_text("found")
    assert operate(host, instance, "rewind").status == 202
    status = host.until_ended(instance)
    assert (status["runtimeStatus"], status["output"]) == ("Completed", [8, "found"])


def test_rewind_reaches_failed_children(host: HostProcess, tmp_path: Path) -> None:
    path, instance = tmp_path / "file", fresh("rewind")
    host.request("POST", "/api/client/start", {"name": "parent_of_failing", "id": instance, "input": str(path)})
    assert host.until_ended(instance)["runtimeStatus"] == "Failed"
    path.write_text("found")
    assert operate(host, instance, "rewind").status == 202
    assert host.until_ended(instance)["output"] == [8, "found"]
    assert host.status(f"{instance}-child")["runtimeStatus"] == "Completed"


def test_a_terminated_instance_shows_a_url_as_its_reason(host: HostProcess) -> None:
    """Until extension 3.15 its status, every list with it and its purge answered 400."""
    instance, url = in_state(host, "Running"), "https://example.org/a?b=c#d"
    terminate = f"{host.webhook}/instances/{instance}/terminate?reason={urllib.parse.quote(url, safe='')}"
    assert host.request("POST", terminate, b"").status == 202
    status = host.until_ended(instance)
    assert (status["runtimeStatus"], status["output"]) == ("Terminated", url)
    assert _listed(host, f"instanceIdPrefix={instance}") == [instance]
    assert operate(host, instance, "purge").status == 200


def nested(depth: int) -> bytes:
    return b'{"a":' * (depth - 1) + b'["]"]' + b"}" * (depth - 1)


def test_json_deeper_than_64_is_refused(host: HostProcess) -> None:
    instance = in_state(host, "Running")
    event = f"{host.webhook}/instances/{instance}/raiseEvent/go"
    start = f"{host.webhook}/orchestrators/waits"
    for url in (event, start):
        for depth in (65, 100_000):
            answer = host.request("POST", url, nested(depth))
            assert (answer.status, answer.json["ExceptionType"]) == (400, "Newtonsoft.Json.JsonReaderException")
    assert host.request("POST", f"{start}/{fresh()}", nested(64)).status == 202
    assert host.request("POST", event, nested(64)).status == 202
    assert host.until_ended(instance)["output"] == json.loads(nested(64))


@pytest.mark.parametrize("wrong", ["@a", "a%2Fb", "a%5Cb", "a%23b", "a%3Fb", "a%0Ab", "a%7Fb", "%C2%85"])
def test_an_id_that_the_extension_does_not_take_starts_nothing(host: HostProcess, wrong: str) -> None:
    answer = host.request("POST", f"{host.webhook}/orchestrators/adds/{wrong}", b"1")
    assert (answer.status, answer.json["ExceptionType"]) == (400, "System.ArgumentException")
    assert "must not start with @ or contain" in answer.json["Message"]
    present = in_state(host, "Completed")
    again = host.request("POST", f"{host.webhook}/instances/{present}/restartWithOptions?newInstanceId={wrong}", b"")
    assert (again.status, "must be an id of" in again.json["Message"]) == (400, True)
    assert host.request("GET", f"{host.webhook}/instances/{wrong}").status == 404


def test_restart_with_options_takes_the_id_and_the_version(host: HostProcess) -> None:
    instance, target = fresh("restart"), fresh("as")
    host.request("POST", "/api/client/start", {"name": "versioned", "id": instance, "version": "1.0"})
    host.until_ended(instance)
    url = f"{host.webhook}/instances/{instance}/restartWithOptions"
    answer = host.request("POST", f"{url}?newInstanceId={target}&version=2.0", b"")
    assert (answer.status, answer.json["id"]) == (202, target)
    assert host.until_ended(target)["output"] == "2.0"
    assert host.request("POST", f"{url}?newInstanceId={target}", b"").status == 202
    assert host.until(target, lambda s: s["output"] == "1.0")["runtimeStatus"] == "Completed"
    for bad in ("", "?newInstanceId=", *(f"?newInstanceId=a{urllib.parse.quote(c)}b" for c in "@/\\#?")):
        assert host.request("POST", url + bad, b"").status == 400
    assert host.request("POST", f"{url}?newInstanceId={'a' * 256}", b"").status == 202
    assert host.request("POST", f"{url}?newInstanceId={'a' * 257}", b"").status == 400
    running = in_state(host, "Running")
    assert host.request("POST", f"{url}?newInstanceId={running}", b"").status == 409
    unknown = f"{host.webhook}/instances/{fresh()}/restartWithOptions?newInstanceId={fresh()}"
    assert host.request("POST", unknown, b"").status == 400


def test_restart_takes_name_and_input_along(host: HostProcess) -> None:
    instance = fresh("restart")
    host.request("POST", "/api/client/start", {"name": "adds", "id": instance, "input": [5]})
    assert host.until_ended(instance)["output"] == 10
    answer = operate(host, instance, "restart")
    assert re.fullmatch("[0-9a-f]{32}", answer.json["id"])
    assert "rewindPostUri" not in answer.json
    assert host.until_ended(answer.json["id"])["output"] == 10


def test_starts_without_an_id_get_one(host: HostProcess) -> None:
    answer = host.request("POST", f"{host.webhook}/orchestrators/waits", b"")
    assert re.fullmatch("[0-9a-f]{32}", answer.json["id"])
    assert answer.headers["Retry-After"] == "10"
    assert answer.headers["Location"] == answer.json["statusQueryGetUri"]
    assert "code=" in answer.headers["Location"]


def test_an_unknown_orchestrator_starts_and_fails(host: HostProcess) -> None:
    instance = host.launch("nobody", fresh())
    status = host.until_ended(instance)
    assert status["runtimeStatus"] == "Failed"
    assert "known orchestrator functions" in status["output"]


def test_the_start_that_waits(host: HostProcess) -> None:
    start = f"{host.webhook}/orchestrators"
    assert host.request("POST", f"{start}/adds?timeout=30&pollingInterval=1", b"").json == 6
    failed = host.request("POST", f"{start}/fails?timeout=30&pollingInterval=1", b"")
    assert (failed.status, failed.json["runtimeStatus"]) == (200, "Failed")
    late = host.request("POST", f"{start}/waits?timeout=2&pollingInterval=1", b"")
    assert (late.status, "statusQueryGetUri" in late.json) == (202, True)
    assert host.request("POST", f"{start}/waits?timeout=1&pollingInterval=2", b"").status == 400
    assert host.request("POST", f"{start}/waits?timeout=30", b"").status == 202  # no wait without both


def test_a_start_without_a_content_length_fails_and_an_empty_one_works(host: HostProcess) -> None:
    instance = fresh()
    with socket.create_connection(("127.0.0.1", int(host.url.rpartition(":")[2]))) as connection:
        path = f"/runtime/webhooks/durabletask/orchestrators/adds/{instance}"
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        assert b" 202 " in connection.recv(100)
    assert host.until_ended(instance)["runtimeStatus"] == "Failed"
    assert host.until_ended(host.launch("adds", fresh()))["runtimeStatus"] == "Completed"


def test_broken_json_does_not_start(host: HostProcess) -> None:
    answer = host.request("POST", f"{host.webhook}/orchestrators/waits/{fresh()}", b"{nope")
    assert (answer.status, answer.json["ExceptionType"]) == (400, "Newtonsoft.Json.JsonReaderException")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nothing"), ("PUT", "/instances/x"), ("POST", "/instances/x/dance"), ("GET", "/orchestrators/waits")],
)
def test_unknown_operations_and_verbs_are_404(host: HostProcess, method: str, path: str) -> None:
    answer = host.request(method, host.webhook + path, None if method == "GET" else b"")
    assert (answer.status, answer.body) == (404, b"")


def test_paths_and_parameters_ignore_case(host: HostProcess) -> None:
    instance = in_state(host, "Failed")
    url = f"{host.url}/RUNTIME/webhooks/DurableTask/Instances/{instance}?RETURNINTERNALSERVERERRORONFAILURE=True"
    assert host.request("GET", url).status == 500


def _listed(host: HostProcess, query: str) -> list[str]:
    answer = host.request("GET", f"{host.webhook}/instances?{query}")
    assert answer.status == 200
    return [s["instanceId"] for s in answer.json]


def test_lists_filter_and_page(host: HostProcess) -> None:
    prefix = fresh("list") + "-"
    for number in range(5):
        host.launch("waits" if number % 2 else "adds", f"{prefix}{number}")
    host.until_ended(f"{prefix}4")
    host.until(f"{prefix}3", lambda s: s["runtimeStatus"] == "Running")
    running = _listed(host, f"instanceIdPrefix={prefix}&runtimeStatus=Running")
    assert running == [f"{prefix}1", f"{prefix}3"]
    everything = [f"{prefix}{n}" for n in range(5)]
    assert _listed(host, f"instanceIdPrefix={prefix}&runtimeStatus=Running,Completed") == everything
    # Spelt otherwise, or unknown, a status is no filter at all.
    assert _listed(host, f"instanceIdPrefix={prefix}&runtimeStatus=running") == everything
    url = f"{host.webhook}/instances?instanceIdPrefix={prefix}&top=2"
    pages, token = [], None
    while True:
        headers = {"x-ms-continuation-token": token} if token else {}
        answer = host.request("GET", url, headers=headers)
        pages.append([s["instanceId"] for s in answer.json])
        token = answer.headers.get("x-ms-continuation-token")
        if not token:
            break
    assert pages == [everything[:2], everything[2:4], everything[4:]]
    future = "createdTimeFrom=2999-01-01T00:00:00Z"
    assert _listed(host, f"instanceIdPrefix={prefix}&{future}") == []
    assert _listed(host, f"instanceIdPrefix={prefix}&createdTimeTo=2999-01-01T00:00:00Z") == everything


def test_the_size_of_a_page() -> None:
    """On the address of the binding too, where no key is asked for."""
    with HostProcess(SAMPLE_APP, env=NEVER, db=":memory:", args=("--auth", "--quiet")) as host:
        keyed = {"x-functions-key": host.ready["system_key"]}
        binding = host.request("GET", "/api/rpc").text
        ids = [f"page-{n:04}" for n in range(1002)]
        for instance in ids:
            host.request("POST", f"{binding}orchestrators/waits/{instance}", b"")
        for root, headers in ((host.webhook + "/", keyed), (binding, {})):

            def page(query: str, root: str = root, **more: str) -> Any:
                return host.request("GET", f"{root}instances?{query}", headers=headers | more)  # noqa: B023

            assert len(page("").json) == len(page("top=some").json) == 100
            assert [s["instanceId"] for s in page("top=5000").json] == ids[:1000]
            none = page("top=0")
            assert (none.status, none.json, none.headers.get("x-ms-continuation-token")) == (200, [], None)
            assert (page("top=-1").status, "ExceptionMessage" in page("top=-1").json) == (500, True)
            for nonsense in ("nonsense", "ZWxzZQ==", "%%%"):
                found = page("", **{"x-ms-continuation-token": nonsense})
                assert (found.status, found.json, found.headers.get("x-ms-continuation-token")) == (200, [], None)
            token = page("top=1000").headers["x-ms-continuation-token"]
            last = page("top=1000", **{"x-ms-continuation-token": token})
            assert [s["instanceId"] for s in last.json] == ids[1000:]
            assert "x-ms-continuation-token" not in last.headers


def test_purge_by_filter() -> None:
    """Apart from the shared host: it deletes whatever it finds, running instances too (rule 13)."""
    with HostProcess(SAMPLE_APP, env=NEVER, args=("--clock-speed", "20")) as host:
        url = f"{host.webhook}/instances"
        since = "createdTimeFrom=2000-01-01T00:00:00Z"

        def purge(query: str) -> tuple[int, Any]:
            answer = host.request("DELETE", f"{url}?{query}")
            return answer.status, answer.json

        assert purge("") == (400, "Please provide value for 'createdTimeFrom' parameter.")
        assert purge(since) == (404, None)
        for number in range(2):
            in_state(host, "Completed" if number else "Failed")
            in_state(host, "Running")
        assert purge(f"{since}&runtimeStatus=Failed") == (200, {"instancesDeleted": 1})
        assert purge(f"{since}&runtimeStatus=Completed,Terminated,Failed") == (200, {"instancesDeleted": 1})
        assert purge(f"{since}&runtimeStatus=Completed") == (404, None)
        # Only non-terminal statuses named: everything in the range goes.
        assert purge(f"{since}&runtimeStatus=Pending") == (200, {"instancesDeleted": 2})
        assert host.request("GET", url).json == []
