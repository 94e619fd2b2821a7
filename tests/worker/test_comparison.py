"""The comparison compares: whatever differs between the sides is seen."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.worker.comparison import Both, Player, SidesDifferError, comparable

AGENT = {"agent_id": "asst_history00000000000000000", "timeout_seconds": None}


def _other_status(player: Player) -> None:
    player.durable.add("i1", runtimeStatus="Completed" if player.side == "runtime" else "Running")
    player.http("agent_run_status", path="runs/i1", params={"instance_id": "i1"})


def _other_header(player: Player) -> None:
    player.durable.add("i1")
    path = "runs/i1" if player.side == "runtime" else "other/runs/i1"
    player.http("agent_run_status", path=path, params={"instance_id": "i1"})


def _other_body(player: Player) -> None:
    player.durable.add("i1", output=player.side)
    player.http("agent_run_status", path="runs/i1", params={"instance_id": "i1"})


def _other_result(player: Player) -> None:
    player.activity("plan_run", {**AGENT, "timeout_seconds": 10 if player.side == "runtime" else 11})


def _other_error(player: Player) -> None:
    player.activity("plan_run", [1] if player.side == "runtime" else 1)


def _error_on_one_side(player: Player) -> None:
    player.activity("plan_run", AGENT if player.side == "runtime" else 1)


def _other_requests(player: Player) -> None:
    player.durable.add("i1")
    player.activity("terminate_instance", {"instance_id": "i1", "reason": player.side})


def _other_requests_of_foundry(player: Player) -> None:
    player.activity(
        "create_thread", {"runs_as": player.side, "stamp": {"instance_id": player.side, "operation_id": "o"}}
    )


def _other_log(player: Player) -> None:
    player.durable.broken = player.side == "runtime"
    player.timer("purge_history")


def _one_call_more(player: Player) -> None:
    for _ in range(1 if player.side == "runtime" else 2):
        player.http("health")


@pytest.mark.parametrize(
    "scenario",
    [
        _other_status,
        _other_header,
        _other_body,
        _other_result,
        _other_error,
        _error_on_one_side,
        _other_requests,
        _other_requests_of_foundry,
        _other_log,
        _one_call_more,
    ],
)
def test_a_difference_is_seen(scenario: Callable[[Player], None], product: Both) -> None:
    with pytest.raises(SidesDifferError):
        product(scenario)


def test_ids_are_numbered_so_that_another_ones_is_seen() -> None:
    first, second = "thread_" + "a" * 24, "thread_" + "b" * 24
    assert comparable([{"id": first}, {"id": second}]) == comparable([{"id": second}, {"id": first}])
    assert comparable([{"id": first}, {"id": first}]) != comparable([{"id": first}, {"id": second}])
