"""Hosts that several tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functions_host.harness import HostProcess

SAMPLE_APP = Path(__file__).parent / "sample_app"
NEVER = {"TICK_SCHEDULE": "0 0 0 1 1 *"}


@pytest.fixture(scope="module")
def host() -> Iterator[HostProcess]:
    """The sample app, its clock twenty times as fast."""
    with HostProcess(SAMPLE_APP, env=NEVER, args=("--clock-speed", "20")) as running:
        yield running


@pytest.fixture(scope="module")
def keyed_host() -> Iterator[HostProcess]:
    """The sample app behind keys."""
    with HostProcess(SAMPLE_APP, env=NEVER, args=("--auth", "--clock-speed", "20")) as running:
        yield running
