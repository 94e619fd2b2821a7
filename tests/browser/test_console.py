"""What people do in the console, from the start of a run to its end."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.visitor import Visitor
from tests.e2e.world import World, agent


def test_a_run_is_started_asks_is_answered_and_ends(visitor: Visitor) -> None:
    visitor.enter("#/start")
    page = visitor.page
    page.locator("select[name=agent_id]").select_option(agent("tool"))
    page.get_by_label("Message").fill("How warm is it in Oslo?")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url(re.compile(r"#/runs/[0-9a-f-]+$"))
    visitor.sees("What does get_weather return?")
    expect(page.locator("pre").first).to_have_text(re.compile('"city": "Oslo"'))
    assert visitor.state.inner_text() == "Needs an answer"
    page.get_by_label("Output of get_weather").fill("18 degrees")
    page.get_by_role("button", name="Send the answer").click()
    expect(visitor.state).to_have_text("Success")
    expect(page.locator("section").filter(has=page.get_by_role("heading", name="Answer"))).to_contain_text("18 degrees")
    expect(page.locator(".timeline li").last).to_contain_text("Success")
    expect(page.locator(".messages .user")).to_contain_text("How warm is it in Oslo?")
    page.get_by_text("JSON").click()
    expect(page.locator("details pre")).to_contain_text('"status": "Success"')
    assert visitor.document(page.url.rsplit("/", 1)[1])["status"] == "Success"


@pytest.mark.parametrize("word", ["Approve", "Deny"])
def test_an_approval_is_given_or_denied_among_the_questions(visitor: Visitor, word: str) -> None:
    run = visitor.start("mcpApproval", "Search for the sky")
    visitor.enter("#/questions")
    card = visitor.page.get_by_label(f"Question of run {run}")
    expect(card).to_contain_text("May search_issues of the server github be called?")
    card.get_by_role("button", name=word).click()
    expect(card).to_have_count(0)
    visitor.page.goto(f"{visitor.world.host.url}/api/console#/runs/{run}")
    expect(visitor.state).to_have_text("Success")
    visitor.sees(re.compile("approved" if word == "Approve" else "denied|refused|not approved"), ".card.fine")


def test_a_run_is_cancelled_for_a_reason_and_run_again(visitor: Visitor) -> None:
    run = visitor.start("forever")
    visitor.enter(f"#/runs/{run}")
    page = visitor.page
    page.get_by_role("button", name="Cancel the run").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)  # not only closed: who presses within that moment opens nothing
    expect(page.get_by_role("button", name="Cancel the run")).to_be_focused()
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Let it run").click()
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Cancel the run")).to_be_focused()
    page.keyboard.press("Enter")
    dialog.get_by_label("Reason").fill("Nobody waits for it.")
    page.keyboard.press("Enter")
    expect(visitor.state).to_have_text("Cancelled")
    visitor.sees(re.compile("Nobody waits for it."), ".card.bad")
    expect(page.locator(".timeline li").last).to_contain_text("Cancelled")
    page.get_by_role("button", name="Run it again").click()
    page.wait_for_url(lambda url: "#/runs/" in url and not url.endswith(run))
    expect(visitor.state).to_have_text("Running")
    again = page.url.rsplit("/", 1)[1]
    visitor.world.post(f"/api/runs/{again}/cancel", {}, visitor.header)
    expect(visitor.state).to_have_text("Cancelled")


def test_a_long_run_shows_sums_and_how_often_a_step_was_tried(visitor: Visitor) -> None:
    run = visitor.start("instant")
    at = {"started": "2026-11-21T10:00:00.000Z", "ended": "2026-11-21T10:00:05.000Z", "duration_seconds": 5}
    failed = {**at, "error": {"code": "service_unavailable", "message": ""}}
    events = [
        {**at, "id": "a", "kind": "step", "step": "create_run", "state": "done", "attempts": [failed], "tries": 7},
        {**at, "id": "b", "kind": "earlier", "state": "done", "looks": 84, "runs": 0, "questions": 1},
        {**at, "id": "c", "kind": "earlier", "state": "done", "looks": 15, "runs": 1, "questions": 0},
    ]
    told = {"status": "Running", "step": "get_run", "events": events, "next": ""}
    visitor.page.route("**/events", lambda route: route.fulfill(json=told))
    visitor.enter(f"#/runs/{run}")
    expect(visitor.page.locator(".timeline .what")).to_have_text(
        [re.compile("7 attempts"), "in sum: 1 question, 84 looks", "in sum: 15 looks"]
    )
    expect(visitor.page.locator(".timeline li").first).to_contain_text("service_unavailable")


def test_a_reload_keeps_key_and_place_and_another_tab_has_neither(visitor: Visitor, browser: Browser) -> None:
    run = visitor.start("instant")
    visitor.enter(f"#/runs/{run}")
    expect(visitor.state).to_have_text("Success")
    visitor.page.reload()
    expect(visitor.state).to_have_text("Success")
    with Visitor(browser, visitor.world) as other:
        other.allowed.append("status of 401")
        other.go(f"#/runs/{run}")
        expect(other.page.get_by_label("Key")).to_be_visible()


def test_a_wrong_key_is_refused_and_a_key_is_forgotten(visitor: Visitor) -> None:
    visitor.allowed.append("status of 401")
    visitor.go("#/runs")
    visitor.type_key("no key")
    visitor.sees("This is no key")
    visitor.type_key("wrong-key-of-somebody")
    visitor.sees("The app refuses this key.")
    visitor.type_key(visitor.key)
    visitor.sees(re.compile("^Runs$"))
    visitor.page.get_by_role("button", name="Forget the key").click()
    expect(visitor.page.get_by_label("Key")).to_be_visible()
    assert visitor.page.evaluate("sessionStorage.length") == 0


def test_a_host_that_goes_away_is_told_and_what_was_seen_stays(visitor: Visitor) -> None:
    visitor.allowed += ["ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "ERR_SOCKET"]
    run = visitor.start("forever")
    visitor.enter(f"#/runs/{run}")
    expect(visitor.state).to_have_text("Running")
    visitor.world.host.kill()
    visitor.sees(re.compile("The app has not answered since"), "[role=status]")
    expect(visitor.state).to_have_text("Running")
    visitor.world.host.start()
    expect(visitor.page.locator("[role=status]")).to_be_empty(timeout=30_000)
    visitor.world.post(f"/api/runs/{run}/cancel", {}, visitor.header)
    expect(visitor.state).to_have_text("Cancelled")


def test_the_list_is_filtered_lives_and_turns_pages(visitor: Visitor) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: visitor.start("instant"), range(51)))
    visitor.enter("#/runs")
    page = visitor.page
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(50)
    first = rows.first.inner_text()
    page.get_by_role("button", name="Older").click()
    expect(rows.first).not_to_have_text(first)
    page.get_by_role("button", name="Newer").click()
    expect(rows).to_have_count(50)
    page.locator("select[name=agent_id]").select_option(agent("forever"))
    page.wait_for_url(re.compile("#/runs.agent_id=asst_forever"))
    page.locator("select[name=status]").select_option("Running")
    page.wait_for_url(re.compile("status=Running"))
    visitor.sees("No run fits these filters.")
    run = visitor.start("forever")
    expect(rows).to_have_count(1)  # nobody has asked for it
    expect(rows.first).to_contain_text(run)
    page.go_back()
    page.wait_for_url(lambda url: "status" not in url)
    expect(page.locator("select[name=status]")).to_have_value("")
    visitor.world.post(f"/api/runs/{run}/cancel", {}, visitor.header)


def test_a_run_that_is_not_there_and_an_address_that_is_none_are_told(visitor: Visitor) -> None:
    visitor.allowed.append("status of 404")
    visitor.enter("#/runs/fe0000000000-00000000000000000000")
    visitor.sees(re.compile("There is no run with this id. Its history was purged"))
    for odd in ("#/runs/%E0%A4%A", "#/runs/..%2F..%2Fhealth", "#/runs/a%3Fb"):
        visitor.go(odd)
        visitor.sees(re.compile("There is no run with this id"))
    visitor.go("#/nowhere")
    visitor.sees(re.compile("There is nothing at this address"))


def test_everything_is_within_reach_of_the_keyboard(visitor: Visitor) -> None:
    run = visitor.start("instant")
    visitor.enter("#/runs")
    page = visitor.page
    expect(page.get_by_role("link", name=run)).to_be_visible()
    page.reload()
    expect(page.get_by_role("link", name=run)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.get_by_role("link", name=run).focus()
    page.keyboard.press("Enter")
    expect(visitor.state).to_have_text("Success")
    expect(page).to_have_title(re.compile(run))
    page.get_by_role("link", name="Questions").press("Enter")
    expect(page.get_by_role("heading", name="Questions")).to_be_focused()


def test_a_question_keeps_what_was_typed_while_the_page_looks_again(visitor: Visitor) -> None:
    run = visitor.start("tool")
    visitor.enter(f"#/runs/{run}")
    output = visitor.page.get_by_label("Output of get_weather")
    output.fill("18 deg")
    with visitor.page.expect_response(re.compile(f"/api/runs/{run}$")):
        pass
    with visitor.page.expect_response(re.compile(f"/api/runs/{run}$")):
        pass
    expect(output).to_have_value("18 deg")
    output.fill("18 degrees")
    visitor.page.get_by_role("button", name="Send the answer").click()
    expect(visitor.state).to_have_text("Success")


def test_a_start_whose_answer_was_lost_starts_nothing_twice(visitor: Visitor, world: World) -> None:
    visitor.allowed.append("ERR_FAILED")
    visitor.enter("#/start")
    page, before = visitor.page, len(world.emulator.ledger().threads)
    page.locator("select[name=agent_id]").select_option(agent("instant"))
    page.get_by_label("Message").fill("once")
    lost = []

    def lose(route):
        lost.append(route.fetch().status)
        route.abort()

    page.route("**/api/run_agent", lose, times=1)
    page.get_by_role("button", name="Start").click()
    visitor.sees("The app does not answer.")
    assert lost == [202]
    page.get_by_role("button", name="Start").click()
    expect(visitor.state).to_have_text("Success")
    assert len(world.emulator.ledger().threads) == before + 1


def test_a_long_timeline_shows_its_end_until_all_of_it_is_asked_for(visitor: Visitor) -> None:
    run = visitor.start("forever")
    visitor.enter("#/questions")
    page = visitor.page

    def lengthen(route):
        timeline = route.fetch().json()
        events = [{**timeline["events"][0], "id": f"e{number}"} for number in range(70)]
        route.fulfill(json={**timeline, "events": [*events[:-1], {**events[-1], "kind": "step", "step": "the_last"}]})

    page.route("**/events", lengthen)
    visitor.go(f"#/runs/{run}")
    rows = page.locator(".timeline li")
    expect(rows).to_have_count(50)
    expect(rows.last).to_contain_text("the last")
    visitor.sees("The last 50 of 70.")
    page.get_by_role("button", name="Show all").click()
    expect(rows).to_have_count(70)
    visitor.world.post(f"/api/runs/{run}/cancel", {}, visitor.header)
    expect(visitor.state).to_have_text("Cancelled")
    expect(rows).to_have_count(70)


def test_a_run_that_waits_for_its_turn_says_for_which(visitor: Visitor) -> None:
    owner = visitor.start("forever")
    visitor.enter(f"#/runs/{owner}")
    visitor.sees(re.compile("thread_"), ".facts")
    thread = visitor.document(owner)["thread_id"]
    body = {"agent_id": agent("instant"), "user_message": "next", "thread_id": thread}
    run = visitor.world.post("/api/run_agent", body, visitor.header).json["id"]
    visitor.go(f"#/runs/{run}")
    visitor.sees(re.compile(f"It waits for {owner}"))
    visitor.sees("waits for its turn", ".facts")
    expect(visitor.page.locator("main")).not_to_contain_text("It tries again after")
    visitor.sees(re.compile(r"thread_busy .*\(\d+ times\)"), ".timeline")
    visitor.go("#/runs")
    expect(visitor.page.locator("tr").filter(has_text=run)).to_contain_text("waits for its turn")
    for one in (run, owner):
        visitor.world.post(f"/api/runs/{one}/cancel", {}, visitor.header)


def test_nothing_is_wider_than_a_telephone(visitor: Visitor) -> None:
    run = visitor.start("tool")
    visitor.page.set_viewport_size({"width": 375, "height": 700})
    visitor.enter("#/runs")
    for place, shown in (
        ("#/runs", "tbody tr"),
        ("#/questions", "textarea"),
        ("#/start", "form"),
        (f"#/runs/{run}", "textarea"),
    ):
        visitor.go(place)
        expect(visitor.page.locator(shown).first).to_be_visible()
        assert visitor.page.evaluate("document.documentElement.scrollWidth") == 375, place
    assert visitor.page.locator(".top").bounding_box()["height"] < 100


def test_all_modules_are_loaded_before_the_first_one_says_which_it_needs(visitor: Visitor) -> None:
    held, page = [], visitor.page

    def hold(route):
        held.append(route)

    page.route("**/console/app.mjs", hold)
    with page.expect_request("**/console/timeline.mjs"):
        page.goto(f"{visitor.url}/api/console", wait_until="commit")
    visitor.allowed.append("status of 401")
    page.wait_for_function("document.querySelector('#app') !== null")
    held[0].continue_()
    expect(page.get_by_label("Key")).to_be_visible()
