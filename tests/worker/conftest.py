"""These tests run where Microsoft's runtime is installed, in `.venv-worker`: `make test` makes it and runs them."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

HERE = Path(__file__).parent
HAS_RUNTIME = importlib.util.find_spec("azure_functions_runtime") is not None
WITHOUT_RUNTIME = {"test_interpreters.py", "test_commands.py"}
collect_ignore = [] if HAS_RUNTIME else [p.name for p in HERE.glob("test_*.py") if p.name not in WITHOUT_RUNTIME]

if HAS_RUNTIME:
    from tests.worker.comparison import REPOSITORY, Both

    APPS = REPOSITORY / "tests" / "functions_host"

    def pytest_report_header() -> str:
        names = ("azure-functions-runtime", "azure-functions", "azure-functions-durable", "protobuf")
        return ", ".join(f"{name} {version(name)}" for name in names)

    @pytest.fixture(scope="session")
    def product() -> Iterator[Both]:
        """The product itself, on both sides."""
        with Both(REPOSITORY) as both:
            yield both

    @pytest.fixture(scope="session")
    def sample_app() -> Iterator[Both]:
        with Both(APPS / "sample_app") as both:
            yield both

    @pytest.fixture(scope="session")
    def recorded_app() -> Iterator[Both]:
        with Both(REPOSITORY / "tests" / "recordings" / "app") as both:
            yield both
