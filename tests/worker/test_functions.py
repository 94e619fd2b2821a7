"""The functions that Microsoft's runtime indexes are those that the local host finds, with the same bindings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.test_functions import ACTIVITIES, HTTP, ORCHESTRATOR, TIMERS, WITH_CLIENT
from tests.worker import test_activities, test_http_functions, test_timers
from tests.worker.comparison import NEVER, REPOSITORY, SIDES, Both, Process

APPS = sorted(
    path.parent for folder in ("tests", "benchmarks") for path in (REPOSITORY / folder).rglob("function_app.py")
)
REVIEWED = {*HTTP, ORCHESTRATOR, *ACTIVITIES, *TIMERS}


def test_the_runtime_finds_the_products_functions_with_their_bindings(product: Both) -> None:
    local, runtime = product.indexes
    assert "error" not in runtime, runtime["error"]
    assert set(runtime["functions"]) == REVIEWED
    assert len(REVIEWED) == 32
    for name, bindings in runtime["functions"].items():
        assert local["functions"][name] == bindings, name
    assert set(local["functions"]) == REVIEWED


def test_the_runtime_gives_the_host_routes_methods_and_levels(product: Both) -> None:
    functions = product.indexes[1]["functions"]
    triggers = {name: next(b for b in bindings if "rigger" in b["type"]) for name, bindings in functions.items()}
    for name, operation in HTTP.items():
        assert (triggers[name]["methods"], triggers[name]["route"]) == ([operation.method], operation.route)
        assert triggers[name]["authLevel"] == ("ANONYMOUS" if operation.is_anonymous else "FUNCTION")
    assert {n for n, t in triggers.items() if t["type"] == "activityTrigger"} == ACTIVITIES
    assert {n for n, t in triggers.items() if t["type"] == "timerTrigger"} == set(TIMERS)
    assert {n for n, bindings in functions.items() if "durableClient" in {b["type"] for b in bindings}} == WITH_CLIENT


@pytest.mark.parametrize("root", APPS, ids=lambda p: p.relative_to(REPOSITORY).as_posix())
def test_every_app_of_the_repository_is_indexed_alike(root: Path) -> None:
    found = []
    for side in SIDES:
        process = Process(side, root, {"TICK_SCHEDULE": NEVER})
        try:
            found.append(process.ask(do="index"))
        finally:
            process.close()
    local, runtime = found
    assert local == runtime
    assert runtime["functions"]


def test_every_function_of_the_product_is_invoked_here() -> None:
    scenarios = (test_http_functions.SCENARIOS, test_activities.SCENARIOS, test_timers.SCENARIOS)
    assert {name for functions in scenarios for name in functions} | {ORCHESTRATOR} == REVIEWED
