"""HTTP triggers as functions-host.md describes them, row by row."""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.functions_host.conftest import NEVER, SAMPLE_APP
from tests.functions_host.harness import HostProcess


def send(host: HostProcess, method: str, path: str, body: Any = None, **headers: str | bytes) -> tuple[int, Any, bytes]:
    """Send a request without urllib's opinions on paths, headers and bodies."""
    connection = http.client.HTTPConnection(urlsplit(host.url).netloc, timeout=60)
    try:
        connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def echoed(host: HostProcess, method: str, path: str, body: Any = None, **headers: str | bytes) -> dict[str, Any]:
    status, _, text = send(host, method, path, body, **headers)
    assert status == 200
    return dict(json.loads(text))


# --- finding the function ---


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/nothing"),
        ("GET", "/other/echo"),
        ("GET", "/api"),
        ("GET", "/"),
        ("DELETE", "/api/items/special"),
        ("HEAD", "/api/items/special"),
        ("OPTIONS", "/api/items/special"),
        ("GET", "/api//items/special"),
        ("GET", "//api/items/special"),
        ("GET", "/api/items/special//"),
        ("GET", "/api/items/1/2/3"),
    ],
)
def test_no_match_is_an_empty_404(host: HostProcess, method: str, path: str) -> None:
    status, headers, body = send(host, method, path)
    assert (status, body, headers.get("Content-Type")) == (404, b"", None)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/items/special", "special"),
        ("GET", "/API/Items/SPECIAL/", "special"),
        ("POST", "/api/items/special", "posted"),
        ("GET", "/api/items/7", '{"id": "7"}'),
        ("GET", "/api/items/7/a%20b", '{"id": "7", "part": "a b"}'),
        ("GET", "/api/items/x%2Fy", "named x%2Fy"),
        ("GET", "/api/items/Xy", "named Xy"),
    ],
)
def test_routes(host: HostProcess, method: str, path: str, body: str) -> None:
    status, _, text = send(host, method, path)
    assert (status, text.decode()) == (200, body)


@pytest.mark.parametrize(
    "path", ["/api/items/%00", "/api/%00", "/runtime/webhooks/durabletask/instances/%00", "/admin/%00"]
)
def test_a_nul_in_the_path_is_400(host: HostProcess, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert send(host, method, path)[::2] == (400, b"")
    assert echoed(host, "GET", "/api/echo/x?a=%00")["query"] == {"a": "\x00"}


def test_a_function_without_methods_takes_every_verb(host: HostProcess) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert echoed(host, method, "/api/echo/x")["method"] == method
    assert echoed(host, "GET", "/api/echo/a/b/c")["route"] == {"rest": "a/b/c"}


# --- what the function sees ---


def test_the_query(host: HostProcess) -> None:
    seen = echoed(host, "GET", "/api/echo/x?a=1&A=2&b=&c=%20s&code=key")
    assert seen["query"] == {"a": "1,2", "c": " s", "code": "key"}


def test_headers_are_lower_case_and_repeats_joined(host: HostProcess) -> None:
    connection = http.client.HTTPConnection(urlsplit(host.url).netloc, timeout=60)
    connection.putrequest("GET", "/api/echo/x")
    connection.putheader("X-Many", "1")
    connection.putheader("x-many", "2")
    connection.putheader("X-Forwarded-Host", "elsewhere")
    connection.endheaders()
    seen = json.loads(connection.getresponse().read())
    connection.close()
    assert seen["headers"]["x-many"] == "1,2"
    assert seen["url"] == f"{host.url}/api/echo/x"


def test_a_header_that_is_no_utf_8_is_valid_text_all_the_same(host: HostProcess) -> None:
    assert echoed(host, "GET", "/api/echo/x", X_Odd=b"caf\xe9 \xc3\xa9")["headers"]["x-odd"] == "caf\ufffd é"


@pytest.mark.parametrize(
    ("body", "parsed"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b"[NaN]", [pytest.approx(float("nan"), nan_ok=True)]),
        (b"", "ValueError"),
        (b"{", "ValueError"),
        (b'\xef\xbb\xbf{"a": 1}', "ValueError"),
        (b"\xff", "ValueError"),
    ],
)
def test_get_json(host: HostProcess, body: bytes, parsed: Any) -> None:
    seen = echoed(host, "POST", "/api/echo/x", body, Content_Type="text/plain")
    assert (seen["json"], seen["size"]) == (parsed, len(body))


def test_a_chunked_body_arrives_empty(host: HostProcess) -> None:
    assert echoed(host, "POST", "/api/echo/x", iter([b"abc", b"def"]))["size"] == 0


def test_large_bodies(host: HostProcess) -> None:
    assert echoed(host, "POST", "/api/echo/x", b"x" * 3_000_000)["size"] == 3_000_000
    status, _, body = send(host, "POST", "/api/echo/x", None, Content_Length=str(100 * 1024 * 1024 + 1))
    assert (status, body) == (500, b"")


def test_long_urls_and_headers(host: HostProcess) -> None:
    assert send(host, "GET", "/api/echo/x?q=" + "x" * 9000)[0] == 414
    assert send(host, "GET", "/api/echo/x", X_Long="x" * 33_000)[0] == 431
    assert echoed(host, "GET", "/api/echo/x?q=" + "x" * 7000, X_Long="x" * 20_000)["query"]["q"] == "x" * 7000


def test_the_context_and_the_apps_log(host: HostProcess) -> None:
    document = json.loads(send(host, "GET", "/api/context")[2])
    assert document["name"] == "with_context"
    assert re.fullmatch(r"[0-9a-f-]{36}", document["id"])
    assert "INFO sample: a line from the app" in host.log


# --- what becomes of what it returns ---


@pytest.mark.parametrize(
    ("kind", "status", "content", "body"),
    [
        ("str", 200, "text/plain; charset=utf-8", "tëxt"),
        ("none", 500, None, ""),
        ("bytes", 500, None, ""),
        ("dict", 500, None, ""),
        ("int", 500, None, ""),
        ("latin", 500, None, ""),
        ("newline", 500, None, ""),
        ("json", 201, "application/json", '{"a": 1}'),
        ("header", 200, "text/x-own", "x"),
        ("empty", 204, None, ""),
    ],
)
def test_results(host: HostProcess, kind: str, status: int, content: str | None, body: str) -> None:
    found, headers, text = send(host, "GET", f"/api/result/{kind}")
    assert (found, text.decode()) == (status, body)
    if kind != "empty":
        assert headers.get("Content-Type") == content
    if kind == "header":
        assert (headers["X-One"], headers.get_all("Server") != ["mine"]) == ("1", True)


def test_cookies_and_repeated_headers(host: HostProcess) -> None:
    _, headers, _ = send(host, "GET", "/api/cookies")
    assert sorted(headers.get_all("Set-Cookie")) == ["a=1; Path=/", "b=2; HttpOnly"]
    assert headers.get_all("X-Twice") == ["last"]


def test_an_exception_is_an_empty_500_and_the_console_says_why(host: HostProcess) -> None:
    status, headers, body = send(host, "GET", "/api/raises")
    assert (status, body, headers.get("Content-Type")) == (500, b"", None)
    assert "ERROR function 'raises' failed: RuntimeError: secret detail" in host.log


# --- at the same time ---


def _at_once(host: HostProcess, path: str, count: int) -> list[int]:
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(send(host, "GET", path)[0])) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_a_blocking_async_function_does_not_stall_the_status_api(host: HostProcess) -> None:
    threads = [threading.Thread(target=send, args=(host, "GET", "/api/blocks?s=1.5"))]
    threads[0].start()
    time.sleep(0.2)
    assert host.request("GET", f"{host.webhook}/instances/none").status == 404
    assert threads[0].is_alive()
    threads[0].join()


def test_a_function_runs_to_its_end_though_the_client_has_gone(host: HostProcess, tmp_path: Path) -> None:
    path = tmp_path / "file"
    connection = http.client.HTTPConnection(urlsplit(host.url).netloc, timeout=60)
    connection.request("GET", f"/api/leaves?path={path}")
    connection.close()
    host.until_log("GET /api/leaves -> 200")
    assert path.read_text() == "to the end"


def test_too_many_requests_are_429(tmp_path: Any) -> None:
    text = (SAMPLE_APP / "function_app.py").read_text()
    (tmp_path / "function_app.py").write_text(text)
    http_settings = {"maxConcurrentRequests": 2, "maxOutstandingRequests": 3}
    document = {"version": "2.0", "extensions": {"http": http_settings}, "functionTimeout": "00:00:01"}
    (tmp_path / "host.json").write_text(json.dumps(document))
    with HostProcess(tmp_path, env=NEVER) as host:
        assert sorted(_at_once(host, "/api/sleeps?s=0.5", 6)) == [200, 200, 200, 429, 429, 429]
        # And functionTimeout: an empty 500, and the console says why.
        assert send(host, "GET", "/api/sleeps?s=2")[::2] == (500, b"")
        assert "Timeout value of 0:00:01 was exceeded by function: Functions.sleeps" in host.log
