from pathlib import Path

import pytest

from local.start import emulator_arguments


@pytest.mark.parametrize(
    ("state", "agents", "expected"),
    [
        (None, None, []),
        (None, "mine.json", ["--agents", "mine.json"]),
        (Path("/a/state.db"), None, ["--db", "/a/state.foundry.db"]),
        (Path("/a/state"), "mine.json", ["--db", "/a/state.foundry", "--agents", "mine.json"]),
    ],
)
def test_the_emulators_file_belongs_to_the_hosts_state(state, agents, expected):
    assert emulator_arguments(state, agents) == expected
