"""One local host and one emulator for a module's tests, both with clocks that run twenty times as fast as ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.world import World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as made:
        yield made
