"""Makes the pictures of the console in docs/pictures, in both themes, from the running page: `make pictures`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from playwright.sync_api import expect

from local.foundry_emulator.scripts import Agent, Answer, Call, End, Phase, Script
from tests.browser.chromium import chromium
from tests.browser.visitor import Visitor
from tests.e2e.world import World
from tests.functions_host.harness import REPOSITORY

FOLDER = REPOSITORY / "docs" / "pictures"
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

_WEATHER = Call(name="get_weather", arguments={"city": "Oslo", "day": "2026-12-04"})
_PAYMENT = Call(
    type="mcp", name="pay_invoice", server_label="erp", arguments={"invoice": "2026-1187", "amount": "1,240.00 EUR"}
)
_ADVICE = """Pack for frost: on Friday Oslo has -4 to 1 degrees and light snow.

The airport train leaves every ten minutes and takes 19; from the main station it is a short walk to the hotel. Dinner
is at seven, so the flight at 15:25 is early enough. Timetable: https://flytoget.example/oslo"""
AGENTS = [
    Agent(
        name="Travel desk",
        id="asst_travel000000000000000000",
        script=Script(
            phases=(Phase(seconds=2), Phase(calls=(_WEATHER,)), Phase(seconds=3)),
            answer=Answer(kind="text", text=_ADVICE),
        ),
    ),
    Agent(
        name="Invoice checker",
        id="asst_invoice00000000000000000",
        script=Script(phases=(Phase(seconds=1), Phase(calls=(_PAYMENT,)))),
    ),
    Agent(name="Market research", id="asst_market000000000000000000", script=Script(phases=(Phase(seconds=500),))),
    Agent(
        name="Support triage",
        id="asst_triage000000000000000000",
        script=Script(
            phases=(Phase(seconds=1),),
            end=End(status="failed", code="content_filter", message="The answer was held back by the content filter."),
        ),
    ),
    Agent(
        name="Translator",
        id="asst_translator00000000000000",
        script=Script(phases=(Phase(seconds=1),), answer=Answer(kind="text", text="Guten Morgen.")),
    ),
]


def main() -> None:
    """Take a picture of every view in both themes."""
    approvals = {"FOUNDRY_API_VERSION": "2025-05-15-preview"}
    with World(speed=1, env=approvals, args=["--auth"], emulator={"agents": AGENTS}) as world, chromium() as browser:
        with Visitor(browser, world) as visitor:
            run = _live(visitor)
        for theme in THEMES:
            with Visitor(browser, world, theme) as visitor:
                visitor.page.set_viewport_size({"width": 1180, "height": 760})
                _take(visitor, run)


def _live(visitor: Visitor) -> str:
    """Fill the console as a morning does; return the run that is shown."""
    for name in ("translator", "triage", "translator", "translator"):
        visitor.start(name, "Good morning.")
    run = visitor.start("travel", "I fly to Oslo on Friday. What do I pack, and is 15:25 early enough?")
    visitor.enter(f"#/runs/{run}")
    visitor.page.get_by_label("Output of get_weather").fill("-4 to 1 degrees, light snow")
    visitor.page.get_by_role("button", name="Send the answer").click()
    expect(visitor.state).to_have_text("Success", timeout=60_000)
    visitor.start("market", "What do our competitors charge?")
    visitor.start("invoice", "Check the invoices of this week.")
    visitor.start("travel", "And to Bergen?")
    visitor.go("#/questions")
    expect(visitor.page.get_by_role("button", name="Approve")).to_be_visible(timeout=60_000)
    expect(visitor.page.get_by_role("button", name="Send the answer")).to_be_visible(timeout=60_000)
    return run


def _take(visitor: Visitor, run: str) -> None:
    visitor.enter("#/runs")
    expect(visitor.page.locator("tbody tr")).to_have_count(8)
    expect(visitor.page.locator(".counts")).to_be_visible()
    _save(visitor, "runs")
    visitor.go("#/questions")
    expect(visitor.page.get_by_role("button", name="Approve")).to_be_visible()
    expect(visitor.page.get_by_label("Output of get_weather")).to_be_visible()
    _save(visitor, "questions")
    visitor.go(f"#/runs/{run}")
    expect(visitor.page.locator(".messages li")).to_have_count(2)
    expect(visitor.page.locator(".timeline li").last).to_contain_text("Success")
    _save(visitor, "run")


def _save(visitor: Visitor, view: str) -> None:
    path = Path(FOLDER, f"console-{view}-{visitor.theme}.png")
    visitor.page.screenshot(path=path)
    print(path.relative_to(REPOSITORY))  # noqa: T201 - a command-line program


if __name__ == "__main__":
    main()
