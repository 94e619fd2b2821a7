"""The console's two routes: what they hand over, under which headers, and to whom not."""

import asyncio
import re

import azure.functions as func
import pytest

from http_api import console
from http_api.console import HEADERS, files, is_known


def get(path="console", headers=None):
    file = path.partition("console/")[2]
    request = func.HttpRequest(
        method="GET",
        url=f"https://app.example/api/{path}",
        headers=headers or {},
        route_params={"file": file} if file else {},
        body=b"",
    )
    function = console.console_file if file else console.console
    return asyncio.run(function._function.get_user_function()(req=request))


def test_the_policy_is_the_one_of_the_issue():
    assert get().headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    )


@pytest.mark.parametrize(
    "path", ["console", "console/", *(f"console/{name}" for name in files() if name != "index.html")]
)
@pytest.mark.parametrize("tag", ["", '"another"', "*"])
def test_every_answer_has_the_headers(path, tag):
    answer = get(path, {"if-none-match": tag} if tag else {})
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_a_file_is_named_by_its_content_and_not_sent_again():
    answer = get("console/console.css")
    assert (answer.status_code, answer.get_body()) == (200, files()["console.css"].content)
    assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
    again = get("console/console.css", {"if-none-match": answer.headers["ETag"]})
    assert (again.status_code, again.get_body(), again.headers["ETag"]) == (304, b"", answer.headers["ETag"])
    assert len({file.tag for file in files().values()}) == len(files())


def test_the_page_names_every_module_to_load_at_once_and_only_these():
    named = re.findall(r"<console/([^>]+)>; rel=modulepreload(?:, |$)", get().headers["Link"])
    assert named == [name for name in files() if name.endswith(".mjs")]
    assert "Link" not in get("console/app.mjs").headers


@pytest.mark.parametrize(
    ("given", "known"),
    [(None, False), ("", False), ('"b"', False), ('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True)],
)
def test_what_a_browser_holds_is_known_by_its_tag(given, known):
    assert is_known('"a"', given) is known


@pytest.mark.parametrize(
    "name", ["vendored.json", "htm-license.txt", "..%2Fsettings.py", "../settings.py", "index.html", "nothing"]
)
def test_nothing_else_is_handed_over(name):
    answer = get(f"console/{name}")
    assert answer.status_code == 404
    assert b'"not_found"' in answer.get_body()


def test_a_page_whose_files_would_be_looked_for_below_it_leads_to_where_they_are():
    answer = get("console/")
    assert (answer.status_code, answer.headers["Location"]) == (308, "../console")


@pytest.mark.parametrize(("value", "status"), [("", 200), ("true", 200), ("True", 200), ("false", 404), ("flase", 404)])
def test_a_setting_removes_it(monkeypatch, value, status):
    monkeypatch.setenv("CONSOLE_ENABLED", value)
    assert get().status_code == status
    assert get("console/console.css").status_code == status
