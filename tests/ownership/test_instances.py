"""Whether an instance still goes on, as the platform tells it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.codes import ErrorCode
from ownership.instances import InstanceNotSeenError, asked_from_a_thread, goes_on, has_ended
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


def test_a_thread_beside_the_loop_may_ask() -> None:
    client = FakeClient()
    client.instances["i1"] = instance()

    async def ask() -> list[bool]:
        ask = asked_from_a_thread(client)
        return await asyncio.to_thread(lambda: [ask("i1"), ask("i2")])

    assert asyncio.run(ask()) == [False, True]
