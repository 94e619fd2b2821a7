"""The route of a run's events: JSON, the long poll in the clothes of server-sent events, and what keeps it waiting."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import aiohttp
import azure.functions as func
import pytest

from http_api import run_events
from http_api.run_events_stream import wants_stream
from http_api.status_document import status_document
from task_hub import TaskHub, TaskHubError
from tests.unit import test_http_functions as http
from tests.unit.test_http_functions import FakeClient, call, instance
from tests.unit.test_timeline import done, raised, scheduled, simply
from tests.unit.timelines import NOW, at

client, environment = http.client, http.environment
"""Their fixtures."""

STREAM = {"accept": "text/event-stream"}


class Platform:
    """What the platform knows of the instance i1: `happens` makes it do more before it is looked at again."""

    def __init__(self, client: FakeClient) -> None:
        self.client = client
        self.history: list[dict[str, Any]] = [{"EventType": "ExecutionStarted", "Timestamp": at(0)}]
        self.readings = 0
        self.happens: list[Callable[[], None]] = []
        self.fails: Callable[[], Awaitable[Any]] | None = None
        client.instances["i1"] = instance()

    async def whole(self, instance_id: str) -> dict[str, Any]:
        self.readings += 1
        if self.fails:
            await self.fails()
        found = self.client.instances.get(instance_id)
        return {**found, "historyEvents": list(self.history)} if found else {}

    def writes(self, *events: dict[str, Any], **fields: Any) -> None:
        """Add to the history, as an episode does."""
        self.history += events
        self.client.instances["i1"].update(fields)


@pytest.fixture
def platform(client: FakeClient, environment: pytest.MonkeyPatch) -> Platform:
    made = Platform(client)

    async def whole(self: TaskHub, instance_id: str) -> dict[str, Any]:
        return await made.whole(instance_id)

    look = client.get_status

    async def get_status(instance_id: str, **options: Any) -> Any:
        if client.asked and made.happens:
            made.happens.pop(0)()
        return await look(instance_id, **options)

    client.get_status = get_status
    environment.setattr(TaskHub, "whole", whole)
    environment.setattr(run_events, "LOOK_SECONDS", 0)
    environment.setattr(run_events, "STREAM_SECONDS", 60.0)
    return made


def get(client: FakeClient, instance_id: str = "i1", **query: str) -> tuple[int, dict[str, Any], Any]:
    given: tuple[int, dict[str, Any], Any] = call(
        run_events.agent_run_events, method="GET", route={"instance_id": instance_id}, query=query, client=client
    )
    return given


def stream(client: FakeClient, last: str = "", **query: str) -> tuple[int, list[dict[str, Any]], str]:
    """Ask for server-sent events; return the status, the events with their `cursor`, and the whole body."""
    function = run_events.agent_run_events._function.get_user_function()
    headers = {**STREAM, **({"last-event-id": last} if last else {})}
    req = func.HttpRequest(
        method="GET", url=f"{http.HOST}/x", headers=headers, params=query, route_params={"instance_id": "i1"}, body=b""
    )
    answer = asyncio.run(getattr(function, "client_function", function)(req=req, client=client))
    body = answer.get_body().decode()
    if answer.status_code == 200:
        assert (answer.mimetype, answer.headers["Cache-Control"]) == ("text/event-stream", "no-store")
        assert body.endswith("\n\n")
    events = []
    for block in body.split("\n\n") if answer.status_code == 200 else ():
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if "data" in fields:
            event = json.loads(fields["data"])
            assert event["kind"] == fields["event"]
            events.append({**event, "cursor": fields["id"]})
    return answer.status_code, events, body


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event.get("step", event["kind"]) for event in events]


def test_the_timeline_and_then_what_is_new(client: FakeClient, platform: Platform) -> None:
    platform.writes(done("create_thread", 0, 1), scheduled("create_run", 1), customStatus={"step": "create_run"})
    status, first, headers = get(client)
    assert (status, first["status"], first["step"], headers["Cache-Control"]) == (
        200, "Running", "create_run", "no-store",
    )  # fmt: skip
    assert kinds(first["events"]) == ["create_thread", "create_run"]
    assert get(client, after=first["next"])[1]["events"] == []
    platform.history[-1] = done("create_run", 1, 2)
    platform.writes(simply("ExecutionCompleted", 3), runtimeStatus="Completed")
    _, later, _ = get(client, after=first["next"])
    assert kinds(later["events"]) == ["create_run", "ended"]


@pytest.mark.parametrize("query", [{"after": "nonsense"}, {"since": "1"}])
def test_a_bad_query(client: FakeClient, platform: Platform, query: dict[str, str]) -> None:
    status, body, _ = get(client, **query)
    assert (status, body["error"]["target"]) == (400, next(iter(query)))
    assert platform.readings == 0


@pytest.mark.parametrize("instance_id", ["nobody", "foreign", "a?b"])
def test_no_run_has_no_events(client: FakeClient, platform: Platform, instance_id: str) -> None:
    client.instances["foreign"] = {**instance("foreign"), "name": "another"}
    status, body, _ = get(client, instance_id)
    assert (status, body["error"]["code"]) == (404, "not_found")
    assert platform.readings == 0, "a history may be large"


def test_a_run_that_is_purged_meanwhile(client: FakeClient, platform: Platform) -> None:
    async def purged() -> None:
        client.instances.clear()

    platform.fails = purged
    assert get(client)[0] == 404


def raises(error: Exception) -> Callable[[], Awaitable[Any]]:
    async def fail() -> None:
        raise error

    return fail


async def drips() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    "fails", [raises(TaskHubError("500")), raises(aiohttp.ClientConnectionError()), raises(TimeoutError()), drips]
)
def test_a_history_that_is_not_handed_over_in_time(
    client: FakeClient, platform: Platform, environment: pytest.MonkeyPatch, fails: Callable[[], Awaitable[Any]]
) -> None:
    environment.setattr(run_events, "READING_SECONDS", 0.05 if fails is drips else 20)
    platform.fails = fails
    status, body, headers = get(client)
    assert (status, body["error"]["code"], headers["Retry-After"]) == (503, "instance_not_seen", "5")


def test_large_histories_are_read_few_at_once(client: FakeClient, platform: Platform) -> None:
    at_once, most = 0, 0

    async def large() -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1

    platform.fails = large

    async def ask() -> None:
        await asyncio.gather(*(run_events._read(client, "i1") for _ in range(20)))

    asyncio.run(ask())
    assert (most, platform.readings) == (run_events.MOST_READINGS, 20)


def test_a_history_of_five_thousand_events(client: FakeClient, platform: Platform) -> None:
    platform.writes(*(raised(f"tool_outputs_{n}", n) for n in range(1, 5001)))
    _, first, _ = get(client)
    assert len(first["events"]) == 5000
    assert len(first["next"]) < 1000, "it goes into a header"
    platform.writes(raised("cancel", 5001))
    assert kinds(get(client, after=first["next"])[1]["events"]) == ["cancel"]


# --- server-sent events -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("text/event-stream", True),
        ("application/json, TEXT/Event-Stream;q=0.5", True),
        ("text/event-streams", False),
        ("*/*", False),
        ("", False),
        (None, False),
    ],
)
def test_who_wants_server_sent_events(accept: str | None, wanted: bool) -> None:
    assert wants_stream(accept) is wanted


def test_what_is_there_is_answered_at_once_and_every_event_can_be_gone_on_from(
    client: FakeClient, platform: Platform
) -> None:
    platform.writes(done("create_thread", 0, 1), scheduled("create_run", 1))
    status, events, body = stream(client)
    assert (status, kinds(events)) == (200, ["create_thread", "create_run"])
    assert body.startswith("retry: 1000\n\n")
    assert kinds(stream(client, last=events[0]["cursor"])[1]) == ["create_run"]
    assert kinds(stream(client, after=events[0]["cursor"])[1]) == ["create_run"]


def test_a_caller_waits_for_what_is_new(client: FakeClient, platform: Platform) -> None:
    platform.writes(done("create_thread", 0, 1))
    last = stream(client)[1][-1]["cursor"]
    read_before = platform.readings
    platform.happens = [
        *[lambda: None] * 20,
        lambda: platform.writes(raised("cancel", 2), lastUpdatedTime="2026-11-21T10:00:02Z"),
    ]
    status, events, _ = stream(client, last=last)
    assert (status, kinds(events)) == (200, ["cancel"])
    assert platform.readings == read_before + 2, "it is not read again while nothing is written"


def test_what_is_written_within_the_second_of_the_last_write_is_found(
    client: FakeClient, platform: Platform, environment: pytest.MonkeyPatch
) -> None:
    environment.setattr(run_events, "_is_sure", lambda document: False)
    platform.writes(done("create_thread", 0, 1))
    last = stream(client)[1][-1]["cursor"]
    platform.happens = [lambda: None, lambda: platform.writes(raised("cancel", 2))]
    assert kinds(stream(client, last=last)[1]) == ["cancel"]


@pytest.mark.parametrize(("seconds", "sure"), [(0.9, False), (1.9, False), (2.1, True)])
def test_the_time_of_the_last_write_tells_no_more_than_seconds(
    environment: pytest.MonkeyPatch, seconds: float, sure: bool
) -> None:
    document = status_document(instance(), NOW)
    environment.setattr(run_events.host_clock, "now", lambda: NOW + timedelta(seconds=seconds))
    assert run_events._is_sure(document) is sure


def test_nothing_new_is_a_comment(client: FakeClient, platform: Platform, environment: pytest.MonkeyPatch) -> None:
    platform.writes(done("create_thread", 0, 1))
    last = stream(client)[1][-1]["cursor"]
    environment.setattr(run_events, "STREAM_SECONDS", 0.0)
    status, events, body = stream(client, last=last)
    assert (status, events, body) == (200, [], ": nothing new\nretry: 1000\n\n")


def test_an_end_that_is_known_ends_the_asking(client: FakeClient, platform: Platform) -> None:
    platform.writes(simply("ExecutionCompleted", 3), runtimeStatus="Completed")
    _, events, _ = stream(client)
    assert kinds(events) == ["ended"]
    assert stream(client, last=events[-1]["cursor"])[0] == 204


def test_a_caller_who_waits_learns_that_the_run_was_purged(client: FakeClient, platform: Platform) -> None:
    platform.writes(done("create_thread", 0, 1))
    last = stream(client)[1][-1]["cursor"]
    platform.happens = [lambda: None, client.instances.clear]
    assert stream(client, last=last)[0] == 404


def test_an_id_that_is_none_begins_at_the_beginning(client: FakeClient, platform: Platform) -> None:
    platform.writes(done("create_thread", 0, 1))
    assert kinds(stream(client, last="\u00e9 nonsense")[1]) == ["create_thread"]


def test_a_cursor_stands_in_one_line(client: FakeClient, platform: Platform) -> None:
    platform.writes(raised("cancel", 1, {"reason": "a\u2028b"}))
    _, events, body = stream(client)
    assert events[0]["reason"] == "a b"
    assert body.count("data: ") == 1
