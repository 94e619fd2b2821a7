"""Requests that a page of another site has a browser send."""

import asyncio

import azure.functions as func
import pytest

from http_api.answers import answering
from http_api.operations import OPERATIONS
from http_api.other_sites import is_from_another_site
from settings import PublicAddress

URL = "https://app.example/api/runs/a/cancel"
GATEWAY = PublicAddress(base_url="https://agents.contoso.com/foundry")
TRUSTING = PublicAddress(trusted_hosts=frozenset({"agents.contoso.com"}))
FORWARDED = {"x-forwarded-host": "agents.contoso.com", "x-forwarded-proto": "https"}

FORMS = [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
FORMS += ["text/plain; application/json", "application/jsonp", "text/plain;a=/json"]


def refused(headers, *, method="POST", url=URL, public=None):
    return is_from_another_site(method, url, headers, public or PublicAddress())


def test_a_program_that_is_no_browser_is_no_site():
    assert not refused({})
    assert not refused({"content-type": "text/plain", "x-functions-key": "k"})


@pytest.mark.parametrize("media_type", FORMS)
def test_a_session_without_an_origin_is_that_of_an_old_browser(media_type):
    headers = {"cookie": "a=b; AppServiceAuthSession=c"} | ({} if media_type is None else {"content-type": media_type})
    assert refused(headers)
    assert not refused(headers, method="GET")
    assert not refused(headers | {"content-type": "application/json"})
    assert not refused(headers | {"cookie": "a=b"})


@pytest.mark.parametrize("site", [None, "cross-site", "same-site"])
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "https://app.example.evil.example", "http://app.example"]
)
@pytest.mark.parametrize("media_type", FORMS)
def test_what_a_form_of_another_site_could_send_is_refused(site, origin, media_type):
    headers = {"origin": origin}
    if site:
        headers["sec-fetch-site"] = site
    if media_type is not None:
        headers["content-type"] = media_type
    assert refused(headers)


@pytest.mark.parametrize("key", ["x-functions-key", "authorization", "cookie"])
def test_a_key_that_a_gateway_or_the_browser_adds_changes_nothing(key):
    assert refused({"origin": "https://evil.example", key: "x"})


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
def test_a_browser_that_hides_the_origin_still_tells_the_site(site):
    assert refused({"sec-fetch-site": site})


@pytest.mark.parametrize(
    "media_type",
    ["application/json", "Application/JSON; charset=utf-8", " application/json ", "application/problem+json"],
)
def test_json_has_been_let_in_by_the_platform_before(media_type):
    assert not refused({"origin": "https://evil.example", "sec-fetch-site": "cross-site", "content-type": media_type})


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "get"])
def test_what_changes_nothing_is_not_asked(method):
    assert not refused({"origin": "https://evil.example"}, method=method)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        (URL, "https://app.example"),
        ("https://App.example:443/api/x", "https://app.example"),
        ("http://127.0.0.1:7071/api/x", "http://127.0.0.1:7071"),
        ("http://[::1]:80/api/x", "http://[::1]"),
    ],
)
def test_our_own_page_is_known_by_its_origin_where_a_browser_tells_no_site(url, origin):
    assert not refused({"origin": origin}, url=url)
    assert refused({"origin": origin + "1"}, url=url)


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_our_own_page_is_known_by_the_site_behind_any_gateway(site):
    assert not refused({"sec-fetch-site": site, "origin": "https://a-gateway-that-nobody-named.example"})


@pytest.mark.parametrize(("public", "more"), [(GATEWAY, {}), (TRUSTING, FORWARDED)])
def test_the_page_at_a_gateways_address_is_ours(public, more):
    headers = {"origin": "https://agents.contoso.com", **more}
    assert not refused(headers, public=public)
    assert not refused({**headers, "origin": "https://app.example"}, public=public)
    assert refused(headers)


def test_a_host_that_is_none_serves_no_page():
    assert refused({"origin": "http://"}, url="http:///api/x")
    assert not refused({}, url="http:///api/x")


def functions(seen):
    """A coroutine and a plain function that note what reaches them."""

    def function(req: func.HttpRequest) -> func.HttpResponse:
        seen.append(req.headers.get("content-type"))
        return func.HttpResponse(status_code=204)

    async def coroutine(req: func.HttpRequest) -> func.HttpResponse:
        return function(req)

    return [answering(function), lambda req: asyncio.run(answering(coroutine)(req=req))]


@pytest.mark.parametrize("kind", [0, 1])
def test_a_function_does_not_see_what_is_refused(kind):
    seen = []

    def post(**headers):
        given = {"Origin": "https://evil.example", **headers}
        return functions(seen)[kind](func.HttpRequest(method="POST", url=URL, headers=given, body=b""))

    answer = post()
    assert (answer.status_code, seen) == (403, [])
    assert b'"other_site"' in answer.get_body()
    assert post(**{"Content-Type": "application/json"}).status_code == 204
    assert seen == ["application/json"]


def test_every_route_that_changes_something_says_so():
    changing = [operation for operation in OPERATIONS if operation.method not in ("GET", "HEAD")]
    assert {operation.name for operation in changing} >= {"run_agent", "cancel_agent_run", "retry_agent_run"}
    for operation in changing:
        assert 403 in {answer.status for answer in operation.answers}, operation.name
