"""The same tests for each generation of the agent service: which one is the present test's, and what it cannot show."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contracts.generations import CAPABILITIES, Generation

_present: list[Generation] = ["classic"]


def present() -> Generation:
    """The generation of which the agents of the present test are."""
    return _present[-1]


def per_generation(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each generation, but for one that is marked `classic`, whose reason says why."""
    if "generation" not in metafunc.fixturenames:
        return
    mark = metafunc.definition.get_closest_marker("classic")
    skip = [pytest.mark.skip(reason=f"classic only: {mark.args[0]}")] if mark else []
    params = [pytest.param(name, marks=[] if name == "classic" else skip) for name in CAPABILITIES]
    metafunc.parametrize("generation", params, indirect=True, scope="module")


@pytest.fixture(scope="module", autouse=True)
def generation(request: pytest.FixtureRequest) -> Iterator[Generation]:
    """The generation of the test's agents."""
    _present.append(request.param)
    yield request.param
    _present.pop()
