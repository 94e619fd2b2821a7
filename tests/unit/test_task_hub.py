"""The task hub's adapter over a real socket: pages, tokens, histories and rewinds as the extension answers them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import azure.durable_functions as df
import pytest
from aiohttp import web

import task_hub
from local.functions_host.protocol.client import ClientBinding, client_binding
from task_hub import RewindUnsupportedError, Selection, TaskHub, TaskHubError

SINCE, UNTIL = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)
Answering = Callable[[web.BaseRequest], web.Response]


def with_hub(answer: Answering, use: Callable[[TaskHub], Awaitable[Any]]) -> Any:
    """Use a hub whose extension answers like this."""

    async def run() -> Any:
        async def handle(request: web.BaseRequest) -> web.Response:
            return answer(request)

        server = web.Server(handle)
        runner = web.ServerRunner(server)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        binding = ClientBinding("http://unused", f"http://127.0.0.1:{port}/rpc/", "hub", "Storage", "key")
        client = df.DurableOrchestrationClient(client_binding(binding))
        try:
            return await use(TaskHub(client))
        finally:
            await runner.cleanup()

    return asyncio.run(run())


async def listed(hub: TaskHub) -> list[list[dict[str, Any]]]:
    pages = hub.pages(created_from=SINCE, created_to=UNTIL, statuses=("Failed", "Terminated"))
    return [page async for page in pages]


def test_all_pages_are_asked_for_with_the_token_in_the_header() -> None:
    asked: list[web.BaseRequest] = []
    pages = {"": ([{"instanceId": "a"}], "t1"), "t1": ([], "t2"), "t2": ([{"instanceId": "b"}], "")}

    def answer(request: web.BaseRequest) -> web.Response:
        asked.append(request)
        rows, token = pages[request.headers.get("x-ms-continuation-token", "")]
        return web.json_response(rows, headers={"x-ms-continuation-token": token} if token else {})

    assert with_hub(answer, listed) == [[{"instanceId": "a"}], [], [{"instanceId": "b"}]]
    query = asked[0].query
    assert query["runtimeStatus"] == "Failed,Terminated"
    assert query["createdTimeFrom"] == "2026-11-01T00:00:00.000000Z"
    assert (query["showInput"], query["top"]) == ("false", "1000")
    assert {r.path for r in asked} == {"/rpc/instances/"}


def test_a_token_that_comes_again_ends_the_list() -> None:
    def answer(_: web.BaseRequest) -> web.Response:
        return web.json_response([{"instanceId": "a"}], headers={"x-ms-continuation-token": "same"})

    assert len(with_hub(answer, listed)) == 2


def test_a_page_is_asked_for_with_what_is_selected_and_no_more() -> None:
    asked: list[web.BaseRequest] = []

    def answer(request: web.BaseRequest) -> web.Response:
        asked.append(request)
        return web.json_response([{"instanceId": "a"}, 5], headers={"x-ms-continuation-token": "t2"})

    page = with_hub(answer, lambda hub: hub.page(Selection(prefix="fe", created_to=UNTIL), "t1", 20))
    assert (page.rows, page.token) == ([{"instanceId": "a"}], "t2")
    assert asked[0].headers["x-ms-continuation-token"] == "t1"
    assert dict(asked[0].query) == {
        "instanceIdPrefix": "fe",
        "createdTimeTo": "2026-11-02T00:00:00.000000Z",
        "showInput": "false",
        "top": "20",
    }


def test_of_large_rows_fewer_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_hub, "MOST_PAGE_BYTES", 10_000)
    tops: list[int] = []

    def answer(request: web.BaseRequest) -> web.Response:
        tops.append(int(request.query["top"]))
        rows = [{"instanceId": str(n), "output": "x" * 6_000} for n in range(tops[-1])]
        return web.json_response(rows, headers={"x-ms-continuation-token": "next"})

    page = with_hub(answer, lambda hub: hub.page(Selection(), top=100))
    assert (tops, len(page.rows), page.token) == ([100, 12, 1], 1, "next")
    monkeypatch.setattr(task_hub, "MOST_PAGE_BYTES", 10)
    assert len(with_hub(answer, lambda hub: hub.page(Selection(), top=1)).rows) == 1


@pytest.mark.parametrize(("status", "text"), [(500, "[]"), (200, "no JSON"), (200, "{}")])
def test_a_list_that_is_none_is_an_error(status: int, text: str) -> None:
    with pytest.raises(TaskHubError, match=str(status)):
        with_hub(lambda _: web.Response(status=status, text=text), listed)


def test_a_whole_instance_brings_input_and_history() -> None:
    def answer(request: web.BaseRequest) -> web.Response:
        assert request.path == "/rpc/instances/a b"
        assert dict(request.query) == {"showInput": "true", "showHistory": "true", "showHistoryOutput": "true"}
        return web.Response(status=200, text=json.dumps({"input": 1}))

    assert with_hub(answer, lambda hub: hub.whole("a b")) == {"input": 1}
    assert with_hub(lambda _: web.Response(status=404), lambda hub: hub.whole("x")) == {}
    with pytest.raises(TaskHubError, match="500"):
        with_hub(lambda _: web.Response(status=500, text="{}"), lambda hub: hub.whole("x"))


@pytest.mark.parametrize(("status", "rewound"), [(202, True), (200, True), (404, False), (410, False), (412, False)])
def test_a_rewind_says_whether_the_instance_had_failed(status: int, rewound: bool) -> None:
    def answer(request: web.BaseRequest) -> web.Response:
        assert (request.method, request.query["reason"]) == ("POST", "why & what")
        return web.Response(status=status)

    assert with_hub(answer, lambda hub: hub.rewind("i1", "why & what")) is rewound


@pytest.mark.parametrize(
    ("status", "text", "error"),
    [
        (501, "", RewindUnsupportedError),
        (500, "The method or operation is not implemented.", RewindUnsupportedError),
        (500, '{"ExceptionType": "System.NotSupportedException"}', RewindUnsupportedError),
        (500, "storage", TaskHubError),
    ],
)
def test_a_provider_without_rewind_is_told_from_a_failure(status: int, text: str, error: type[Exception]) -> None:
    with pytest.raises(TaskHubError) as raised:
        with_hub(lambda _: web.Response(status=status, text=text), lambda hub: hub.rewind("i1", "r"))
    assert type(raised.value) is error


@pytest.mark.parametrize(("status", "fails"), [(202, False), (410, False), (404, False), (500, True)])
def test_a_termination_is_asked_for(status: int, fails: bool) -> None:
    def answer(request: web.BaseRequest) -> web.Response:
        assert (request.method, request.path, request.query["reason"]) == ("POST", "/rpc/instances/i1/terminate", "r")
        return web.Response(status=status)

    if fails:
        with pytest.raises(TaskHubError, match="500"):
            with_hub(answer, lambda hub: hub.terminate("i1", "r"))
    else:
        with_hub(answer, lambda hub: hub.terminate("i1", "r"))


@pytest.mark.parametrize(
    ("status", "body", "purged"),
    [(200, {"instancesDeleted": 1}, 1), (200, {}, 0), (404, {}, 0), (410, {}, 0), (412, "goes on", 0)],
)
def test_an_instance_is_purged_under_its_own_address(status: int, body: Any, purged: int) -> None:
    asked: list[str] = []

    def answer(request: web.BaseRequest) -> web.Response:
        asked.append(f"{request.method} {request.raw_path}")
        return web.json_response(body, status=status)

    assert with_hub(answer, lambda hub: hub.purge("a?runtimeStatus=Running")) == purged
    assert asked == ["DELETE /rpc/instances/a%3FruntimeStatus=Running"]


@pytest.mark.parametrize("instance_id", ["", ".", ".."])
def test_an_instance_that_no_address_names_is_not_purged(instance_id: str) -> None:
    with pytest.raises(TaskHubError):
        with_hub(lambda request: web.json_response({"instancesDeleted": 9}), lambda hub: hub.purge(instance_id))


def test_a_purge_that_the_platform_does_not_take_is_told() -> None:
    for answer in (web.json_response({}, status=500), web.Response(text="<html>")):
        with pytest.raises(TaskHubError):
            with_hub(lambda request, answer=answer: answer, lambda hub: hub.purge("i1"))
