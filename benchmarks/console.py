"""`python -m benchmarks.console [--runs N]`: how soon the console is there, and the list of many runs. Needs Chromium.

One run is run on the local host; its instance is then copied, with other ids and times, since ten thousand real ones
would take an hour. Times in milliseconds, the median of several loads of a fresh browser context.
"""

from __future__ import annotations

import argparse
import secrets
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from playwright.sync_api import Browser, expect

from http_api.instance_ids import RANDOM_BYTES, instance_id
from local.functions_host.store import Store
from tests.browser.chromium import chromium
from tests.e2e.world import World

LOADS = 15
WAIT_MS = 60_000
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
SENT = "performance.getEntriesByType('resource').reduce((sum, entry) => sum + entry.transferSize, 0)"


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="Measure the console with many runs.")
    parser.add_argument("--runs", type=int, default=10_000)
    runs: int = parser.parse_args().runs
    with World(args=["--auth"]) as world:
        header = {"x-functions-key": world.host.ready["function_key"]}
        body = {"agent_id": "asst_instant00000000000000000", "user_message": "hello"}
        started = world.host.request("POST", "/api/run_agent", body, headers={**header, "Prefer": "wait=60"})
        world.host.stop()
        copy(world.host.db, started.json["instanceId"], runs - 1)
        world.host.start()

        def listed() -> float:
            began = time.perf_counter()
            page = world.host.request("GET", "/api/runs?limit=50", headers=header).json
            assert (len(page["runs"]), page["partial"]) == (50, False)
            return (time.perf_counter() - began) * 1000

        print(f"| list of {runs:,} runs, first 50 | {median(listed)} |")
        with chromium() as browser:
            shown = [loaded(browser, world.host.url, header["x-functions-key"]) for _ in range(LOADS)]
        for what, values in zip(
            ("first paint", "first row of the list", "bytes sent"), zip(*shown, strict=True), strict=True
        ):
            print(f"| {what} | {statistics.median(values):,.0f} |")


def copy(database: str, original_id: str, times: int) -> None:
    """Put copies of an instance that has ended into the state of a host that is stopped, a minute between two."""
    with closing(Store(database)) as store, store.transaction():
        original, history = store.instance(original_id), store.history(original_id)
        assert original is not None
        for number in range(1, times + 1):
            earlier = number * 60.0
            moved = instance_id(int((original.created - earlier) * 1000), secrets.token_bytes(RANDOM_BYTES))
            store.save_instance(
                replace(
                    original, instance_id=moved, created=original.created - earlier, updated=original.updated - earlier
                )
            )
            store.append_history(moved, 0, history)


def loaded(browser: Browser, url: str, key: str) -> tuple[float, float, float]:
    """Load the console anew; return when it was painted, when its list stood there, and what was sent."""
    with browser.new_context() as context:
        context.add_init_script(f"sessionStorage.setItem('functions-key', '{key}')")
        page = context.new_page()
        page.goto(f"{url}/api/console")
        expect(page.locator("tbody tr").first).to_be_visible(timeout=WAIT_MS)
        return page.evaluate(PAINT), page.evaluate("performance.now()"), page.evaluate(SENT)


def median(measure: Callable[[], float]) -> str:
    """Return the median of several measurements."""
    return f"{statistics.median(measure() for _ in range(LOADS)):,.0f}"


if __name__ == "__main__":
    main()
