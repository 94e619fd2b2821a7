"""The time as the host has it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

import host_clock
from local.functions_host.clock import Clock


def test_it_is_the_systems_where_no_host_tells_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(host_clock.TOLD_IN, raising=False)
    before = datetime.now(UTC), time.monotonic()
    found = host_clock.now(), host_clock.seconds()
    after = datetime.now(UTC), time.monotonic()
    assert before[0] <= found[0] <= after[0]
    assert before[1] <= found[1] <= after[1]


def test_it_is_that_of_the_local_host(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(speed=1000.0, not_before=time.time() + 86_400)
    monkeypatch.setenv(host_clock.TOLD_IN, clock.told)
    for told, of_host in (
        (lambda: host_clock.now().timestamp(), clock.timestamp),
        (host_clock.seconds, clock.timestamp),
    ):
        before, found, after = of_host(), told(), of_host()
        assert before - 1e-3 <= found <= after + 1e-3
    assert host_clock.now() > datetime.now(UTC) + timedelta(hours=23)


def test_a_sleep_is_as_long_as_the_host_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds of the host go by while it sleeps, few of ours: this one would take a day."""
    clock = Clock(speed=1e8)
    monkeypatch.setenv(host_clock.TOLD_IN, clock.told)
    before = clock.timestamp()
    asyncio.run(host_clock.sleep(86_400))
    assert clock.timestamp() - before >= 86_400
