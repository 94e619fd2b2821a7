"""The console in a real browser: Debian's Chromium, before a host that asks for keys.

One browser and one host for all these tests. Playwright's loop runs as long as its browser does, and no other loop can
run beside it in a thread: so both end with this package, and not with the session.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chromium import chromium, executable
from tests.browser.hostile import AGENTS
from tests.browser.visitor import WAIT_MS, Visitor
from tests.e2e.world import World


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if executable() is None:
        missing = "no Chromium was found, in which the console is tried: apt-get install chromium"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    expect.set_options(timeout=WAIT_MS)
    with chromium() as started:
        yield started


@pytest.fixture(scope="package")
def world() -> Iterator[World]:
    approvals = {"FOUNDRY_API_VERSION": "2025-05-15-preview"}
    with World(env=approvals, args=["--auth"], emulator={"agents": AGENTS}) as made:
        yield made


@pytest.fixture
def visitor(browser: Browser, world: World) -> Iterator[Visitor]:
    """Somebody with a key, who has not typed it yet."""
    with Visitor(browser, world) as made:
        yield made
