"""Neither a web page nor a foreign name reaches the host: on no route, no API, and not at the SDK's own address."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from multidict import CIMultiDict

from local.functions_host.callers import refusal
from tests.functions_host.harness import HostProcess

PORT = 7071
OWN = {"Host": "localhost:7071"}
APP = """
import azure.functions as func
import azure.durable_functions as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="rpc")
@app.durable_client_input(client_name="client")
async def rpc(req: func.HttpRequest, client) -> str:
    return client._orchestration_bindings.rpc_base_url


@app.route(route="started", methods=["POST"])
def started(req: func.HttpRequest) -> str:
    print("it was started", flush=True)
    return "started"
"""


@pytest.mark.parametrize(
    "headers",
    [
        *({"Host": host} for host in ("localhost:7071", "LocalHost:7071", "127.0.0.1:7071", "127.1.2.3:7071")),
        *({"Host": host} for host in ("[::1]:7071", "localhost", "127.0.0.1", "[::1]")),
        *(OWN | {"Origin": f"http://{host}:7071"} for host in ("localhost", "127.0.0.1", "[::1]")),
        *(OWN | {"Sec-Fetch-Site": site} for site in ("same-origin", "none")),
    ],
    ids=str,
)
def test_this_machines_own_callers_are_let_in(headers: dict[str, str]) -> None:
    assert refusal(CIMultiDict(headers), PORT) is None


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        *(
            ({"Host": host}, "Host")
            for host in (
                "evil.example:7071", "evil.example", "localhost.evil.example:7071", "127.0.0.1.evil.example:7071",
                "localhost:7072", "localhost:80", "localhost:", "0.0.0.0:7071", "192.168.0.1:7071", "[::]:7071",
                "[::1", "::1", "é.com", "localhost@evil.example:7071", "evil.example@localhost:7071", "127.1:7071",
                "localhost:7071/", "localhost:7071, evil.example", "localhost:७०७१", "", " ", "\udcff",
            )
        ),
        ({}, "Host"),
        *(
            (OWN | {"Origin": origin}, "Origin")
            for origin in (
                "https://evil.example", "http://evil.example:7071", "null", "", "http://localhost", "localhost:7071",
                "http://localhost:3000", "https://localhost:7071", "http://localhost:7071.evil.example",
            )
        ),
        *((OWN | {"Sec-Fetch-Site": site}, "Sec-Fetch-Site") for site in ("cross-site", "same-site", "")),
    ],
    ids=str,
)  # fmt: skip
def test_all_others_are_refused(headers: dict[str, str], named: str) -> None:
    reason = refusal(CIMultiDict(headers), PORT)
    assert reason is not None
    assert reason.startswith(f"The {named} header")
    assert "\n" not in reason


@pytest.mark.parametrize("name", ["Host", "Origin", "Sec-Fetch-Site"])
def test_a_header_that_comes_twice_is_read_twice(name: str) -> None:
    good = {"Host": "localhost:7071", "Origin": "http://localhost:7071", "Sec-Fetch-Site": "none"}
    headers = CIMultiDict(good)
    headers.add(name, "evil.example")
    assert refusal(headers, PORT) is not None


@pytest.fixture(scope="module")
def small_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostProcess]:
    """A host whose app tells the address that only the SDK knows."""
    folder: Path = tmp_path_factory.mktemp("app")
    (folder / "function_app.py").write_text(APP)
    (folder / "host.json").write_text('{"version": "2.0"}')
    with HostProcess(folder) as host:
        yield host


def send(host: HostProcess, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(host.url).netloc, timeout=60)
    try:
        connection.putrequest(method, path, skip_host=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


HOSTILE = [
    {"Host": "evil.example:{port}"},
    {"Host": "localhost:1"},
    {"Host": "localhost:{port}", "Origin": "https://evil.example"},
    {"Host": "localhost:{port}", "Sec-Fetch-Site": "cross-site"},
]


@pytest.mark.parametrize("hostile", HOSTILE, ids=str)
@pytest.mark.parametrize(
    ("method", "path", "otherwise"),
    [
        ("POST", "/api/started", 200),
        ("OPTIONS", "/api/started", 404),  # how a browser asks before it sends more than a form could
        ("GET", "/runtime/webhooks/durabletask/instances", 200),
        ("GET", "/admin/host/ping", 200),
        ("GET", "/admin/functions", 200),
        ("GET", "{rpc}instances", 200),
        ("GET", "/nothing", 404),
    ],
)
def test_the_whole_host_is_closed_to_them(
    small_host: HostProcess, method: str, path: str, otherwise: int, hostile: dict[str, str]
) -> None:
    rpc = urlsplit(small_host.request("GET", "/api/rpc").text).path
    path = path.format(rpc=rpc)
    port = urlsplit(small_host.url).port
    assert send(small_host, method, path, {"Host": f"127.0.0.1:{port}"})[0] == otherwise
    ran = small_host.log.count("it was started")
    status, body = send(small_host, method, path, {n: v.format(port=port) for n, v in hostile.items()})
    assert status == 403
    assert body.startswith(b"The ")
    assert body.count(b"\n") == 1
    assert f"WARNING refused {method} '{path}': {body.decode().rstrip()}" in small_host.log
    assert small_host.log.count("it was started") == ran
