"""`Host` of local.settings.json: the port, and the origins whose pages may use the host."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict

from local.functions_host.callers import refusal
from local.functions_host.cors import Cors
from local.functions_host.errors import HostError
from local.functions_host.settings import load_start_settings
from tests.functions_host.harness import Answer, HostProcess

PAGE = "http://localhost:3000"
OTHER = "https://app.contoso.com"
APP = """
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="started", methods=["GET", "POST"])
def started(req: func.HttpRequest) -> func.HttpResponse:
    print("it was started", flush=True)
    return func.HttpResponse("started", headers={"Vary": "Accept", "Access-Control-Allow-Origin": "https://own.example"})
"""


def write(folder: Path, host: Any) -> Path:
    (folder / "function_app.py").write_text(APP)
    (folder / "host.json").write_text('{"version": "2.0"}')
    (folder / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": {}, "Host": host}))
    return folder


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostProcess]:
    given = {"CORS": f"{PAGE}, {OTHER}", "CORSCredentials": True, "Colour": "red"}
    with HostProcess(write(tmp_path_factory.mktemp("app"), given)) as made:
        yield made


def preflight(host: HostProcess, origin: str, path: str = "/api/started") -> Answer:
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-functions-key"}
    return host.request("OPTIONS", path, headers={"Origin": origin, "Sec-Fetch-Site": "cross-site", **asks})


def told(answer: Answer) -> dict[str, str]:
    return {k.lower(): v for k, v in answer.headers.items() if k.lower().startswith("access-control-")}


@pytest.mark.parametrize("origin", [PAGE, OTHER])
@pytest.mark.parametrize("path", ["/api/started", "/api/nowhere", "/runtime/webhooks/durabletask/instances/i1"])
def test_a_browser_may_ask_first(host: HostProcess, origin: str, path: str) -> None:
    answer = preflight(host, origin, path)
    assert (answer.status, answer.body) == (204, b"")
    assert told(answer) == {
        "access-control-allow-origin": origin,
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "content-type,x-functions-key",
    }
    assert "it was started" not in host.log


def test_a_page_of_a_named_origin_reads_the_answer(host: HostProcess) -> None:
    headers = {"Origin": PAGE, "Sec-Fetch-Site": "same-site"}
    answer = host.request("POST", "/api/started", b"", headers=headers)
    assert (answer.status, answer.text) == (200, "started")
    assert told(answer) == {"access-control-allow-origin": PAGE, "access-control-allow-credentials": "true"}
    assert told(host.request("GET", "/api/nowhere", headers=headers))["access-control-allow-origin"] == PAGE
    assert told(host.request("GET", "/api/started")) == {"access-control-allow-origin": "https://own.example"}


@pytest.mark.parametrize("origin", ["http://localhost:3001", "https://localhost:3000", "null", f"{PAGE}.evil.example"])
def test_any_other_page_is_refused_and_starts_nothing(host: HostProcess, origin: str) -> None:
    before = host.log.count("it was started")
    for answer in (
        preflight(host, origin),
        host.request("POST", "/api/started", b"", headers={"Origin": origin}),
        host.request("GET", "/api/started", headers={"Sec-Fetch-Site": "cross-site"}),
    ):
        assert answer.status == 403
        assert told(answer) == {}
    assert host.log.count("it was started") == before
    assert "Host.CORS names who may" in host.log


def test_an_unknown_key_is_told(host: HostProcess) -> None:
    assert "WARNING local.settings.json: unknown key 'Host.Colour'" in host.log


def test_a_named_origin_opens_no_foreign_name() -> None:
    cors = Cors(frozenset({PAGE}))
    assert refusal(CIMultiDict({"Host": "localhost:7071", "Origin": PAGE}), 7071, cors) is None
    assert refusal(CIMultiDict({"Host": "evil.example:7071", "Origin": PAGE}), 7071, cors) is not None
    twice = CIMultiDict([("Host", "localhost:7071"), ("Origin", PAGE), ("Origin", "https://evil.example")])
    assert refusal(twice, 7071, cors) is not None


def test_the_port_of_the_settings_is_taken_where_none_is_given(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    write(tmp_path, {"LocalHttpPort": port})
    with HostProcess(tmp_path, says_port=False) as host:
        assert host.url == f"http://127.0.0.1:{port}"
        with HostProcess(tmp_path) as other:  # with --port 0
            assert other.url != host.url


@pytest.mark.parametrize(
    ("host", "port", "cors"),
    [
        ({}, None, Cors()),
        (None, None, Cors()),
        ({"LocalHttpPort": 7075, "CORS": "*"}, 7075, Cors(frozenset({"*"}))),
        ({"localHttpPort": "7075", "cors": PAGE}, 7075, Cors(frozenset({PAGE}))),
        ({"LocalHttpPort": 0, "CORS": "", "CORSCredentials": False}, None, Cors()),
        ({"LocalHttpPort": None, "CORS": None, "CORSCredentials": None}, None, Cors()),
        (
            {"CORS": f" {PAGE} ,HTTPS://App.Contoso.com,", "CORSCredentials": "true"},
            None,
            Cors(frozenset({PAGE, OTHER}), True),
        ),
        (
            {"CORS": "http://[::1]:3000,capacitor://localhost"},
            None,
            Cors(frozenset({"http://[::1]:3000", "capacitor://localhost"})),
        ),
    ],
)
def test_what_is_said_of_the_host_is_read(tmp_path: Path, host: Any, port: int | None, cors: Cors) -> None:
    found = load_start_settings(write(tmp_path, host))
    assert (found.port, found.cors) == (port, cors)
    assert any("any web page" in warning for warning in found.warnings) == ("*" in cors.origins)


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ([1], "'Host' must be an object"),
        ({"LocalHttpPort": "x"}, "'Host.LocalHttpPort'"),
        ({"LocalHttpPort": 65536}, "'Host.LocalHttpPort'"),
        ({"LocalHttpPort": -1}, "'Host.LocalHttpPort'"),
        ({"LocalHttpPort": True}, "'Host.LocalHttpPort'"),
        ({"CORS": [PAGE]}, "'Host.CORS' must be a string"),
        ({"CORS": f"{PAGE}/"}, "'http://localhost:3000/' in 'Host.CORS' is no origin"),
        ({"CORS": "localhost:3000"}, "is no origin"),
        ({"CORS": "http://localhost:80"}, "'http://localhost:80' in 'Host.CORS' names a port that no browser sends"),
        ({"CORS": "https://contoso.com:443"}, "leave it out"),
        ({"CORS": "http://localhost:65536"}, "leave it out"),
        ({"CORS": "http://*.contoso.com"}, "is no origin"),
        ({"CORS": f"{PAGE}\r\nX: y"}, "is no origin"),
        ({"CORSCredentials": "yes"}, "'Host.CORSCredentials'"),
        ({"CORS": "*", "CORSCredentials": True}, "'Host.CORSCredentials' needs the origins by name"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(tmp_path: Path, host: Any, named: str) -> None:
    with pytest.raises(HostError, match=named):
        load_start_settings(write(tmp_path, host))


def test_any_origin_is_told_as_any() -> None:
    cors = Cors(frozenset({"*"}))
    assert cors.allows("null")
    assert not Cors().allows("null")
