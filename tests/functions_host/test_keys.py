"""Keys, levels and the host's own API: the tables of functions-host.md."""

from __future__ import annotations

import os
import stat
import urllib.parse
from pathlib import Path

import pytest

from local.functions_host.errors import HostError
from local.functions_host.keys import load_keys, masked
from tests.functions_host.harness import HostProcess

TARGETS = {
    "anonymous": "/api/items/special",
    "function": "/api/locked",
    "admin": "/api/guarded",
    "webhook": "/runtime/webhooks/durabletask/instances",
    "admin API": "/admin/host/status",
}
CODES = {
    None: (200, 401, 401, 401, 401),
    "wrong": (200, 401, 401, 401, 401),
    "function_key": (200, 200, 401, 401, 401),
    "host_key": (200, 200, 401, 403, 403),
    "system_key": (200, 401, 401, 200, 401),
    "master_key": (200, 200, 200, 200, 200),
}


@pytest.mark.parametrize("where", ["header", "query"])
@pytest.mark.parametrize(
    ("key", "target", "code"),
    [(key, target, code) for key, codes in CODES.items() for target, code in zip(TARGETS, codes, strict=True)],
)
def test_what_a_key_opens(keyed_host: HostProcess, key: str | None, target: str, code: int, where: str) -> None:
    path, headers = TARGETS[target], {}
    if key is not None:
        value = keyed_host.ready.get(key, key)
        if where == "header":
            headers["x-functions-key"] = value
        else:
            path += f"?code={value}"
    answer = keyed_host.request("GET", path, headers=headers)
    assert answer.status == code
    if code in (401, 403):
        assert answer.body == b""
    if code == 401 and not path.startswith("/api"):
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_header_wins_even_where_it_is_wrong(keyed_host: HostProcess) -> None:
    path = f"/api/locked?code={keyed_host.ready['host_key']}"
    assert keyed_host.request("GET", path).status == 200
    assert keyed_host.request("GET", path, headers={"x-functions-key": "wrong"}).status == 401


@pytest.mark.parametrize("key", [b"\xff", b"\xed\xa0\x80", "clé".encode()])
def test_a_key_that_is_no_utf_8_is_a_wrong_one(keyed_host: HostProcess, key: bytes) -> None:
    for path in ("/api/locked", "/runtime/webhooks/durabletask/instances", "/admin/functions"):
        assert keyed_host.request("GET", path, headers={"x-functions-key": key}).status == 401
        assert keyed_host.request("GET", f"{path}?code={urllib.parse.quote(key)}").status == 401


def test_an_unknown_route_is_404_before_any_key(keyed_host: HostProcess) -> None:
    assert keyed_host.request("GET", "/api/nothing").status == 404
    assert keyed_host.request("GET", "/admin/host/ping").status == 200


def test_the_durable_client_needs_no_key(keyed_host: HostProcess) -> None:
    started = keyed_host.request("POST", "/api/client/start", {"name": "adds", "id": "keyed"})
    assert started.json == "keyed"
    payload = keyed_host.request("POST", "/api/client/payload", {"id": "keyed"}).json
    assert keyed_host.request("GET", payload["statusQueryGetUri"]).status in (200, 202)
    bare = payload["statusQueryGetUri"].partition("?")[0]
    assert keyed_host.request("GET", bare).status == 401


def test_keys_are_printed_masked(keyed_host: HostProcess) -> None:
    for name in ("system_key", "master_key", "host_key", "function_key"):
        assert keyed_host.ready[name] not in keyed_host.log
    assert f"master {masked(keyed_host.ready['master_key'])}" in keyed_host.log


def test_without_auth_no_key_is_asked_for(host: HostProcess) -> None:
    for path in TARGETS.values():
        assert host.request("GET", path).status == 200


def test_keys_are_made_once_and_kept_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "keys.json"
    keys = load_keys(path)
    assert load_keys(path) == keys
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("{")
    with pytest.raises(HostError, match="delete it to get new keys"):
        load_keys(path)
    assert load_keys(None) != load_keys(None)


def test_the_functions_are_listed_with_routes_methods_and_bindings(host: HostProcess) -> None:
    listed = {f["name"]: f for f in host.request("GET", "/admin/functions").json}
    assert set(listed) == set(host.ready["functions"])
    item = listed["item"]
    assert item["invoke_url_template"] == f"{host.url}/api/items/{{id:int}}/{{part?}}"
    trigger = next(b for b in item["config"]["bindings"] if b["type"] == "httpTrigger")
    assert (trigger["methods"], trigger["authLevel"], trigger["direction"]) == (["GET"], "ANONYMOUS", "IN")
    assert listed["waits"]["invoke_url_template"] is None
    assert host.request("GET", "/admin/functions/item").json == item
    assert host.request("GET", "/admin/functions/nobody").status == 404


def test_the_status_of_the_host(host: HostProcess) -> None:
    assert host.request("GET", "/admin/host/status").json["state"] == "Running"
    assert host.request("GET", "/admin/nothing").status == 404


def test_functions_run_by_hand(host: HostProcess, tmp_path: Path) -> None:
    path = tmp_path / "file"
    answer = host.request("POST", "/admin/functions/leaves_file", {"input": f'"{path}"'})
    assert answer.status == 202
    assert host.request("POST", "/admin/functions/tick", {"input": ""}).status == 202
    assert host.request("POST", "/admin/functions/waits", {"input": ""}).status == 202
    assert host.request("POST", "/admin/functions/nobody", {}).status == 404
    deep = b'{"input": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    for broken in (b"[", b"[]", b"\xff", deep):
        assert host.request("POST", "/admin/functions/tick", broken).status == 400
    host.until_log("function 'tick' was run by hand")
    host.until_log("ERROR function 'waits', run by hand, failed: ValueError: an orchestrator is started through")
    host.until_log("function 'leaves_file' was run by hand")
    assert path.read_text() == "was here"
