"""The runbook by night: what it asks of the app and of Foundry works as printed, and stops an agent that runs amok."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.foundry_emulator import FoundryEmulator
from tests.docs.documents import DOCS, document
from tests.docs.shell import Command, commands, run
from tests.e2e.world import World, agent

RUNBOOK = document(DOCS / "runbook.md")
ASKS = [command for command in commands(RUNBOOK) if re.search(r"\$(URL|ENDPOINT)/", command.text)]
AMOK = agent("forever")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("curl") is None, reason="the runbook calls the app with curl"),
]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as made:
        yield made


def test_an_agent_that_runs_amok_is_found_stopped_and_looked_at(world: World, tmp_path: Path) -> None:
    amok = [world.start("forever", f"message {number}") for number in range(3)]
    bystander = world.start("tool")
    for instance in (*amok, bystander):
        world.until(instance, lambda document: document["run_id"])
    printed = session(world.host.url, world.emulator.endpoint, amok[0], tmp_path)

    assert f'3 "agent_id":"{AMOK}"' in printed['status=Running&limit=100" | grep -o \'"agent_id"']
    assert '"cancelled":3' in printed["/api/runs/cancel"]
    assert [world.end(instance)["status"] for instance in amok] == ["Cancelled"] * 3
    assert world.document(bystander)["status"] == "Running"
    others = printed["OTHERS="].split(",")
    assert agent("tool") in others
    assert AMOK not in others
    assert sorted(printed["agent_id=$AGENT&limit=100"].split()) == sorted(amok)
    assert "stopped by the operator" in printed["events steps"]
    assert "message 0" in printed["/messages"]


def test_the_app_and_its_runs_are_looked_at(world: World, tmp_path: Path) -> None:
    waits = world.start("tool")
    world.until(waits, lambda document: document["required_action"])
    printed = session(world.host.url, world.emulator.endpoint, waits, tmp_path)
    assert '"ready":true' in printed["/health/ready"]
    assert printed["/api/health\n"].split() == ["200"]
    assert '"last_hour":{"Running":' in printed["/api/runs/counts"]
    assert re.search(r'\d+ "step":"get_run"', printed['"(runtimeStatus|step)"'])
    failed = world.run("fails")
    printed = session(world.host.url, world.emulator.endpoint, failed["instanceId"], tmp_path)
    assert '"code":"server_error"' in printed["status=Failed"]


@pytest.mark.parametrize(
    ("generations", "codes"),
    [("classic,responses", ["assistants 200", "agents 200"]), ("responses", ["assistants 404", "agents 200"])],
)
def test_it_is_seen_which_generation_of_agents_is_gone(
    world: World, tmp_path: Path, generations: str, codes: list[str]
) -> None:
    with FoundryEmulator(generations=generations.split(",")) as foundry:
        printed = session(world.host.url, foundry.endpoint, world.start("instant"), tmp_path)
    assert printed["$ENDPOINT/$path"].splitlines() == codes


class Printed(dict[str, str]):
    """What each command printed; picked by a part of its text, of the first one that has it."""

    def __missing__(self, part: str) -> str:
        return next(output for text, output in self.items() if part in f"{text}\n")


def session(url: str, endpoint: str, instance: str, folder: Path) -> Printed:
    """Run all that the runbook asks, in its order."""
    given = Command(f"URL={url} KEY=none ENDPOINT={endpoint} TOKEN=a-token-for-the-emulator")
    asks = [
        Command(command.text.replace("<id of the agent>", AMOK).replace("<id of the run>", instance))
        for command in ASKS
    ]
    outputs = run([given, *asks], addresses={}, folder=folder)
    return Printed(zip((command.text for command in ASKS), outputs[1:], strict=True))
