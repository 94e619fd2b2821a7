"""The two timer triggers over the real app: whose Foundry runs are cancelled, and whose history is purged."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import pytest

from contracts.runs import METADATA_INSTANCE
from local.foundry_emulator.scripts import End
from local.functions_host.storage import blobs_file
from ownership import keys, threads
from tests.e2e.generations import NOWHERE, operation, present
from tests.e2e.somebody import new_thread, start_run, threads_of
from tests.e2e.world import World, agent, one_message_one_run, until

pytestmark = pytest.mark.e2e

BY_HAND = {"ORPHAN_SCAN_SCHEDULE": "0 0 0 1 1 *"}
DAY = 86_400.0


def run_function(world: World, name: str, event: str) -> dict[str, Any]:
    """Run a timer trigger by hand; return the fields of the line that it logs."""
    seen = len(logged(world, event))
    answer = world.host.request("POST", f"/admin/functions/{name}", {"input": None})
    assert answer.status == 202, answer.text
    deadline = time.monotonic() + 60
    while len(logged(world, event)) == seen:
        assert time.monotonic() < deadline, f"{name} logs no {event}:\n{world.host.log[-4000:]}"
        time.sleep(0.02)
    return logged(world, event)[-1]


def logged(world: World, event: str) -> list[dict[str, Any]]:
    """Return the fields of every line of the event, complete ones only."""
    lines = [line.partition(f"{event} ")[2] for line in world.host.log.splitlines()]
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def scan(world: World) -> dict[str, Any]:
    return run_function(world, "cancel_orphaned_runs", "agent_run.orphans")


def terminate(world: World, instance: str) -> dict[str, Any]:
    """Terminate a running instance as an operator does, which leaves its Foundry run alone."""
    path = f"{world.host.webhook}/instances/{instance}/terminate?reason=outside"
    assert world.host.request("POST", path, b"").status == 202
    document = world.end(instance)
    assert (document["runtimeStatus"], document["output"]) == ("Terminated", "outside")
    return document


def statuses(world: World, thread_id: str) -> dict[str, str]:
    """Return the status of each run on the thread."""
    return {r["id"]: r["status"] for r in world.thread(thread_id)["runs"]}


# --- orphaned runs ---


def test_terminate_from_outside_leaves_an_orphan_that_the_timer_cancels() -> None:
    with World(env={"ORPHAN_SCAN_SCHEDULE": "*/10 * * * * *"}) as world:
        instance = world.start("forever")
        running = world.until(instance, lambda d: d["run_id"])
        document = terminate(world, instance)
        assert document["thread_id"] == running["thread_id"]
        until_status(world, running, "cancelled")
        until(lambda: sum(line["cancelled"] for line in logged(world, "agent_run.orphans")))


@pytest.mark.parametrize("stamp", [{}, {METADATA_INSTANCE: "somebody-else"}], ids=["unstamped", "of-another"])
def test_a_run_of_a_stranger_on_the_thread_is_left_alone(stamp: Mapping[str, str]) -> None:
    with World(env=BY_HAND) as world:
        shared, alone = world.start("forever"), world.start("forever")
        used = world.until(shared, lambda d: d["run_id"])
        orphan = world.until(alone, lambda d: d["run_id"])
        terminate(world, shared)
        terminate(world, alone)
        # The thread is free again: somebody else, who is no instance of ours, uses it.
        end = world.emulator.end_run if present() == "classic" else world.emulator.end_response
        end(used["run_id"], End())
        stranger = start_run(world, "forever", used["thread_id"], stamp)
        assert statuses(world, used["thread_id"])[stranger] in {"queued", "in_progress"}

        line = scan(world)
        assert (line["scanned"], line["cancelled"], line["failed"], line["left"]) == (2, 1, 0, 0)
        until_status(world, orphan, "cancelled")
        assert statuses(world, used["thread_id"])[stranger] in {"queued", "in_progress"}
        cancelled = [e.run_id or e.response_id for e in world.emulator.ledger().of(operation("cancel_run"))]
        assert cancelled == [orphan["run_id"]]


def test_the_run_of_an_instance_that_failed_to_stop_it_is_cancelled() -> None:
    with World(env=BY_HAND) as world:
        world.emulator.faults.add("status", operation=operation("cancel_run"), status=503, times=None)
        document = world.run("forever", timeout_seconds=20)
        assert (document["runtimeStatus"], document["error"]["code"]) == ("Failed", "timeout")
        assert "could not be stopped" in document["error"]["message"]
        assert statuses(world, document["thread_id"]) == {document["run_id"]: "in_progress"}

        line = scan(world)
        assert (line["scanned"], line["cancelled"], line["failed"]) == (1, 0, 1)
        assert statuses(world, document["thread_id"]) == {document["run_id"]: "in_progress"}

        world.emulator.faults.clear()
        line = scan(world)
        assert (line["scanned"], line["cancelled"], line["failed"]) == (1, 1, 0)
        until_status(world, document, "cancelled")


FORGED = {"__class__": "Fraction", "__module__": "fractions", "__data__": "1/0"}


@pytest.mark.parametrize("event", ["cancel", "tool_outputs_1"])
def test_an_event_that_the_sdk_cannot_decode_leaves_no_run_behind(event: str) -> None:
    """It ends the instance with a null custom status; its thread is known from the history only."""
    with World(env=BY_HAND) as world:
        instance = world.start("tool" if event != "cancel" else "forever")
        running = world.until(instance, lambda d: d["required_action"] if event != "cancel" else d["run_id"])
        path = f"{world.host.webhook}/instances/{instance}/raiseEvent/{event}"
        assert world.host.request("POST", path, {"deep": [FORGED]}).status == 202
        document = world.end(instance)
        assert (document["status"], document["error"]["code"]) == ("Failed", "undecodable_event")
        assert document["customStatus"] is None
        assert "Traceback" not in str(document)
        assert scan(world)["cancelled"] == 1
        if present() == "responses" and event != "cancel":  # its response has asked, and has ended so
            assert world.thread(running["thread_id"])["open_calls"] == []
        else:
            assert statuses(world, running["thread_id"])[running["run_id"]] in {"cancelling", "cancelled"}
        assert scan(world)["rewound"] == 0


def until_status(world: World, document: Mapping[str, Any], wanted: str) -> None:
    """Wait until the run has ended so. Foundry itself lets it expire after ten minutes, which is another end."""
    deadline = time.monotonic() + 60
    while (status := statuses(world, document["thread_id"])[document["run_id"]]) != wanted:
        assert status in {"queued", "in_progress", "cancelling"}, status
        assert time.monotonic() < deadline, f"{status}:\n{world.host.log[-4000:]}"
        time.sleep(0.02)


# --- old history ---


def test_old_history_of_ended_instances_is_purged_and_nothing_else() -> None:
    with World(env={**BY_HAND, "HISTORY_RETENTION_DAYS": "2"}, speed=4) as world:
        kept = {"an hour": world.run("instant")["instanceId"], "nearly two days": world.run("instant")["instanceId"]}
        succeeded = {days: world.run("instant")["instanceId"] for days in (3, 400)}
        failed = world.run("instant", thread_id=NOWHERE[present()])
        terminated = world.start("forever")
        terminate(world, terminated)
        running = world.start("tool")
        world.until(running, lambda d: d["required_action"])
        assert failed["runtimeStatus"] == "Failed"
        ages = {
            kept["an hour"]: 1 / 24,
            kept["nearly two days"]: 1.9,
            succeeded[3]: 3,
            succeeded[400]: 400,
            failed["instanceId"]: 3,
            terminated: 3,
            running: 3,
        }
        world.host.stop()
        grow_old(world, ages)
        world.host.restart()

        line = run_function(world, "purge_history", "agent_run.purged")
        assert line == {"deleted": 4, "failed": 0, "threads": 0, "waiting": 0, "left": 0}
        for instance, age in ages.items():
            gone = instance not in {*kept.values(), running}
            assert (world.get(f"/api/runs/{instance}").status == 404) == gone, age
        assert world.document(running)["runtimeStatus"] == "Running"
        assert world.post(f"/api/runs/{running}/cancel", None).status == 202
        assert world.end(running)["status"] == "Cancelled"


def test_a_purge_takes_along_the_threads_that_the_app_has_created_and_nobody_uses() -> None:
    goes = {"delete_thread": "with_history"}
    with World(env={**BY_HAND, "HISTORY_RETENTION_DAYS": "2", "DELETE_THREAD": "never"}, speed=4) as world:
        strangers = new_thread(world)
        alone, stays = world.run("instant", **goes), world.run("instant")
        failed = world.run("fails", **goes)
        on_strangers = world.run("instant", thread_id=strangers, **goes)
        first = world.run("instant", **goes)
        last = world.run("instant", thread_id=first["thread_id"], **goes)
        begun = world.run("instant", **goes)
        used_lately = world.run("instant", thread_id=begun["thread_id"], **goes)
        terminated = world.start("forever", **goes)
        orphan = world.until(terminated, lambda d: d["run_id"])
        terminate(world, terminated)
        scan(world)
        until_status(world, orphan, "cancelled")
        old = [alone, stays, failed, on_strangers, first, last, begun, orphan]
        world.host.stop()
        grow_old(world, {document["instanceId"]: 3 for document in old})
        world.host.restart()

        world.emulator.faults.add("status", operation=operation("delete_thread"), status=503, times=None)
        line = run_function(world, "purge_history", "agent_run.purged")
        assert (line["threads"], line["waiting"], line["left"]) == (0, 4, 0)
        assert all(world.get(f"/api/runs/{d['instanceId']}").status == 200 for d in (alone, failed, last, orphan))
        assert all(world.get(f"/api/runs/{d['instanceId']}").status == 404 for d in (stays, on_strangers, first, begun))

        world.emulator.faults.clear()
        line = run_function(world, "purge_history", "agent_run.purged")
        assert line == {"deleted": 4, "failed": 0, "threads": 4, "waiting": 0, "left": 0}
        assert all(world.get(f"/api/runs/{document['instanceId']}").status == 404 for document in old)
        assert world.document(used_lately["instanceId"])["status"] == "Success"
        assert threads_of(world) == {stays["thread_id"], strangers, begun["thread_id"]}


def test_without_a_retention_nothing_is_purged_and_the_log_says_so() -> None:
    with World(env={**BY_HAND, "HISTORY_RETENTION_DAYS": "0"}) as world:
        instance = world.run("instant")["instanceId"]
        world.host.stop()
        grow_old(world, {instance: 1000})
        world.host.restart()
        line = run_function(world, "purge_history", "agent_run.purged")
        assert line == {"deleted": 0, "failed": 0, "kept": "everything"}
        assert world.get(f"/api/runs/{instance}").status == 200


def test_old_keys_and_unused_threads_are_forgotten() -> None:
    with World(env={**BY_HAND, "IDEMPOTENCY_DAYS": "2"}, speed=4) as world:
        once = {"agent_id": agent("instant"), "user_message": "once"}
        old, young = (world.post("/api/run_agent", {**once, "idempotency_key": k}).json["id"] for k in ("old", "young"))
        world.end(old)
        running = world.start("forever")
        owned = world.until(running, lambda d: d["run_id"])["thread_id"]
        world.host.stop()
        ages = {keys.document_of("old"): 2.1, keys.document_of("young"): 1.9, threads.document_of(owned): 5.0}
        with closing(sqlite3.connect(str(blobs_file(world.host.db)))) as database, database:
            for name, age in ages.items():
                change = (time.time() - age * DAY, f"%/{name.path}")
                assert database.execute("UPDATE blobs SET written = ? WHERE name LIKE ?", change).rowcount == 1, name
        world.host.restart()

        line = run_function(world, "purge_history", "agent_run.documents_purged")
        assert line == {"keys": 1, "threads": 0, "failed": 0, "left": 0}
        assert world.post("/api/run_agent", {**once, "idempotency_key": "young"}).json["id"] == young
        anew = world.post("/api/run_agent", {**once, "idempotency_key": "old"}).json["id"]
        assert anew != old
        one_message_one_run(world, world.end(anew))
        terminate(world, running)
        line = run_function(world, "purge_history", "agent_run.documents_purged")
        assert line == {"keys": 0, "threads": 1, "failed": 0, "left": 0}


def grow_old(world: World, days: Mapping[str, float]) -> None:
    """Let instances have been created so long ago, by our clock, not by the host's, which is ahead of it."""
    with closing(sqlite3.connect(world.host.db)) as database, database:
        for instance, age in days.items():
            created = (time.time() - age * DAY, instance)
            assert database.execute("UPDATE instances SET created = ? WHERE instance_id = ?", created).rowcount == 1
