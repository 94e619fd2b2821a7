"""One local host and one emulator for a module's tests, both with clocks that run twenty times as fast as ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contracts.generations import Generation
from tests.e2e.generations import generation, per_generation
from tests.e2e.world import World

__all__ = ["generation"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test once for each generation."""
    per_generation(metafunc)


@pytest.fixture(scope="module")
def world(generation: Generation) -> Iterator[World]:
    with World() as made:
        yield made
