"""Hostile matrix: what callers do comes to the same on a host that does everything that the real one may do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from local.functions_host.hostile import BEHAVIOURS, NOT_BY_DEFAULT
from tests.e2e.world import World
from tests.faults.behaviours import SCAN, SPEED, all_at_once
from tests.faults.caller import Caller
from tests.faults.chaos import crowd

pytestmark = pytest.mark.e2e


def findings(plan: str, timers: str) -> list[str]:
    """What was wrong in the end."""
    with World(args=["--hostile", plan, "--timers", timers], env=SCAN, speed=SPEED) as world:
        found = all_at_once(Caller(world), f"seed-{plan}".replace(":", "-").replace(",", "-"))
        return [*found, world.host.log[-3000:]] if found else []


@pytest.mark.parametrize("timers", ["azure-storage", "exact"])
@pytest.mark.parametrize("name", sorted(BEHAVIOURS.keys() - NOT_BY_DEFAULT))
def test_each_hostility_alone(name: str, timers: str) -> None:
    assert findings(f"11:{name}", timers) == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("seed", "timers"), [(1, "azure-storage"), (2, "exact")])
def test_all_hostilities_together(seed: int, timers: str) -> None:
    assert findings(str(seed), timers) == []


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_crowd_on_one_thread_of_a_hostile_host_gets_all_its_answers(seed: int) -> None:
    """`make chaos` has eighty."""
    assert crowd(seed, 20) == []


def test_a_termination_that_is_held_back_is_waited_for() -> None:
    """The orchestrator then sees the result of `terminate_instance` first, and has nothing to do but wait."""
    with World(args=["--hostile", "7:hold-messages"], speed=20) as world, ThreadPoolExecutor(20) as pool:
        caller = Caller(world)

        def cancelled(number: int) -> str:
            instance_id = caller.start("forever", f"held back {number}", instance_id=f"held-back-{number}")
            caller.cancel(instance_id)
            return str(caller.end(instance_id)["runtimeStatus"])

        for batch in range(10):
            assert set(pool.map(cancelled, range(40 * batch, 40 * batch + 40))) == {"Terminated"}
            if "hostile hold-messages EXECUTION_TERMINATED" in world.host.log:
                return
        pytest.fail("no termination was held back in 400")
