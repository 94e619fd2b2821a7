"""Polysync's jobs name agents of either generation."""

from __future__ import annotations

import pytest

from tests.e2e.generations import generation, per_generation

__all__ = ["generation"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test once for each generation."""
    per_generation(metafunc)
