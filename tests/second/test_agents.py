"""Agents by name, in versions."""

import pytest

from contracts.runs import AgentSummary
from foundry import errors
from foundry.credential import FixedToken
from foundry.second import ResponsesAgentService
from foundry.second.agents import name_and_version
from foundry.transport import Transport
from local.foundry_emulator import FoundryEmulator


def make(world, name, **definition):
    body = {"name": name, "definition": {"kind": "prompt", "model": "m", **definition}}
    return world.service._agents.post("/agents", body)


def test_all_pages_are_followed_whatever_version_of_the_api_is_set():
    with FoundryEmulator(filler_agents=150) as emulator:
        service = ResponsesAgentService(Transport(emulator.endpoint, "2025-05-15-preview", FixedToken("token-1")))
        found = list(service.list_agents())
    assert len(found) == len({agent.id for agent in found}) > 150
    by_id = {agent.id: agent for agent in found}
    assert by_id["history"] == AgentSummary(
        id="history", name="history", model="gpt-4o", generation="responses", version="1", kind="prompt"
    )
    assert (by_id["workflow"].kind, by_id["workflow"].model) == ("workflow", None)
    assert not by_id["disabled"].enabled


@pytest.mark.parametrize(
    ("asked", "version", "model"), [("two", "2", "new"), ("two:2", "2", "new"), ("two:1", "1", "old")]
)
def test_an_agent_is_returned_in_the_version_that_is_asked_for(world, asked, version, model):
    make(world, "two", model="old")
    make(world, "two", model="new")
    found = world.service.get_agent(asked)
    assert (found.id, found.version, found.model, found.kind) == ("two", version, model, "prompt")


@pytest.mark.parametrize("asked", ["nobody", "history:7", "My agent", "../agents", "history:../1", "", ":1"])
def test_an_agent_that_is_not_there_is_not_found(world, asked):
    with pytest.raises(errors.NotFoundError) as unknown:
        world.service.get_agent(asked)
    assert unknown.value.names_it


def test_a_disabled_agent_is_shown_as_such_in_any_version(world):
    make(world, "two")
    make(world, "two")
    world.emulator.state.named["two"].enabled = False
    assert not world.service.get_agent("two").enabled
    assert not world.service.get_agent("two:1").enabled


def test_the_project_is_asked_for_one_agent(world):
    world.service.check()
    [asked] = world.emulator.ledger().requests
    assert asked.operation == "list_named_agents"
    world.emulator.faults.add("status", operation="list_named_agents", says="role_lacking")
    with pytest.raises(errors.PermissionDeniedError):
        world.service.check()


def test_a_version_beside_the_name_wins():
    assert name_and_version("a") == ("a", None)
    assert name_and_version("a:2") == ("a", "2")
    assert name_and_version("a:2", "3") == ("a", "3")
    assert name_and_version("a:") == ("a", None)
