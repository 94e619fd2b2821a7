"""The same app on the real Functions host, where Azure Functions Core Tools and Azurite are installed."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import requests

from local.foundry_emulator import FoundryEmulator
from tests.e2e.real_host import missing, real_host
from tests.e2e.world import agent

MISSING = missing()

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(MISSING), reason=f"needs the real host: {', '.join(MISSING)} not installed"),
]
RUNS_ONCE = "concerns the host, not the agent service"


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with FoundryEmulator() as emulator, real_host(emulator.endpoint) as url:
        yield url


def ended(uri: str) -> dict[str, object]:
    for _ in range(120):
        answer = requests.get(uri, timeout=10)
        if answer.status_code == 200:
            return dict(answer.json())
        time.sleep(1)
    raise AssertionError(answer.text)


def test_a_run_on_the_real_host(host: str) -> None:
    body = {"agent_id": agent("history"), "user_message": "Why is the sky blue?"}
    accepted = requests.post(f"{host}/api/run_agent", json=body, timeout=30).json()
    document = ended(accepted["runUri"])
    assert document["status"] == "Success"
    assert document["runtimeStatus"] == "Completed"


def test_a_cancel_on_the_real_host(host: str) -> None:
    body = {"agent_id": agent("forever"), "user_message": "hi"}
    accepted = requests.post(f"{host}/api/run_agent", json=body, timeout=30).json()
    assert requests.post(accepted["cancelPostUri"], timeout=30).status_code == 202
    assert ended(accepted["runUri"])["runtimeStatus"] == "Terminated"
