"""`--agents FILE`: the shipped example works, and a bad file is refused with the field's name."""

import json
from pathlib import Path

import pytest

import local.foundry_emulator
from local.foundry_emulator import Agent, Agents, AgentsFileError, FoundryEmulator
from local.foundry_emulator.scripts import (
    AgentsFile,
    Call,
    End,
    File,
    Phase,
    Quota,
    Refusal,
    Script,
    Written,
    load_agents,
)

EXAMPLE = Path(local.foundry_emulator.__file__).with_name("agents.example.json")


def test_the_example_loads_and_shows_every_field():
    loaded = load_agents(EXAMPLE)
    assert [agent.name for agent in loaded.agents] == [
        "patient", "asker", "riddler", "analyst", "stuck", "shortOfTokens", "painter",
    ]  # fmt: skip
    text = EXAMPLE.read_text()
    for struct in (AgentsFile, Agent, Script, End, Phase, Call, Refusal, Written, File, Quota):
        for field in struct.__struct_fields__:
            assert f'"{field}"' in text, f"{struct.__name__}.{field} is not shown"


def test_agents_are_added_to_the_builtin_ones_or_stand_alone(tmp_path):
    file = tmp_path / "agents.json"
    file.write_text('{"agents": [{"name": "slow", "description": "mine"}, {"name": "new"}]}')
    with FoundryEmulator(agents=file) as emulator:
        found = {one["id"]: one["does"] for one in emulator.agents()}
        assert found[Agents.SLOW] == "mine"
        assert set(found) == {*Agents, "asst_new000000000000000000000"}
    file.write_text('{"agents": [{"name": "only"}], "include_builtin": false}')
    with FoundryEmulator(agents=str(file)) as emulator:
        assert [one["name"] for one in emulator.agents()] == ["only"]


def test_agents_as_python():
    with FoundryEmulator(agents=[Agent(name="mine")]) as emulator:
        assert emulator.agents()[-1]["name"] == "mine"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "not JSON"),
        ("[]", "Expected `object`, got `array`"),
        ("{}", "missing required field `agents`"),
        ({"agents": [{}]}, r"missing required field `name` - at `\$.agents\[0\]`"),
        ({"agents": [{"name": ""}]}, r"\$.agents\[0\].name"),
        ({"agents": [{"name": "a", "nam": 1}]}, r"unknown field `nam` - at `\$.agents\[0\]`"),
        ({"agents": [{"name": "a", "id": "a"}]}, r"`id` must be asst_.*\$.agents\[0\]"),
        ({"agents": [{"name": "a"}, {"name": "a"}]}, r"two agents have the id.*\$.agents\[1\].id"),
        (
            {"agents": [{"name": "a", "script": {"phases": [{"seconds": 1}, {"seconds": "2"}]}}]},
            r"\$.agents\[0\].script.phases\[1\].seconds",
        ),
        (
            {"agents": [{"name": "a", "script": {"phases": [{"status": "queued"}]}}]},
            r"a phase needs `seconds`.*\$.agents\[0\].script.phases\[0\]",
        ),
        (
            {"agents": [{"name": "a", "script": {"end": {"status": "failed"}}}]},
            r"a failed `end` needs `code` and `message`.*script.end",
        ),
        ({"agents": [{"name": "a", "script": {"end": {"status": "incomplete"}}}]}, "needs `reason`"),
        ({"agents": [{"name": "a", "script": {"end": {"status": "lost"}}}]}, r"script.end.status"),
        ({"agents": [{"name": "a", "script": {"expires_after_seconds": 0}}]}, "expires_after_seconds"),
    ],
)
def test_bad_files_name_the_file_and_the_field(tmp_path, content, complaint):
    file = tmp_path / "agents.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(AgentsFileError, match=complaint) as refused:
        FoundryEmulator(agents=file)
    assert str(file) in str(refused.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(AgentsFileError, match=r"gone\.json: No such file"):
        FoundryEmulator(agents=tmp_path / "gone.json")
