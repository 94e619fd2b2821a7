"""Every method of the Durable SDK's client, through a real function; entities are refused by name."""

from __future__ import annotations

import itertools
import re
from typing import Any

from tests.functions_host.conftest import NEVER, SAMPLE_APP
from tests.functions_host.harness import Answer, HostProcess

_IDS = itertools.count(1)


def call(host: HostProcess, op: str, **given: Any) -> Answer:
    return host.request("POST", f"/api/client/{op}", given)


def started(host: HostProcess, name: str = "waits", **given: Any) -> str:
    instance = f"c-{next(_IDS)}"
    assert call(host, "start", name=name, id=instance, **given).json == instance
    if name == "waits":
        host.until(instance, lambda s: s["runtimeStatus"] == "Running")
    else:
        host.until_ended(instance)
    return instance


def test_start_new_gives_an_id_and_refuses_one_in_use(host: HostProcess) -> None:
    assert re.fullmatch("[0-9a-f]{32}", call(host, "start", name="waits").json)
    assert call(host, "start", name="waits", id=started(host)).status == 500
    assert "An Orchestration instance with the status Running already exists." in host.log


def test_get_status(host: HostProcess) -> None:
    status = call(host, "status", id=started(host, "adds", input=[1])).json
    assert (status["runtimeStatus"], status["output"], status["input"]) == ("Completed", 2, "[1]")
    assert call(host, "status", id="nobody").status == 500  # a status that does not exist has no to_json


def test_get_status_all_and_by(host: HostProcess) -> None:
    waiting, ended = started(host), started(host, "adds")
    everything = {s["instanceId"] for s in call(host, "all").json}
    assert everything >= {waiting, ended} or len(everything) == 100
    found = call(host, "by", statuses=["Completed"], prefix=ended).json
    assert [s["instanceId"] for s in found] == [ended]
    assert call(host, "by", statuses=["Failed", "Terminated"], prefix=ended).json == []


def test_get_status_by_takes_the_beginning_of_time(host: HostProcess) -> None:
    instance = started(host)
    found = call(host, "by", since_ever=True, prefix=instance).json
    assert [s["instanceId"] for s in found] == [instance]


def test_raise_event_arrives_as_a_json_string(host: HostProcess) -> None:
    instance = started(host)
    assert call(host, "raise", id=instance, event="go", data={"a": [1]}).json is None
    assert host.until_ended(instance)["output"] == '{"a": [1]}'
    assert call(host, "raise", id=instance, event="go").status == 500  # gone
    assert call(host, "raise", id="nobody", event="go").status == 500


def test_terminate_suspend_and_resume(host: HostProcess) -> None:
    instance = started(host)
    assert call(host, "suspend", id=instance, reason="hold on").status == 200
    assert host.until(instance, lambda s: s["runtimeStatus"] == "Suspended")["output"] == "hold on"
    assert call(host, "suspend", id=instance, reason="again").status == 500
    assert call(host, "resume", id=instance, reason="go").status == 200
    host.until(instance, lambda s: s["runtimeStatus"] == "Running")
    assert call(host, "terminate", id=instance, reason="enough").status == 200
    assert host.until_ended(instance)["output"] == "enough"
    for op in ("terminate", "suspend", "resume"):
        assert call(host, op, id=instance, reason="late").status == 200  # 410 is nothing to the client
        assert call(host, op, id="nobody", reason="r").status == 500


def test_restart_and_rewind(host: HostProcess) -> None:
    instance = started(host, "adds", input=[3])
    restarted = call(host, "restart", id=instance, new=True).json
    assert host.until_ended(restarted["id"])["output"] == 6
    again = call(host, "restart", id=instance, new=False).json
    assert again["id"] == instance
    assert call(host, "rewind", id=instance, reason="r").status == 500  # it has not failed
    failed = started(host, "fails")
    assert call(host, "rewind", id=failed, reason="once more").status == 200
    again = host.until(failed, lambda s: s["runtimeStatus"] != "Pending")
    assert again["output"] == "Orchestrator function 'fails' failed: no way"
    events = host.status(failed, "?showHistory=true")["historyEvents"]
    told = [e["Data"] for e in events if e["EventType"] == "GenericEvent"]
    assert told == ["Rewound: ExecutionCompleted", "once more"]


def test_purge_and_purge_by(host: HostProcess) -> None:
    instance = started(host, "adds")
    assert call(host, "purge", id=instance).json == 1
    assert call(host, "purge", id=instance).json == 0
    assert call(host, "purge", id=started(host)).status == 500
    failed = started(host, "fails")
    assert call(host, "purge_by", id=failed, statuses=["Failed"]).json >= 1


def test_payload_and_check_status(host: HostProcess) -> None:
    instance = started(host)
    payload = call(host, "payload", id=instance).json
    assert list(payload) == [
        "id", "statusQueryGetUri", "sendEventPostUri", "terminatePostUri", "rewindPostUri", "purgeHistoryDeleteUri",
        "restartPostUri", "suspendPostUri", "resumePostUri",
    ]  # fmt: skip
    assert host.request("GET", payload["statusQueryGetUri"]).json["instanceId"] == instance
    event = payload["sendEventPostUri"].replace("{eventName}", "go")
    assert host.request("POST", event, {"by": "url"}).status == 202
    assert host.until_ended(instance)["output"] == {"by": "url"}
    check = call(host, "check", id=instance)
    assert (check.status, check.headers["Retry-After"], check.json["id"]) == (202, "10", instance)


def test_wait_for_completion(host: HostProcess) -> None:
    done = call(host, "wait", id=started(host, "adds"), ms=5000)
    assert (done.status, done.json) == (200, 6)
    assert call(host, "wait", id=started(host, "fails"), ms=5000).status == 500
    assert call(host, "wait", id=started(host), ms=100).status == 202


def test_a_version_given_at_start_is_seen(host: HostProcess) -> None:
    instance = started(host, "versioned", version="2.1")
    assert (host.status(instance)["output"], host.status(instance)["version"]) == ("2.1", "2.1")
    assert "version" not in host.status(started(host, "versioned"))


STACK = "\nStack: mine\n\n$OutOfProcData$:{}"


def test_the_text_of_a_failure_arrives_whole(host: HostProcess) -> None:
    """Extension 3.15.3 and later; before, an activity's was cut at the stack's label."""
    instance = started(host, "tells_the_failure", input=f"text{STACK}")
    assert host.status(instance)["output"] == f"Activity function 'raises_text' failed: ValueError: text{STACK}"
    instance = started(host, "raises_input", input=f"text{STACK}")
    assert host.status(instance)["output"] == f"Orchestrator function 'raises_input' failed: text{STACK}"


def test_a_child_names_its_parent_and_the_parent_its_child(host: HostProcess, tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_text("found")
    instance = started(host, "parent_of_failing", input=str(path))
    child = host.status(f"{instance}-child")
    assert list(child)[:3] == ["name", "instanceId", "parentInstanceId"]
    assert child["parentInstanceId"] == instance
    history = host.status(instance, "?showHistory=true")
    assert "parentInstanceId" not in history
    (ended,) = [e for e in history["historyEvents"] if e["EventType"] == "SubOrchestrationInstanceCompleted"]
    assert ended["InstanceId"] == f"{instance}-child"


def test_disabled_functions(tmp_path: Any) -> None:
    env = {**NEVER, **{f"AzureWebJobs.{n}.Disabled": "true" for n in ("raises_text", "waits", "special_item")}}
    with HostProcess(SAMPLE_APP, env=env, args=("--clock-speed", "20")) as host:
        told = started(host, "tells_the_failure", input="x")
        assert host.status(told)["output"] == (
            "Activity function 'raises_text' failed: Activity function 'raises_text' is disabled."
        )
        assert call(host, "start", name="waits", id="never").status == 500
        answer = host.request("POST", f"{host.webhook}/orchestrators/waits/never", b"")
        assert answer.status == 400
        assert host.request("GET", f"{host.webhook}/instances/never").status == 404
        assert host.request("GET", "/api/items/special").text == "named special"
        disabled = {f["name"] for f in host.request("GET", "/admin/functions").json if f["isDisabled"]}
        assert disabled == {"raises_text", "waits", "special_item"}
        assert "WARNING function 'waits' is disabled by the setting AzureWebJobs.waits.Disabled" in host.log
        assert "not registered" not in host.log


def test_entities_and_durable_http_are_refused_by_name(host: HostProcess) -> None:
    for op in ("entity", "signal"):
        assert call(host, op).status == 500
    assert "unexpected status code 501" in host.log
    expected = {"calls_entity": "call_entity", "calls_http": "call_http"}
    for name, api in expected.items():
        status = host.status(started(host, name))
        assert status["runtimeStatus"] == "Failed"
        assert status["output"] == f"Orchestrator function '{name}' failed: {api} is not supported by the local host"


def test_a_terminated_instance_does_not_run_the_next_step(host: HostProcess, tmp_path: Any) -> None:
    instance = started(host, "ends_itself", input=str(tmp_path / "file"))
    status = host.status(instance)
    assert (status["runtimeStatus"], status["output"], status["customStatus"]) == ("Terminated", "by itself", "ending")
