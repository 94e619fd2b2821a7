"""One app for the examples of a module, and the client under the name that it has where it is installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.e2e.world import World
from tests.functions_host.harness import REPOSITORY

EXAMPLES = REPOSITORY / "examples"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(args=["--auth"]) as made:
        yield made


@pytest.fixture
def environment(world: World, tmp_path, monkeypatch) -> dict[str, str]:
    """What a script finds: the app, its key, and the command as `pip install .` makes it."""
    command = tmp_path / "bin" / "agent-runs"
    command.parent.mkdir()
    code = 'from client.command import main; import sys; sys.exit(main("agent-runs"))'
    command.write_text(f"#!/bin/sh\nPYTHONPATH={REPOSITORY} exec {sys.executable} -c '{code}' \"$@\"\n")
    command.chmod(0o755)
    given = {"AGENT_RUNS_URL": world.host.url, "AGENT_RUNS_KEY": world.host.ready["function_key"]}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", str(command.parent), prepend=":")
    return given
