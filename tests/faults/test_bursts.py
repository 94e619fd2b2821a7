"""Very many at once: terminations whose runs the scan must stop, all of them."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.test_maintenance import BY_HAND, run_function
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

AT_ONCE = 32


def scan(world: World) -> dict[str, Any]:
    return run_function(world, "cancel_orphaned_runs", "agent_run.orphans")


def run_statuses(world: World) -> Counter[str]:
    ledger = world.emulator.ledger()
    return Counter(run["status"] for run in (*ledger.runs, *ledger.responses))


@pytest.mark.parametrize("count", [400])
def test_every_run_of_a_burst_of_terminations_is_stopped_within_two_scans(count: int) -> None:
    with World(env=BY_HAND, speed=2) as world, ThreadPoolExecutor(AT_ONCE) as pool:
        instances = list(pool.map(lambda _: world.start("forever"), range(count)))
        list(pool.map(lambda i: world.until(i, lambda d: d["run_id"]), instances))
        assert run_statuses(world).total() == count

        def terminate(instance_id: str) -> int:
            path = f"{world.host.webhook}/instances/{instance_id}/terminate?reason=burst"
            return world.host.request("POST", path, b"").status

        assert set(pool.map(terminate, instances)) == {202}
        list(pool.map(world.end, instances))
        first, second = scan(world), scan(world)
        assert (first["failed"], second["failed"], first["left"] + second["left"]) == (0, 0, first["left"])
        assert first["cancelled"] + second["cancelled"] >= count
        assert not set(run_statuses(world)) & {"queued", "in_progress", "requires_action"}, (first, second)
