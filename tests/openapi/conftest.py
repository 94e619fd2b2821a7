"""A host that asks for keys, as on Azure, with a few agents that may be run, and what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.foundry_emulator.scripts import Agent, Call, Phase, Refusal, Script
from tests.e2e.world import World, agent
from tests.openapi.description import Description

_WEATHER = Call(name="get_weather", arguments={"city": "Oslo"})
AGENTS = [
    Agent(name="picky", script=Script(phases=(Phase(calls=(_WEATHER,), refuses=Refusal(message="too long")),))),
    Agent(name="clicks", script=Script(phases=(Phase(calls=(Call(type="computer_use_preview"),)),))),
]
CLASSIC = ("instant", "silent", "fails", "rich", "tool", "forever", *(each.name for each in AGENTS))
SECOND = ("fails", "history")
"""Named, they are agents of the second generation."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    allowed = {"FOUNDRY_ALLOWED_AGENT_IDS": ",".join([*map(agent, CLASSIC), *SECOND])}
    with World(env=allowed, args=["--auth"], emulator={"agents": AGENTS}) as made:
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
