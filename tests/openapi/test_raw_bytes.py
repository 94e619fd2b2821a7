"""Raw bytes at every route: what no well-behaved client sends. Never a 5xx, never a word about the inside.

Everything goes over a socket of our own, since HTTP libraries refuse to send most of it. The seed is fixed.
"""

from __future__ import annotations

import random
import re
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.e2e.world import World, agent
from tests.functions_host.harness import REPOSITORY
from tests.openapi.description import Description

pytestmark = pytest.mark.e2e

SEED = 20261121
PER_ROUTE = 150
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW"]

BODIES = [
    b"",
    b"{",
    b"}",
    b"null",
    b"[]",
    b'"text"',
    b"0",
    b"NaN",
    b"1e999",
    b"\xef\xbb\xbf{}",
    b"\xff\xfe{\x00}\x00",
    b"\x00" * 100,
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'{"user_message": "\\ud800"}',
    b'{"user_message": "\xff"}',
    b'{"user_message": "hi", "user_message": "ho"}',
    b'{"user_message": "hi", "metadata": {"__class__": "x", "__module__": "os", "__data__": "{}"}}',
    b'{"user_message": "hi", "run_options": {"tool_choice": ' + b"[" * 900 + b"]" * 900 + b"}}",
    b'{"user_message": "hi", "timeout_seconds": 1e400}',
    b'{"user_message": "hi", "timeout_seconds": ' + b"9" * 5_000 + b"}",
    b'{"user_message": {"$type": "System.Object"}}',
    b'{"tool_outputs": [{"tool_call_id": "\\u0000", "output": null}]}',
    b'{"tool_outputs": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    b"a=b&c=d",
    b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><x>&e;</x>",
    b"x" * 4_000_001,
]
TYPES = [
    None, "application/json", "application/json; charset=utf-16", "application/json; charset=nonsense", "text/plain",
    "text/plain; charset=latin-1", "application/problem+json", "multipart/form-data; boundary=x", ";;;=", "a" * 4_000,
    "application/json; charset", "text/plain;charset=\"utf-8\"", "*/*", "application/json\t", "ü/ö",
]  # fmt: skip
HEADERS = [
    "Prefer: wait=99999999999999999999", "Prefer: wait=-1", "Prefer: wait=\"1", "Prefer: ;;,wait", "Prefer: wait=0",
    "Idempotency-Key: ", "Idempotency-Key: " + "k" * 201, "Idempotency-Key: a\tb", "Idempotency-Key: ünï",
    "Cookie: " + "a=b; " * 800, "X-Odd: " + "v" * 7_000, "Accept: text/html", "Accept-Encoding: nonsense",
    "Content-Encoding: gzip", "Expect: something", "Range: bytes=0-1", "If-None-Match: *",
    "X-HTTP-Method-Override: PUT",
    "X-Forwarded-Host: evil.example", "Forwarded: host=\"evil.example", "X-Forwarded-Prefix: //evil.example",
    "Authorization: Bearer x", "Connection: upgrade", "Content-Type: a, b",
]  # fmt: skip
QUERIES = [
    "", "?", "?&&&===", "?%", "?%zz=%zz", "?%00=%00", "?a[]=1&a[]=2", "?user_message=%ff", "?thread_id=%F0%9F%98%80",
    "?timeout_seconds=" + "9" * 300, "?timeout_seconds=%D9%A3", "?run_options={", "?run_options=" + "[" * 1_000,
    "?metadata=%7B%22a%22:%22b%22%7D", "?code=wrong", "?clientId=x&CODE=y", "?user_message=" + "m" * 6_000,
    "?agent_id=a&agent_id=b", "?returnInternalServerErrorOnFailure=true", "?RETURNINTERNALSERVERERRORONFAILURE=1",
    "?version=3.0", "?version=%00", "?Agent_ID=x", "?user_message=hi;drop", "?__class__=x", "?user_message[$ne]=1",
]  # fmt: skip
SEGMENTS = [
    "%00", "%2e%2e", "..", ".", "%2F", "%5C", "a%2Fb", "%", "%zz", "%C0%AE", "%F0%9F%98%80", "{instance_id}", "@x@y",
    "a#b", "~", "%20", "a" * 300, "a" * 5_000, "%3Cscript%3E", "agent%23run", "idem-", ":", "'", '"', "$filter", "*",
]  # fmt: skip


def requests(description: Description, instances: list[str], chance: random.Random) -> Iterator[bytes]:
    """Requests at every route of the description, odd in one or more ways."""
    for method, path, _ in description.operations().values():
        for _ in range(PER_ROUTE):
            used = method if chance.random() < 0.8 else chance.choice(METHODS)
            known = {
                "{agent_id}": agent("instant"),
                "{instance_id}": chance.choice(instances),
                "{file_id}": "assistant-a",
                "{thread_id}": "thread_a",
            }
            odd = chance.random() < 0.4
            target = "/api" + re.sub(r"{\w+}", lambda m: chance.choice(SEGMENTS) if odd else known[m[0]], path)  # noqa: B023
            if chance.random() < 0.15:
                target = chance.choice([target.upper(), target + "/", "/" + target, target.replace("/", "//", 2)])
            target += chance.choice(QUERIES) if chance.random() < 0.5 else ""
            lines = chance.sample(HEADERS, chance.choice([0, 0, 1, 2]))
            kind = chance.choice(TYPES)
            if kind is not None:
                lines.append(f"Content-Type: {kind}")
            yield request(used, target, lines, chance.choice(BODIES) if used != "GET" else b"")


def request(method: str, target: str, lines: list[str], body: bytes) -> bytes:
    head = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, *lines, "", ""]).encode("utf-8") + body


HTTP_ITSELF = [
    b"",
    b"\r\n\r\n",
    b"\x00\x01\x02\x03\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,
    b"GET\r\n\r\n",
    b"GET /api/health\r\n\r\n",
    b"GET /api/health HTTP/9.9\r\nHost: localhost\r\n\r\n",
    b"GET /api/health HTTP/1.1\r\n\r\n",
    b"GET http://evil.example/api/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET \xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nX: " + b"v" * 50_000 + b"\r\n\r\n",
    b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"H%d: v\r\n" % i for i in range(3_000)) + b"\r\n",
    b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nbad header\r\n\r\n",
    b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n: empty\r\n\r\n",
    b"POST /api/run_agent HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n{}",
    b"POST /api/run_agent HTTP/1.1\r\nHost: localhost\r\nContent-Length: two\r\n\r\n{}",
    b"POST /api/run_agent HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    b"POST /api/run_agent HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    b"POST /api/run_agent HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: localhost\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"POST /api/run_agent HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n{}",
]  # fmt: skip


def exchange(world: World, sent: bytes, patience: float = 15) -> bytes:
    """Send bytes; return whatever comes back until the host closes, or says nothing for `patience` seconds."""
    host, port = world.host.url.removeprefix("http://").split(":")
    answer = b""
    with socket.create_connection((host, int(port)), timeout=15) as connection:
        with suppress(ConnectionError, TimeoutError):  # the host may answer before it has read all, and close
            connection.sendall(sent)
        with suppress(ConnectionError, TimeoutError):  # it may close on nonsense, or wait for the rest of it
            connection.settimeout(patience)
            while part := connection.recv(65_536):
                answer += part
    return answer


def judge(sent: bytes, answer: bytes, secrets: list[str]) -> int:
    """Assert that an answer is fit for strangers; return its status, 0 where there is none."""
    shown = f"{sent[:600]!r}\n{answer[:1500]!r}"
    text = answer.decode("latin-1")
    assert not [secret for secret in secrets if secret in text], shown
    assert "Traceback" not in text, shown
    assert not re.search(r"\.py\b", text), shown
    status = int(text[9:12]) if text.startswith("HTTP/1.") else 0
    assert status < 500, shown
    return status


@pytest.fixture(scope="module")
def secrets(world: World) -> list[str]:
    names = ("function_key", "host_key", "master_key")
    return ["planted-token-5f2c-9d81e0", *(world.host.ready[name] for name in names)]


def said_nothing(world: World, secrets: list[str]) -> None:
    log = world.host.log
    assert not [secret for secret in secrets if secret in log]
    assert f'File "{REPOSITORY}/' not in log.replace(f"{REPOSITORY}/.venv", "")  # no stack trace of the app


def test_odd_requests_at_every_route(
    world: World, description: Description, key: dict[str, str], secrets: list[str]
) -> None:
    def start(name: str) -> str:
        answer = world.host.request(
            "POST", "/api/run_agent", {"agent_id": agent(name), "user_message": "hi"}, headers=key
        )
        return str(answer.json["id"])

    chance = random.Random(SEED)
    opened = f"\r\nx-functions-key: {key['x-functions-key']}\r\nContent-Length".encode()
    statuses: dict[int, int] = {}
    for sent in requests(description, [start("instant"), start("tool")], chance):
        if chance.random() < 0.9:
            sent = sent.replace(b"\r\nContent-Length", opened, 1)  # noqa: PLW2901
        status = judge(sent, exchange(world, sent), secrets)
        statuses[status] = statuses.get(status, 0) + 1
    assert {200, 202, 400, 401, 404, 413, 415} <= set(statuses), statuses
    assert statuses.get(0, 0) == 0, statuses
    said_nothing(world, secrets)


def test_bytes_that_are_hardly_http(world: World, secrets: list[str]) -> None:
    for sent in HTTP_ITSELF:
        judge(sent, exchange(world, sent, 0.5), secrets)
    chance = random.Random(SEED)
    good = request("POST", "/api/run_agent", ["Content-Type: application/json"], b'{"user_message": "hi"}')
    for _ in range(100):
        damaged = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        judge(bytes(damaged), exchange(world, bytes(damaged), 0.5), secrets)
    assert world.get("/api/health").status == 200
    said_nothing(world, secrets)


def test_wrong_methods_are_404_and_empty(world: World, description: Description, key: dict[str, str]) -> None:
    """But for `GET /runs/cancel`: there the platform finds the route of a run, and the app no run of that name."""
    spoken_by_the_app = set()
    for method, path, _ in description.operations().values():
        filled = path.replace("{", "").replace("}", "")
        for wrong in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} - {method}:
            answer = world.host.request(wrong, f"/api{filled}", headers=key)
            assert answer.status == 404, (wrong, path)
            if answer.body:
                [name] = [n for n, (m, p, _) in description.operations().items() if m == wrong and leads_to(p, filled)]
                assert description.conforms(name, answer).json["error"]["code"] == "not_found"
                spoken_by_the_app.add((wrong, path, name))
    assert spoken_by_the_app == {("GET", "/runs/cancel", "agent_run_status")}


def leads_to(template: str, path: str) -> bool:
    """Say whether this route is found for a path."""
    return re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path) is not None
