"""A host that asks for keys, as on Azure, with a few agents that may be run, and what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.world import World, agent
from tests.openapi.description import Description

ALLOWED = ("instant", "silent", "fails", "rich", "tool", "forever")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(env={"FOUNDRY_ALLOWED_AGENT_IDS": ",".join(map(agent, ALLOWED))}, args=["--auth"]) as made:
        yield made


@pytest.fixture(scope="module")
def key(world: World) -> dict[str, str]:
    """The header that opens the functions."""
    return {"x-functions-key": world.host.ready["function_key"]}


@pytest.fixture(scope="module")
def description(world: World, key: dict[str, str]) -> Description:
    answer = world.host.request("GET", "/api/openapi.json", headers=key)
    assert answer.status == 200, answer.text
    return Description(answer.json)
