"""Every view in both themes, judged by axe-core: names, roles, contrast, structure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Literal

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.visitor import Visitor
from tests.e2e.world import World

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module", params=["light", "dark"])
def judged(request: pytest.FixtureRequest, browser: Browser, world: World) -> Iterator[Visitor]:
    theme: Literal["light", "dark"] = request.param
    with Visitor(browser, world, theme) as made:
        made.allowed.append("status of 40[14]")
        yield made


def is_accessible(visitor: Visitor) -> None:
    """Assert that axe-core finds nothing."""
    page = visitor.page
    page.evaluate(AXE)
    found = page.evaluate("(rules) => axe.run({runOnly: rules})", RULES)
    assert len(found["passes"]) > 10
    wrong = [(v["id"], v["help"], [node["html"][:200] for node in v["nodes"]]) for v in found["violations"]]
    assert not wrong, wrong


def a_run_that(state: str, agent: str) -> Callable[[Visitor], None]:
    def open_it(visitor: Visitor) -> None:
        run = visitor.start(agent)
        visitor.go(f"#/runs/{run}")
        expect(visitor.state).to_have_text(state)
        expect(visitor.page.locator(".timeline")).to_be_visible()
        expect(visitor.page.locator(".messages li").first).to_be_visible()

    return open_it


def the_door(visitor: Visitor) -> None:
    visitor.go()
    visitor.type_key("wrong-key-of-somebody")
    visitor.sees("The app refuses this key.")
    is_accessible(visitor)
    visitor.type_key(visitor.key)


def the_runs(visitor: Visitor) -> None:
    visitor.start("fails")
    visitor.go("#/runs")
    expect(visitor.page.locator("tbody tr").first).to_be_visible()
    expect(visitor.page.locator(".counts")).to_be_visible()


def no_runs(visitor: Visitor) -> None:
    visitor.go("#/runs?thread_id=thread_none")
    visitor.sees("No run fits these filters.")


def the_questions(visitor: Visitor) -> None:
    visitor.start("tool")
    visitor.start("mcpApproval")
    visitor.go("#/questions")
    expect(visitor.page.locator("textarea").first).to_be_visible()
    expect(visitor.page.get_by_role("button", name="Deny").first).to_be_visible()


def the_start(visitor: Visitor) -> None:
    visitor.go("#/start?thread_id=thread_a")
    expect(visitor.page.locator("option").nth(5)).to_be_attached()


def the_cancel(visitor: Visitor) -> None:
    a_run_that("Running", "forever")(visitor)
    visitor.page.get_by_role("button", name="Cancel the run").click()
    expect(visitor.page.get_by_role("dialog")).to_be_visible()


def no_run(visitor: Visitor) -> None:
    visitor.go("#/runs/fe0000000000-00000000000000000000")
    visitor.sees("There is no run with this id", "main")


VIEWS = {
    "the door": the_door,  # the key is typed there
    "the runs": the_runs,
    "no runs": no_runs,
    "a run that succeeded": a_run_that("Success", "history"),
    "a run that failed": a_run_that("Failed", "fails"),
    "a run that asks": a_run_that("Needs an answer", "tool"),
    "the questions": the_questions,
    "the start": the_start,
    "the cancel": the_cancel,
    "no run": no_run,
}


def test_axe_core_finds_nothing_in_any_view(judged: Visitor) -> None:
    for name, open_it in VIEWS.items():
        open_it(judged)
        try:
            is_accessible(judged)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None


def test_axe_core_would_find_something(judged: Visitor) -> None:
    judged.page.evaluate("document.querySelector('main').append(document.createElement('button'))")
    with pytest.raises(AssertionError, match="button-name"):
        is_accessible(judged)
