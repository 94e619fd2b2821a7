"""One key, one run: starts with idempotency keys over the real app, at a storage that the test holds in its hands."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.wire import from_wire
from http_api.instance_ids import new_instance_id
from local.blob_storage.endpoint import BlobEndpoint
from ownership.keys import KeyHolder, claim, document_of, holder_of
from store.blobs import BlobDocuments
from store.connection import open_store, storage_account
from tests.e2e.world import World, agent, one_message_one_run
from tests.store.troubled import Trouble, TroubledStorage

pytestmark = pytest.mark.e2e
RUNS_ONCE = "concerns the storage of keys, in which no generation shows"

HUB = {"TASKHUB_NAME": "Keys"}
ONCE = {"agent_id": agent("history"), "user_message": "only once", "idempotency_key": "k"}


@contextmanager
def storage(trouble: Trouble | None = None) -> Iterator[tuple[World, BlobDocuments, TroubledStorage]]:
    """The app, its documents, and what stands between the two."""
    with (
        BlobEndpoint(account="theaccount") as endpoint,
        TroubledStorage(endpoint.connection_string, trouble or Trouble(), seed=7) as between,
        World(env={**HUB, "AzureWebJobsStorage": between.connection_string}) as world,
    ):
        yield world, open_store(storage_account({**HUB, "AzureWebJobsStorage": endpoint.connection_string})), between


def purge(world: World, instance: str) -> None:
    assert world.host.request("DELETE", f"{world.host.webhook}/instances/{instance}").status == 200


def known(world: World) -> list[str]:
    """The ids of all instances, in the platform's order."""
    return [row["instanceId"] for row in world.host.request("GET", f"{world.host.webhook}/instances").json]


def test_the_platform_lists_the_newest_run_first() -> None:
    with World() as world:
        world.only_here("has runs of other tests in its hub")
        started = [world.start("instant", **({"idempotency_key": f"k{n}"} if n % 2 else {})) for n in range(6)]
        failed = world.run("fails")["instanceId"]
        repeated = world.post(f"/api/runs/{failed}/retry", None).json["id"]
        assert known(world) == [repeated, failed, *reversed(started)]


def test_a_start_whose_host_died_before_it_began_is_finished_by_the_next_one() -> None:
    with storage() as (world, store, _):
        fingerprint = _fingerprint_of(world, store, {**ONCE, "idempotency_key": "other"})
        dead = KeyHolder(instance=new_instance_id(), fingerprint=fingerprint, created=datetime.now(UTC))
        assert claim(store, "k", dead) == dead
        with ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(lambda _: world.post("/api/run_agent", ONCE), range(3)))
        assert {(answer.status, answer.json["id"]) for answer in answers} == {(202, dead.instance)}
        one_message_one_run(world, world.end(dead.instance))
        holder = holder_of(store, "k")
        assert holder is not None
        assert holder.started


def test_a_key_holds_when_its_run_was_purged() -> None:
    with storage() as (world, _, _):
        instance = world.post("/api/run_agent", ONCE).json["id"]
        world.end(instance)
        purge(world, instance)
        answer = world.post("/api/run_agent", ONCE)
        assert (answer.status, answer.json["error"]["code"]) == (410, "run_purged")
        assert instance in answer.json["error"]["message"]
        other = world.post("/api/run_agent", {**ONCE, "user_message": "another"})
        assert (other.status, other.json["error"]["code"]) == (409, "idempotency_conflict")
        assert known(world) == []


def test_a_repetition_that_was_purged_is_not_started_again() -> None:
    with World() as world:
        world.only_here("has runs of other tests in its hub")
        failed = world.run("fails")["instanceId"]
        repetition = world.post(f"/api/runs/{failed}/retry", None).json["id"]
        world.end(repetition)
        purge(world, repetition)
        answer = world.post(f"/api/runs/{failed}/retry", None)
        assert (answer.status, answer.json["error"]["code"]) == (410, "run_purged")
        assert known(world) == [failed]


def test_a_storage_that_loses_requests_and_answers_costs_no_key_its_one_run() -> None:
    with storage(Trouble(lost=0.15, unheard=0.15, busy=0.1, latency=0.02)) as (world, store, between):

        def start(n: int) -> tuple[int, str]:
            body = {**ONCE, "idempotency_key": f"k{n % 10}", "user_message": f"key {n % 10}"}
            while (answer := world.post("/api/run_agent", body)).status == 503:
                assert answer.json["error"]["code"] == "store_unavailable"
            assert answer.status == 202, answer.text
            return n % 10, answer.json["id"]

        with ThreadPoolExecutor(10) as pool:
            told = set(pool.map(start, range(30)))
        assert between.happened["lost"] + between.happened["unheard"] > 5
        assert len(told) == 10, "every start with one key is told one instance"
        assert len(known(world)) == 10
        between.trouble = Trouble()
        for n, instance in told:
            assert holder_of(store, f"k{n}").instance == instance  # type: ignore[union-attr]
            one_message_one_run(world, world.end(instance))


@pytest.mark.parametrize("how", ["refused", "503", "403"])
def test_without_the_storage_starts_that_need_it_are_503_and_others_are_not(how: Any) -> None:
    with storage() as (world, _, between):
        between.go_away(how)
        answer = world.post("/api/run_agent", ONCE)
        assert (answer.status, answer.json["error"]["code"]) == (503, "store_unavailable")
        assert answer.headers["Retry-After"] == "10"
        ready = world.get("/api/health/ready")
        assert ready.status == 503
        assert [c["name"] for c in ready.json["checks"] if not c["ok"]] == ["storage"]
        message = ready.json["checks"][-1]["message"]
        assert ("Storage Blob Data" if how == "403" else "AzureWebJobsStorage") in message
        plain = world.post("/api/run_agent", {"agent_id": agent("history"), "user_message": "hi"})
        assert plain.status == 202
        between.come_back()
        assert world.get("/api/health/ready").status == 200
        again = world.post("/api/run_agent", ONCE)
        assert again.status == 202
        for instance in (again.json["id"], plain.json["id"]):
            one_message_one_run(world, world.end(instance))


def _fingerprint_of(world: World, store: BlobDocuments, body: dict[str, Any]) -> str:
    """Return what the app calls this request, whatever its key is."""
    world.end(world.post("/api/run_agent", body).json["id"])
    found = store.read(document_of(body["idempotency_key"]))
    assert found is not None
    holder = from_wire(KeyHolder, found.value)
    assert holder.started
    assert holder.created > datetime.now(UTC) - timedelta(minutes=5)
    return holder.fingerprint
