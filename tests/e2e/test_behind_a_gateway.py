"""The app behind a gateway with a prefix, and clients that follow nothing but `Location`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.world import PATIENCE_SECONDS, World, agent
from tests.functions_host.harness import Answer

pytestmark = pytest.mark.e2e
RUNS_ONCE = "concerns addresses, in which no generation shows"

PUBLIC = "https://agents.contoso.com/foundry"
FLAG = "returnInternalServerErrorOnFailure"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(env={"PUBLIC_BASE_URL": f"{PUBLIC}/", "TRUSTED_FORWARDED_HOSTS": ""}, args=["--auth"]) as made:
        yield made


def through_the_gateway(world: World, method: str, url: str, body: Any = None, **headers: str) -> Answer:
    """Send a request as a caller does who knows the gateway only, which takes its prefix off."""
    assert url.startswith(PUBLIC), url
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return world.host.request(method, url.removeprefix(PUBLIC), body, headers=sent)


def followed(world: World, answer: Answer, **headers: str) -> Answer:
    """Follow `Location` with the same headers until there is none; the Durable extension's names the inner host."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    location = answer.headers["Location"]
    while answer.status == 202:
        assert time.monotonic() < deadline
        location = answer.headers.get("Location", location).replace(world.host.url, PUBLIC)
        answer = through_the_gateway(world, "GET", location, **headers)
        time.sleep(0.05)
    return answer


@pytest.mark.parametrize("in_the_url", [True, False])
@pytest.mark.parametrize(("name", "query", "status"), [("instant", "", 200), ("fails", FLAG, 500), ("fails", "", 200)])
def test_who_follows_location_gets_there(world: World, in_the_url: bool, name: str, query: str, status: int) -> None:
    key = world.host.ready["function_key"]
    headers = {} if in_the_url else {"x_functions_key": key}
    parameters = [*([f"code={key}"] if in_the_url else []), *([f"{query}=true"] if query else [])]
    url = f"{PUBLIC}/api/run_agent?{'&'.join(parameters)}"
    body = {"agent_id": agent(name), "user_message": "hi"}
    started = through_the_gateway(world, "POST", url, body, **headers)
    assert started.status == 202
    urls = {n: v for n, v in started.json.items() if n != "id"}
    assert {n for n, v in urls.items() if not v.startswith(f"{PUBLIC}/")} == set()
    assert len(urls) == 12
    assert (key in started.headers["Location"]) is False
    ended = followed(world, started, **headers)
    assert (ended.status, ended.json["instanceId"]) == (status, started.json["id"])


def test_who_waits_and_is_asked_something_can_follow_too(world: World) -> None:
    key = world.host.ready["function_key"]
    url = f"{PUBLIC}/api/agents/{agent('tool')}/runs?code={key}"
    asked = through_the_gateway(world, "POST", url, {"user_message": "hi"}, Prefer="wait=60")
    assert (asked.status, asked.json["status"]) == (202, "Running")
    for location in (
        asked.headers["Location"],
        through_the_gateway(world, "GET", f"{PUBLIC}/api/runs/{asked.json['instanceId']}?code={key}").headers[
            "Location"
        ],
    ):
        assert through_the_gateway(world, "GET", location).status == 202


def test_the_description_names_the_gateway(world: World) -> None:
    for version in ("3.0", "3.1"):
        url = f"{PUBLIC}/api/openapi.json?version={version}"
        answer = through_the_gateway(world, "GET", url, x_functions_key=world.host.ready["function_key"])
        assert answer.json["servers"] == [{"url": f"{PUBLIC}/api"}]
        assert answer.json["openapi"].startswith(version)


def test_a_gateway_that_is_trusted_is_believed() -> None:
    with World(env={"TRUSTED_FORWARDED_HOSTS": "agents.contoso.com"}) as world:
        said = {
            "X-Forwarded-Host": "agents.contoso.com",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Prefix": "/foundry",
        }
        body = {"agent_id": agent("instant"), "user_message": "hi"}
        for headers, base in ((said, PUBLIC), ({**said, "X-Forwarded-Host": "evil.example"}, world.host.url)):
            started = world.host.request("POST", "/api/run_agent", body, headers=headers)
            urls = [v for n, v in started.json.items() if n != "id"]
            assert [u for u in (*urls, started.headers["Location"]) if not u.startswith(f"{base}/")] == []
