"""Many starts on one thread: each in its turn, and nobody who has ended holds up those behind him."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

import pytest

from local.blob_storage.endpoint import BlobEndpoint
from tests.e2e.generations import operation, present
from tests.e2e.somebody import cancel_run, new_thread, written_on
from tests.e2e.world import World, agent
from tests.store.troubled import Away, Trouble, TroubledStorage

pytestmark = pytest.mark.e2e


def messages_of(world: World, thread_id: str) -> list[str]:
    """Return what users wrote on the thread, oldest first."""
    return [text for role, text in written_on(world, thread_id) if role == "user"]


def waits_at(position: int, owner: str) -> Any:
    """Return the condition that a run waits there."""
    return lambda d: d["waiting_for"] == {"instance": owner, "position": position}


def behind(world: World, owner: str, thread_id: str, count: int, **fields: Any) -> list[str]:
    """Start so many, each when the one before has its place."""
    started: list[str] = []
    for number in range(1, count + 1):
        instance = world.start("instant", f"message {number}", thread_id=thread_id, **fields)
        world.until(instance, waits_at(number, owner))
        started.append(instance)
    return started


def holding(world: World, thread_id: str) -> str:
    """Start a run that owns the thread until somebody ends it."""
    owner = world.start("forever", "first", thread_id=thread_id)
    world.until(owner, lambda d: d["run_id"])
    return owner


def test_starts_on_one_thread_are_answered_in_the_order_of_their_arrival(world: World) -> None:
    thread_id = new_thread(world)
    owner = holding(world, thread_id)
    waiting = behind(world, owner, thread_id, 20)
    assert world.post(f"/api/runs/{owner}/cancel", None).status == 202
    documents = [world.end(instance) for instance in waiting]
    assert {d["status"] for d in documents} == {"Success"}
    assert [d["waiting_for"] for d in documents] == [None] * 20
    assert [f'You wrote: "message {n}"' in d["response"] for n, d in enumerate(documents, 1)] == [True] * 20
    thread = world.thread(thread_id)
    assert [run["metadata"]["durable_instance_id"] for run in thread["runs"]] == [owner, *waiting]
    assert thread["user_messages"] == 21


def test_many_at_once_all_get_their_answer(world: World) -> None:
    thread_id = new_thread(world)
    with ThreadPoolExecutor(8) as pool:
        started = list(pool.map(lambda n: world.start("instant", f"m {n}", thread_id=thread_id), range(20)))
    for number, instance in enumerate(started):
        document = world.end(instance)
        assert document["status"] == "Success", document
        assert f'You wrote: "m {number}"' in document["response"]


def terminated(world: World, owner: str) -> None:
    answer = world.host.request("POST", f"{world.host.webhook}/instances/{owner}/terminate?reason=outside", b"")
    assert answer.status == 202


def terminated_and_purged(world: World, owner: str) -> None:
    terminated(world, owner)
    world.end(owner)
    assert world.host.request("DELETE", f"{world.host.webhook}/instances/{owner}").status == 200


@pytest.fixture(scope="module")
def scanning() -> Iterator[World]:
    """Runs that nobody stops any more are stopped by the scan."""
    with World(env={"ORPHAN_SCAN_SCHEDULE": "*/10 * * * * *"}) as made:
        yield made


@pytest.mark.parametrize("end", [terminated, terminated_and_purged])
def test_an_owner_that_cannot_leave_frees_its_thread(scanning: World, end: Any) -> None:
    thread_id = new_thread(scanning)
    owner = holding(scanning, thread_id)
    waiting = behind(scanning, owner, thread_id, 2)
    end(scanning, owner)
    if end is terminated_and_purged:  # its run is nobody's any more: Foundry expires it, or somebody cancels it
        cancel_run(scanning, thread_id, scanning.thread(thread_id)["runs"][0]["id"])
    assert [scanning.end(instance)["status"] for instance in waiting] == ["Success"] * 2


def test_an_owner_that_failed_before_it_had_a_run_frees_its_thread(world: World) -> None:
    thread_id = new_thread(world)
    world.emulator.faults.add("status", operation=operation("create_run"), status=400)
    assert world.run("instant", "first", thread_id=thread_id)["status"] == "Failed"
    assert world.run("instant", "second", thread_id=thread_id)["status"] == "Success"
    left = ["first"] if present() == "classic" else []  # a message that no run answers is taken back, where it can be
    assert messages_of(world, thread_id) == [*left, "second"]


def test_waiters_that_end_are_passed_over(world: World) -> None:
    thread_id = new_thread(world)
    owner = holding(world, thread_id)
    first, second, third = behind(world, owner, thread_id, 3)
    assert world.post(f"/api/runs/{first}/cancel", None).status == 202
    terminated(world, second)
    for gone in (first, second):
        assert world.end(gone)["status"] == "Cancelled"
    world.post(f"/api/runs/{owner}/cancel", None)
    assert world.end(third)["status"] == "Success"
    assert messages_of(world, thread_id) == ["first", "message 3"]


def test_a_host_that_dies_keeps_the_line() -> None:
    with World() as world:
        thread_id = new_thread(world)
        owner = holding(world, thread_id)
        waiting = behind(world, owner, thread_id, 3)
        world.host.kill()
        world.host.restart()
        world.post(f"/api/runs/{owner}/cancel", None)
        assert [world.end(instance)["status"] for instance in waiting] == ["Success"] * 3
        assert messages_of(world, thread_id) == ["first", "message 1", "message 2", "message 3"]


def test_who_replaces_has_the_owner_cancelled_and_comes_next(world: World) -> None:
    thread_id = new_thread(world)
    owner = holding(world, thread_id)
    [waiting] = behind(world, owner, thread_id, 1)
    newest = world.start("instant", "now", thread_id=thread_id, if_thread_busy="replace")
    assert world.end(newest)["status"] == "Success"
    ended = world.end(owner)
    assert (ended["status"], ended["runtimeStatus"]) == ("Cancelled", "Terminated")
    assert ended["output"].startswith(f"replaced by instance {newest}")
    assert world.end(waiting)["status"] == "Success"
    assert messages_of(world, thread_id) == ["first", "now", "message 1"]


def test_who_does_not_want_to_wait_and_is_started_by_the_webhook_fails_in_its_instance(world: World) -> None:
    thread_id = new_thread(world)
    owner = holding(world, thread_id)
    request = {"agent_id": agent("instant"), "user_message": "no", "thread_id": thread_id, "if_thread_busy": "fail"}
    started = world.host.request("POST", f"{world.host.webhook}/orchestrators/agent_run", request)
    document = world.end(started.json["id"])
    assert (document["status"], document["error"]["code"]) == ("Failed", "thread_busy")
    assert owner in document["error"]["message"]
    assert messages_of(world, thread_id) == ["first"]
    world.post(f"/api/runs/{owner}/cancel", None)
    world.end(owner)


def test_a_start_without_a_message_waits_for_its_turn_too(world: World) -> None:
    thread_id = new_thread(world)
    owner = holding(world, thread_id)
    request = {"agent_id": agent("instant"), "thread_id": thread_id}
    instance = world.post("/api/run_agent", request).json["id"]
    world.until(instance, waits_at(1, owner))
    world.post(f"/api/runs/{owner}/cancel", None)
    assert world.end(instance)["status"] == "Success"


@pytest.mark.parametrize("how", get_args(Away))
def test_runs_wait_for_a_store_that_is_away_and_go_on(how: Away) -> None:
    with (
        BlobEndpoint(account="turns") as account,
        TroubledStorage(account.connection_string, Trouble(), seed=1) as storage,
        World(env={"AzureWebJobsStorage": storage.connection_string}) as world,
    ):
        thread_id = new_thread(world)
        owner = holding(world, thread_id)
        storage.go_away(how)
        waiting = world.start("instant", "meanwhile", thread_id=thread_id)
        shown = world.until(waiting, lambda d: (d["customStatus"] or {}).get("retrying"))
        assert shown["customStatus"]["retrying"] == "store_unavailable"
        world.post(f"/api/runs/{owner}/cancel", None)
        assert world.end(owner)["status"] == "Cancelled"
        storage.come_back()
        assert world.end(waiting)["status"] == "Success"
