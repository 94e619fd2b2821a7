"""Whatever agents say stays text: nothing of it runs, loads, leads astray or hides."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.hostile import BIDI, CONSENT_ADDRESS, HTML, LONG, MISLEADING_ADDRESS, SAFE_ADDRESS
from tests.browser.visitor import Visitor
from tests.e2e.generations import of_generation

BIDI_SHOWN = "invoice⟨U+202E⟩gpj.exe⟨U+2066⟩⟨U+200B⟩"


def nothing_came_alive(visitor: Visitor) -> None:
    main = visitor.page.locator("main")
    assert main.locator("img, script, iframe, b, i, svg, object, embed, style, form[action]").count() == 0
    for link in main.locator("a").all():
        address = str(link.get_attribute("href"))
        assert re.match(r"#/|https?://(?!.*@)", address), address
        if not address.startswith("#/"):
            assert (link.get_attribute("rel"), link.get_attribute("target")) == ("noopener noreferrer", "_blank")


def test_an_answer_is_text_and_its_links_lead_where_they_say(visitor: Visitor) -> None:
    run = visitor.start("hostile1", HTML)
    visitor.enter(f"#/runs/{run}")
    expect(visitor.state).to_have_text("Success")
    answer = visitor.page.locator(".card.fine .words")
    expect(answer).to_contain_text(HTML)
    links = [link.get_attribute("href") for link in answer.locator("a").all()]
    assert links == [SAFE_ADDRESS.partition("<")[0]]
    assert answer.evaluate("(e) => getComputedStyle(e).unicodeBidi") == "isolate"
    expect(visitor.page.locator("h1")).to_have_text(HTML)  # the agent's name
    expect(visitor.page.locator(".messages .user .words")).to_have_text(HTML)
    visitor.page.get_by_text("JSON").click()
    text = visitor.page.locator("details pre").inner_text()
    assert "\\u202E" in text
    assert "\u202e" not in text
    nothing_came_alive(visitor)


def test_an_error_and_a_name_are_text_and_hide_nothing(visitor: Visitor) -> None:
    run = visitor.start("hostile2")
    visitor.enter(f"#/runs/{run}")
    expect(visitor.state).to_have_text("Failed")
    error = visitor.page.locator(".card.bad")
    expect(error).to_contain_text("<script>alert('script')</script>")
    expect(error).to_contain_text(BIDI_SHOWN)
    expect(error.locator("a")).to_have_count(0)
    expect(visitor.page.locator("h1")).to_have_text(BIDI_SHOWN)
    nothing_came_alive(visitor)
    visitor.go("#/runs")
    expect(visitor.page.get_by_role("row", name=run)).to_contain_text(BIDI_SHOWN)
    nothing_came_alive(visitor)
    visitor.go("#/start")
    expect(visitor.page.locator("select option", has_text=BIDI_SHOWN)).to_have_count(1)
    nothing_came_alive(visitor)


@pytest.mark.parametrize(("name", "fields"), [("hostile3", 2), ("hostile4", 0)])
def test_what_is_to_be_approved_is_shown_as_it_is(visitor: Visitor, name: str, fields: int) -> None:
    run = visitor.start(name)
    visitor.enter("#/questions")
    card = visitor.page.get_by_label(f"Question of run {run}")
    expect(card.locator("legend").last).to_contain_text(BIDI_SHOWN)
    assert BIDI not in card.inner_text()
    expect(card.locator("pre").first).to_contain_text("alert('script')")
    expect(card.locator("textarea")).to_have_count(fields)
    nothing_came_alive(visitor)
    for field in card.locator("textarea").all():
        field.fill(HTML)
    card.get_by_role("button").first.click()
    expect(card).to_have_count(0)
    visitor.go(f"#/runs/{run}")
    expect(visitor.state).to_have_text("Success")
    nothing_came_alive(visitor)


def test_a_consent_shows_where_it_is_given_and_is_approved(visitor: Visitor) -> None:
    with of_generation("responses"):
        run = visitor.start("consents")
    visitor.enter("#/questions")
    card = visitor.page.get_by_label(f"Question of run {run}")
    expect(card.locator("legend")).to_contain_text(HTML[:60])
    link = card.locator("fieldset a")
    expect(link).to_have_text(CONSENT_ADDRESS)
    expect(link).to_have_attribute("href", CONSENT_ADDRESS)
    nothing_came_alive(visitor)
    expect(card.get_by_role("button", name="Deny")).to_have_count(0)  # the service knows no such answer
    card.get_by_role("button", name="Approve").click()
    expect(card).to_have_count(0)
    visitor.go(f"#/runs/{run}")
    expect(visitor.state).to_have_text("Success")


def test_a_consent_that_leads_astray_is_no_link_and_is_not_given_unseen(visitor: Visitor) -> None:
    with of_generation("responses"):
        run = visitor.start("misleads")
    visitor.enter(f"#/runs/{run}")
    form = visitor.page.locator("main form")
    expect(form).to_contain_text(MISLEADING_ADDRESS)
    expect(form.locator("a")).to_have_count(0)
    nothing_came_alive(visitor)
    form.get_by_label("Output of f").fill("18 degrees")
    send = form.get_by_role("button", name="Send all answers")
    send.click()
    assert form.locator("input:invalid").count() == 1
    form.get_by_label("Approve").check()
    send.click()
    expect(visitor.state).to_have_text("Success")


def test_a_text_of_a_megabyte_shows_its_beginning_first(visitor: Visitor) -> None:
    run = visitor.start("hostile5")
    visitor.enter(f"#/runs/{run}")
    expect(visitor.state).to_have_text("Success")
    card = visitor.page.locator(".card.fine")
    whole = LONG.strip()
    expect(card).to_contain_text(re.compile(r"The first 20,000 of \d{3},\d{3} characters"))
    assert len(card.locator(".words").inner_text()) <= 20_000
    card.get_by_role("button", name="Show all").click()
    expect(card.get_by_role("button")).to_have_count(0)
    assert card.locator(".words").inner_text().strip() == whole
    nothing_came_alive(visitor)
