"""Answers that a healthy app never gives: the host runs no orchestrator, the app fails, is not configured."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from contracts.codes import ErrorCode
from contracts.wire import to_wire
from http_api.answers import answering
from http_api.openapi_document import openapi_document
from http_api.operations import OPERATIONS
from http_api.urls import BadHostError
from local.blob_storage.endpoint import BlobEndpoint
from tests.e2e.world import World, agent
from tests.functions_host.harness import REPOSITORY, Answer
from tests.openapi.description import Description, table, with_code
from tests.openapi.test_answers import GOOD, RARE, Caller, busy_thread, ended
from tests.store.troubled import Trouble, TroubledStorage

pytestmark = pytest.mark.e2e


LOOK_AT_AN_INSTANCE = {o.name for o in OPERATIONS if o.is_start or "instance_id" in o.in_route}
NEVER = "0 0 0 1 1 *"


def app_that_runs_no_orchestrator(folder: Path) -> Path:
    """The same app, on a host that has no place for an orchestrator: as if all were taken, for ever."""
    return app_with(folder, maxConcurrentOrchestratorFunctions=0)


def app_with(folder: Path, **durable_task: Any) -> Path:
    """The same app with other settings of the Durable extension in its host.json, which `http_api` reads, too."""
    for path in REPOSITORY.iterdir():
        if path.name == "http_api":
            shutil.copytree(path, folder / path.name)
        elif path.name not in ("host.json", "local.settings.json", "tests") and not path.name.startswith("."):
            (folder / path.name).symlink_to(path)
    host = json.loads((REPOSITORY / "host.json").read_text(encoding="utf-8"))
    host["extensions"]["durableTask"] |= durable_task
    (folder / "host.json").write_text(json.dumps(host), encoding="utf-8")
    return folder


def spoil(db: str, instance: str) -> None:
    """Give an instance a status that the SDK does not know, so that every look at it raises."""
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("UPDATE instances SET status = 'Perplexed' WHERE instance_id = ?", (instance,))


def spoil_history(db: str, instance: str) -> None:
    """Give an instance a history that cannot be handed over."""
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("UPDATE history SET event = 'unreadable' WHERE instance_id = ?", (instance,))


def spoil_the_list(db: str, instance: str) -> None:
    """Give an instance a time that is none, so that every list with it fails."""
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("UPDATE instances SET created = 'never' WHERE instance_id = ?", (instance,))


@pytest.mark.slow
def test_instances_that_do_not_move_and_one_that_cannot_be_read(tmp_path: Path) -> None:
    with World(speed=10) as world:  # so that nothing expires while nothing moves, however busy the machine
        description = Description(world.get("/api/openapi.json").json)
        call = Caller(world, description, {})
        waiting, asking = call.start("forever"), call.start("tool")
        broken = call.start("instant", idempotency_key="broken")
        call.until(waiting, lambda d: d["run_id"])
        action = call.until(asking, lambda d: d["required_action"])["required_action"]
        call.until(broken, ended)
        outputs = {"tool_outputs": [{"tool_call_id": c["id"], "output": "rain"} for c in action["calls"]]}

        world.host.stop()
        spoil(world.host.db, broken)
        world.host.app_root = app_that_runs_no_orchestrator(tmp_path)
        world.host.start()
        started = time.monotonic()
        with ThreadPoolExecutor(2) as pool:
            cancel = pool.submit(call, "cancel_agent_run", instance_id=waiting)
            answer = pool.submit(call, "submit_agent_run_tool_outputs", outputs, instance_id=asking)
        assert (cancel.result().status, answer.result().status) == (503, 503)
        assert time.monotonic() - started > 9

        assert call("agent_run_status", instance_id=broken).status == 500
        assert call("cancel_agent_run", instance_id=broken).status == 500
        assert call("agent_run_steps", instance_id=broken).status == 500
        assert call("agent_run_events", instance_id=broken).status == 500
        assert call("agent_run_file", instance_id=broken, file_id="assistant-1").status == 500
        assert call("submit_agent_run_tool_outputs", outputs, instance_id=broken).status == 500
        assert call("retry_agent_run", instance_id=broken).status == 500
        once = {"Idempotency-Key": "broken"}
        assert call("run_agent", GOOD, once).status == 500
        assert call("start_agent_run", {"user_message": "hi"}, once, agent_id=agent("instant")).status == 500
        assert with_code(description.seen, *RARE) == {
            *with_code(table(), ErrorCode.NOT_ACKNOWLEDGED),
            *(a for a in with_code(table(), ErrorCode.INTERNAL_ERROR) if a[0] in LOOK_AT_AN_INSTANCE),
        }

        # What was answered 503 was raised all the same, and comes true when the host has a place again.
        world.host.stop()
        world.host.app_root = REPOSITORY
        world.host.start()
        assert call.until(waiting, ended)["status"] == "Cancelled"
        assert call.until(asking, ended)["status"] == "Success"


def test_suspended_runs_take_a_cancel_and_an_answer_and_act_on_them_when_resumed() -> None:
    with World(speed=1) as world:  # so that the timers of the polls are open meanwhile
        call = Caller(world, Description(world.get("/api/openapi.json").json), {})

        def hold(operation: str, *instances: str) -> None:
            for instance in instances:
                url = f"{world.host.webhook}/instances/{instance}/{operation}?reason=test"
                assert world.host.request("POST", url, b"").status == 202

        waiting, asking = call.start("forever"), call.start("tool")
        call.until(waiting, lambda d: d["run_id"])
        action = call.until(asking, lambda d: d["required_action"])["required_action"]
        outputs = {"tool_outputs": [{"tool_call_id": c["id"], "output": "rain"} for c in action["calls"]]}
        hold("suspend", waiting, asking)
        for instance in (waiting, asking):
            call.until(instance, lambda d: d["runtimeStatus"] == "Suspended")
        assert call("cancel_agent_run", instance_id=waiting).status == 202
        assert call("submit_agent_run_tool_outputs", outputs, instance_id=asking).status == 202
        time.sleep(0.5)
        assert not ended(call("agent_run_status", instance_id=waiting).json)
        for instance in (waiting, asking):
            path = f"{world.host.webhook}/instances/{instance}?showHistory=true"
            done = {e.get("FunctionName") for e in world.host.request("GET", path).json["historyEvents"]}
            assert not done & {"cancel_run", "submit_tool_outputs"}, done
        hold("resume", waiting, asking)
        assert call.until(waiting, ended)["status"] == "Cancelled"
        assert call.until(asking, ended)["status"] == "Success"


def test_runs_whose_worker_has_died() -> None:
    dying = {"args": ["--hostile", "11:dead-worker-episode"], "env": {"ORPHAN_SCAN_SCHEDULE": NEVER}}
    with World(**dying) as world:  # nobody brings them back, so that they stay as they are
        call = Caller(world, Description(world.get("/api/openapi.json").json), {})

        def dead_after_a_question() -> dict[str, Any]:
            for _ in range(50):
                instance = call.start("tool", timeout_seconds=60)
                document = call.until(instance, lambda d: d["step"] == "recovering" or ended(d))
                if document["required_action"]:
                    return document
            raise AssertionError("none has died")

        document = dead_after_a_question()
        assert call("cancel_agent_run", instance_id=document["instanceId"]).status == 503
        calls = document["required_action"]["calls"]
        outputs = {"tool_outputs": [{"tool_call_id": c["id"], "output": "rain"} for c in calls]}
        assert call("submit_agent_run_tool_outputs", outputs, instance_id=document["instanceId"]).status == 503
        assert call("retry_agent_run", instance_id=document["instanceId"]).status == 503
        assert with_code(call.description.seen, *RARE) == with_code(table(), ErrorCode.RECOVERING)


def test_starts_for_which_neither_storage_nor_platform_tell_what_they_need(tmp_path: Path) -> None:
    with (
        BlobEndpoint(account="theaccount") as endpoint,
        TroubledStorage(endpoint.connection_string, Trouble(), seed=1) as storage,
        World(env={"AzureWebJobsStorage": storage.connection_string, "ORPHAN_SCAN_SCHEDULE": NEVER}) as world,
    ):
        call = Caller(world, Description(world.get("/api/openapi.json").json), {})
        owner, failed, fields = busy_thread(call)
        unreadable = call.start("instant")
        call.until(unreadable, ended)
        unlistable = call.start("fails")
        call.until(unlistable, ended)

        def all_are_503() -> None:
            assert call("run_agent", {**GOOD, **fields}).status == 503
            answer = call("start_agent_run", {"user_message": "hi", **fields}, agent_id=agent("instant"))
            assert answer.status == 503
            assert call("retry_agent_run", instance_id=failed).status == 503

        storage.go_away("503")
        all_are_503()
        storage.come_back()
        world.host.stop()
        spoil(world.host.db, owner)
        spoil_the_list(world.host.db, unlistable)
        spoil_history(world.host.db, unreadable)
        world.host.app_root = app_that_runs_no_orchestrator(tmp_path)
        world.host.start()
        all_are_503()
        assert call("agent_run_events", instance_id=unreadable).status == 503
        assert call("list_runs").status == 503
        assert call("count_runs").status == 503
        assert call("cancel_runs", {"reason": "x", "all": True}).status == 503
        codes = (ErrorCode.STORE_UNAVAILABLE, ErrorCode.INSTANCE_NOT_SEEN)
        assert with_code(call.description.seen, *RARE) == with_code(table(), *codes)


def test_what_the_durable_task_scheduler_does_not_take(tmp_path: Path) -> None:
    """Texts that Azure Storage takes: beyond ASCII, a character has seven bytes as it is stored."""
    text = "\u2600" * 150_000
    with World() as world:
        call = Caller(world, Description(world.get("/api/openapi.json").json), {})
        assert call("run_agent", {**GOOD, "user_message": text}).status == 202
        asking = call.start("tool")
        calls = call.until(asking, lambda d: d["required_action"])["required_action"]["calls"]
        world.host.stop()
        world.host.app_root = app_with(tmp_path, storageProvider={"type": "azureManaged"})
        world.host.start()
        refused = [
            call("run_agent", {**GOOD, "user_message": text}),
            call("start_agent_run", {"user_message": text}, agent_id=agent("instant")),
            call(
                "submit_agent_run_tool_outputs",
                {"tool_outputs": [{"tool_call_id": c["id"], "output": text} for c in calls]},
                instance_id=asking,
            ),
        ]
        assert [answer.status for answer in refused] == [413] * 3
        assert all("Durable Task Scheduler" in answer.json["error"]["message"] for answer in refused)
        assert call("run_agent", GOOD).status == 202


def test_an_app_that_is_not_configured() -> None:
    with World(env={"FOUNDRY_PROJECT_ENDPOINT": ""}) as world:
        description = Description(world.get("/api/openapi.json").json)
        call = Caller(world, description, {})
        assert call("run_agent", GOOD).status == 500
        assert call("start_agent_run", {"user_message": "hi"}, agent_id=agent("instant")).status == 500
        assert call("list_agents").status == 500
        assert call("retry_agent_run", instance_id="nobody").status == 500
        assert call("agent_run_steps", instance_id="nobody").status == 500
        assert call("agent_run_file", instance_id="nobody", file_id="assistant-1").status == 500
        assert call("thread_messages", thread_id="thread_1").status == 500
        assert with_code(description.seen, *RARE) == with_code(table(), ErrorCode.CONFIGURATION_ERROR)
        assert call("ready").status == 503


def test_whatever_a_function_raises_is_described() -> None:
    """Of the code that is around every function: not all of them can be made to fail from outside."""
    description = Description(
        to_wire(openapi_document("https://app.example/api", auth_level="FUNCTION", settings=None))
    )
    internal, without_a_host = (with_code(table(), c) for c in (ErrorCode.INTERNAL_ERROR, ErrorCode.INVALID_REQUEST))
    for answers, raised in ((internal, LookupError("secret")), (without_a_host, BadHostError("secret"))):

        @answering
        def fails(req: func.HttpRequest, raised: Exception = raised) -> func.HttpResponse:
            raise raised

        sent = fails(func.HttpRequest("GET", "https://app.example/api/secret", body=b""))
        for name, _, _ in answers:
            headers = {**sent.headers, "Content-Type": str(sent.mimetype)}
            answer = description.conforms(name, Answer(sent.status_code, headers, sent.get_body()))
            assert "secret" not in answer.text
    assert description.seen == internal | without_a_host
    assert {name for name, _, _ in internal} == description.operations().keys() - {"health"}
