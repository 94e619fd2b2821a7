"""One app for the examples of a module, and the client under the name that it has where it is installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.client.installed import command_in
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
    given = {"AGENT_RUNS_URL": world.host.url, "AGENT_RUNS_KEY": world.host.ready["function_key"]}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", str(command_in(tmp_path / "bin")), prepend=":")
    return given
