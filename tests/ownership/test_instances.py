"""Whether an instance still goes on, as the platform tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.codes import ErrorCode
from ownership.instances import InstanceNotSeenError, asked_from_a_thread, goes_on, has_ended
from task_hub import TaskHub
from tests.unit.test_http_functions import FakeClient, instance

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def died(minutes_ago: int) -> dict[str, Any]:
    ended_at = (NOW - timedelta(minutes=minutes_ago)).isoformat().replace("+00:00", "Z")
    output = "Orchestrator function 'agent_run' failed: One or more errors occurred. (exited with code 137)"
    return instance(status="Failed", output=output, lastUpdatedTime=ended_at)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (None, False),
        *((instance(status=status), True) for status in ("Pending", "Running", "ContinuedAsNew", "Suspended")),
        *((instance(status=status), False) for status in ("Completed", "Failed", "Terminated", "Canceled")),
        (died(1), True),
        (died(30), False),
    ],
)
def test_what_counts_as_going_on(payload: dict[str, Any] | None, expected: bool) -> None:
    assert goes_on(payload, NOW) is expected


def test_an_unknown_instance_has_ended_and_an_odd_id_changes_no_address() -> None:
    client = FakeClient()
    client.instances["i1"] = instance()
    assert not asyncio.run(has_ended(client, "i1"))
    assert asyncio.run(has_ended(client, "i2"))
    assert asyncio.run(has_ended(client, "../i1"))
    assert client.asked == ["i1", "i2", "..%2Fi1"]


def test_a_look_that_fails_is_no_end() -> None:
    class Broken(FakeClient):
        async def get_status(self, instance_id: str, **_: Any) -> Any:
            raise RuntimeError("500")

    with pytest.raises(InstanceNotSeenError, match="i1") as raised:
        asyncio.run(has_ended(Broken(), "i1"))
    assert (raised.value.code, raised.value.retryable) == (ErrorCode.INSTANCE_NOT_SEEN, True)


REWOUND = [{"EventType": "GenericEvent"}]


@pytest.mark.parametrize(("history", "ended"), [([], False), (REWOUND, True), (None, True)])
def test_one_that_died_and_was_rewound_before_has_ended(
    monkeypatch: pytest.MonkeyPatch, history: list[dict[str, Any]] | None, ended: bool
) -> None:
    """A purge may come between the two looks."""
    client, now = FakeClient(), datetime.now(UTC).isoformat().replace("+00:00", "Z")
    client.instances["i1"] = {**died(0), "lastUpdatedTime": now}

    async def whole(_: TaskHub, instance_id: str) -> Mapping[str, Any]:
        return {} if history is None else {**client.instances[instance_id], "historyEvents": history}

    monkeypatch.setattr(TaskHub, "__init__", lambda _, __: None)
    monkeypatch.setattr(TaskHub, "whole", whole)
    assert asyncio.run(has_ended(client, "i1")) is ended


def test_a_thread_beside_the_loop_may_ask() -> None:
    client = FakeClient()
    client.instances["i1"] = instance()

    async def ask() -> list[bool]:
        ask = asked_from_a_thread(client)
        return await asyncio.to_thread(lambda: [ask("i1"), ask("i2")])

    assert asyncio.run(ask()) == [False, True]
