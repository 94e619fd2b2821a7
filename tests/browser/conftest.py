"""The console in a real browser: Debian's Chromium, before a host that asks for keys.

One browser and one host for all these tests. Playwright's loop runs as long as its browser does, and no other loop can
run beside it in a thread: so both end with this package, and not with the session.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.hostile import AGENTS
from tests.browser.visitor import WAIT_MS, Visitor
from tests.e2e.world import World

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        missing = "no Chromium was found, in which the console is tried: apt-get install chromium"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    as_root = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=as_root)
        expect.set_options(timeout=WAIT_MS)
        yield started
        started.close()


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
