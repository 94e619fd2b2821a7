"""One world per worker for the fault matrix: every case has a thread of its own in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.generations import generation, per_generation
from tests.e2e.world import World
from tests.faults.matrix import EMULATOR, THREADS

__all__ = ["generation"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test once for each generation."""
    per_generation(metafunc)


@pytest.fixture(scope="session")
def shared_world() -> Iterator[World]:
    with World(speed=30, env=THREADS, emulator=EMULATOR) as world:
        yield world


@pytest.fixture
def world(shared_world: World) -> World:
    shared_world.emulator.faults.clear()
    return shared_world
