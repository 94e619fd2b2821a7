"""The console where Entra guards the app: the page is there for everybody, and the cookie of a sign-in does it all."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from http_api.console import PAGE, files
from http_api.other_sites import is_from_another_site
from settings import PublicAddress
from tests.browser.easy_auth import COOKIE, EasyAuth, excluded_paths
from tests.browser.test_accessibility import is_accessible
from tests.browser.visitor import Visitor
from tests.e2e.world import World


@pytest.fixture(params=[True, False], ids=["the refusal says so", "its own address says so"])
def entra(request: pytest.FixtureRequest, world: World) -> Iterator[EasyAuth]:
    with EasyAuth(world.host.url, world.host.ready["function_key"], challenges=request.param) as made:
        yield made


@pytest.fixture
def employee(browser: Browser, world: World, entra: EasyAuth) -> Iterator[Visitor]:
    with Visitor(browser, world, url=entra.url) as made:
        made.allowed.append("status of 401")
        yield made


def test_a_sign_in_leads_back_to_the_place_and_no_key_is_asked_for(employee: Visitor, entra: EasyAuth) -> None:
    run = employee.start("forever")
    employee.go(f"#/runs/{run}")
    page = employee.page
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    expect(page.get_by_label("Key")).not_to_be_visible()
    is_accessible(employee)
    page.get_by_role("link", name="Sign in").click()
    expect(employee.state).to_have_text("Running")
    assert page.url == f"{entra.url}/api/console#/runs/{run}"
    assert page.evaluate("sessionStorage.length") == 0
    page.get_by_role("button", name="Cancel the run").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the run").click()
    expect(employee.state).to_have_text("Cancelled")
    assert entra.sign_ins == 1


def test_a_session_that_ends_asks_for_a_sign_in_again(employee: Visitor, entra: EasyAuth) -> None:
    employee.go("#/runs")
    employee.page.get_by_role("link", name="Sign in").click()
    expect(employee.page.get_by_role("heading", name="Runs")).to_be_visible()
    employee.context.clear_cookies()
    employee.page.get_by_role("link", name="Sign in").click()
    expect(employee.page.get_by_role("heading", name="Runs")).to_be_visible()
    assert entra.sign_ins == 2


def test_a_form_of_another_site_cancels_nothing_with_the_cookie(employee: Visitor, entra: EasyAuth) -> None:
    run = employee.start("forever")
    employee.go(f"#/runs/{run}")
    page = employee.page
    page.get_by_role("link", name="Sign in").click()
    expect(employee.state).to_have_text("Running")
    employee.leaves_the_console()
    employee.allowed.append("status of 403")
    cancel = f"{entra.url}/api/runs/{run}/cancel"
    form = f"<form method=post enctype=text/plain action='{cancel}'></form><script>document.forms[0].submit()</script>"
    page.route("http://evil.example/", lambda route: route.fulfill(body=form, content_type="text/html"))
    with page.expect_response(cancel) as answered:
        page.goto("http://evil.example/", wait_until="commit")
    assert answered.value.status == 403  # by the local host already, which stands before the app
    assert COOKIE in entra.posted["cookie"]
    assert is_from_another_site("POST", cancel, entra.posted, PublicAddress())
    assert employee.document(run)["status"] == "Running"
    employee.world.post(f"/api/runs/{run}/cancel", {}, employee.header)


def test_an_old_browser_that_names_no_origin_cancels_nothing_with_the_cookie(world: World, entra: EasyAuth) -> None:
    connection = http.client.HTTPConnection(urlsplit(entra.url).netloc, timeout=30)
    headers = {"Content-Type": "text/plain", "Cookie": f"{COOKIE}=signed-in"}
    connection.request("POST", "/api/runs/fe0000000000-00000000000000000000/cancel", b"{}", headers)
    answer = connection.getresponse()
    assert (answer.status, b'"other_site"' in answer.read()) == (403, True)
    connection.close()


def test_all_that_the_page_needs_is_excluded_and_nothing_else() -> None:
    names = files().keys() - {PAGE}
    assert excluded_paths() == {"/api/console", "/api/console/", *(f"/api/console/{name}" for name in names)}
