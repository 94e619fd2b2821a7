"""Steps of a run over a scripted network: wire shapes in, what callers read out."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.status import RunError
from contracts.steps import RunStep, RunSteps, StepCall
from contracts.wire import to_wire
from foundry import errors
from foundry.bing import bing_query_url
from foundry.classic.steps import MOST_PAGES
from tests.unit.scripted import no_deadline, raised_by, reply, service_of

THREAD, RUN = "thread_1", "run_1"
API = "https://api.bing.microsoft.com/v7.0/search"


def step(step_id: str = "step_1", **fields: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "tool_calls", "status": "completed", "created_at": 0, **fields}


def with_calls(*calls: Any, kind: str = "tool_calls") -> dict[str, Any]:
    return step(step_details={"type": kind, kind: list(calls)})


def page(*steps: Any, has_more: bool = False, **fields: Any) -> Any:
    return reply(200, {"data": list(steps), "has_more": has_more, **fields})


def listed(*script: Any) -> RunSteps:
    return service_of(*script)[0].list_steps(THREAD, RUN)


def call_of(given: Any) -> StepCall:
    [found] = listed(page(with_calls(given))).steps
    [call] = found.tool_calls
    return call


def test_a_step_has_its_times_and_what_it_wrote() -> None:
    made = step(
        type="message_creation",
        step_details={"type": "message_creation", "message_creation": {"message_id": "msg_1"}},
        created_at=1_700_000_000,
        completed_at=1_700_000_003,
        metadata={},
    )
    assert listed(page(made)) == RunSteps(
        run_id=RUN,
        steps=[
            RunStep(
                id="step_1",
                type="message_creation",
                status="completed",
                created_at="2023-11-14T22:13:20Z",
                completed_at="2023-11-14T22:13:23Z",
                error=None,
                message_id="msg_1",
            )
        ],
    )


@pytest.mark.parametrize("name", ["failed_at", "cancelled_at", "expired_at"])
def test_a_step_that_ended_otherwise_has_its_end_and_error(name: str) -> None:
    last_error = {"code": "server_error", "message": "Sorry, something went wrong."}
    [found] = listed(page(step(status="failed", completed_at=None, last_error=last_error, **{name: 60}))).steps
    assert found.completed_at == "1970-01-01T00:01:00Z"
    assert found.error == RunError(code="server_error", message="Sorry, something went wrong.")


@pytest.mark.parametrize("last_error", [None, {}, "x", []])
def test_a_step_without_error_has_none(last_error: Any) -> None:
    assert listed(page(step(last_error=last_error))).steps[0].error is None


def test_an_error_without_a_code_is_a_failure() -> None:
    assert listed(page(step(last_error={"code": None, "message": None}))).steps[0].error == RunError(
        code="failed", message=""
    )


@pytest.mark.parametrize(
    ("given_call", "call"),
    [
        ({"type": "function", "function": {"name": "f", "arguments": "{}", "output": "o"}}, {"name": "f"}),
        (
            {"type": "mcp", "name": "t", "server_label": "github", "arguments": "{}", "output": "o"},
            {"name": "t", "server_label": "github"},
        ),
        ({"type": "openapi", "openapi": {"name": "weather"}}, {"name": "weather"}),
        ({"type": "openapi", "function": {"name": "weather_get", "arguments": "{}"}}, {"name": "weather_get"}),
        ({"type": "connected_agent", "connected_agent": {"name": "writer", "arguments": "{}"}}, {"name": "writer"}),
        ({"type": "azure_function", "azure_function": {"function": {"name": "q"}}}, {"name": "q"}),
        ({"type": "code_interpreter", "code_interpreter": {"input": "print(1)", "outputs": []}}, {}),
        (
            {
                "type": "code_interpreter",
                "code_interpreter": {
                    "input": "plot()",
                    "outputs": [
                        {"type": "logs", "logs": "file-of-a-log"},
                        {"type": "image", "image": {"file_id": "assistant-1"}},
                        {"type": "file", "file_id": "assistant-2"},
                        {"type": "image", "image": {"file_id": "assistant-1"}},
                        {"type": "image", "image": {"file_id": "../assistants"}},
                        {"type": "image", "image": None},
                    ],
                },
            },
            {"file_ids": ["assistant-1", "assistant-2"]},
        ),
        ({"type": "file_search", "file_search": {"results": [{"file_id": "file-1"}]}}, {}),
        ({"type": "bing_grounding", "bing_grounding": {"requesturl": f"{API}?q=fjord"}}, {"query_url": "q=fjord"}),
        ({"type": "invented_later", "invented_later": {"name": "x"}}, {"name": "x"}),
        ({"type": "odd", "odd": None, "name": 7}, {}),
    ],
)
def test_a_tool_call_has_its_name_and_nothing_that_was_said(given_call: dict[str, Any], call: dict[str, Any]) -> None:
    expected = {
        **call,
        **({"query_url": f"https://www.bing.com/search?{call['query_url']}"} if "query_url" in call else {}),
    }
    assert call_of({"id": "call_1", **given_call}) == StepCall(id="call_1", type=given_call["type"], **expected)


def test_the_tools_that_a_server_lists_are_shown_as_a_call_of_it() -> None:
    activity = {"id": "a_1", "type": "mcp_list_tools", "server_label": "github", "tools": {"t": {}}}
    [found] = listed(page(with_calls(activity, kind="activities"))).steps
    assert found.tool_calls == [StepCall(id="a_1", type="mcp_list_tools", server_label="github")]


def test_neither_arguments_nor_outputs_are_shown() -> None:
    secret = "planted"
    calls = [
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": secret, "output": secret}},
        {"id": "2", "type": "mcp", "name": "t", "arguments": secret, "output": secret},
        {"id": "3", "type": "code_interpreter", "code_interpreter": {"input": secret, "outputs": [{"logs": secret}]}},
        {"id": "4", "type": "connected_agent", "connected_agent": {"name": "a", "arguments": secret, "output": secret}},
        {"id": "5", "type": "bing_grounding", "bing_grounding": {"response_metadata": secret}},
    ]
    assert secret not in json.dumps(to_wire(listed(page(with_calls(*calls)))))


@pytest.mark.parametrize(
    ("search", "url"),
    [
        ({"requesturl": f"{API}?q=why+is+it&count=5&mkt=en-US"}, "q=why+is+it"),
        ({"requesturl": f"{API}?count=5&q=a%26b%3Dc%22"}, "q=a%26b%3Dc%22"),
        ({"requesturl": f"{API}?q=%E5%A4%A9%E6%B0%97"}, "q=%E5%A4%A9%E6%B0%97"),
        ({"requesturl": f"{API}?q=天气 today"}, "q=%E5%A4%A9%E6%B0%94+today"),
        ({"requestUrl": "https://api.bing.microsoft.com/v7.0/custom/search?q=x&customconfig=1"}, "q=x"),
        ({"request_url": "https://www.bing.com/search?q=x"}, "q=x"),
        ({"requesturl": "https://www.bing.com/search?q=%3Cscript%3E"}, "q=%3Cscript%3E"),
        ({"requesturl": "https://evil.example/search?q=x"}, None),
        ({"requesturl": "https://notbing.com/search?q=x"}, None),
        ({"requesturl": "https://bing.com.evil.example/?q=x"}, None),
        ({"requesturl": "javascript:alert(1)?q=x"}, None),
        ({"requesturl": "https://[bing.com/?q=x"}, None),
        ({"requesturl": API}, None),
        ({"requesturl": f"{API}?q={'x' * 9000}"}, None),
        ({"requesturl": {"q": "x"}}, None),
        ({}, None),
    ],
)
def test_a_search_is_shown_as_the_page_that_people_can_open(search: dict[str, Any], url: str | None) -> None:
    assert bing_query_url(search) == (url and f"https://www.bing.com/search?{url}")


@given(
    st.text(min_size=1, max_size=200).filter(
        lambda text: text.strip() and not any("\ud800" <= c <= "\udfff" for c in text)
    )
)
@no_deadline
def test_whatever_was_searched_for_stays_what_it_is(words: str) -> None:
    url = bing_query_url({"requesturl": f"{API}?q={quote(words, safe='')}&count=5"})
    assert url is not None
    assert parse_qs(urlsplit(url).query) == {"q": [words]}
    assert url.isascii()


def test_all_pages_are_followed_oldest_first() -> None:
    service, network = service_of(page(step("s1"), step("s2"), has_more=True, last_id="s2"), page(step("s3")))
    found = service.list_steps(THREAD, RUN)
    assert [s.id for s in found.steps] == ["s1", "s2", "s3"]
    assert not found.truncated
    queries = [parse_qs(urlsplit(str(r.url)).query) for r in network.requests]
    assert [(q["order"], q.get("after")) for q in queries] == [(["asc"], None), (["asc"], ["s2"])]


def test_more_steps_than_are_read_are_said_to_be_there() -> None:
    pages = [page(step(f"s{n}"), has_more=True, last_id=f"s{n}") for n in range(MOST_PAGES + 1)]
    service, network = service_of(*pages)
    found = service.list_steps(THREAD, RUN)
    assert (len(found.steps), found.truncated, len(network.requests)) == (MOST_PAGES, True, MOST_PAGES)


def test_pages_that_do_not_lead_on_end_the_list() -> None:
    assert (
        len(listed(page(step("s1"), has_more=True, last_id="s1"), page(step("s1"), has_more=True, last_id="s1")).steps)
        == 1
    )
    assert listed(page(has_more=True)).steps == []


def test_a_list_that_is_none_is_no_empty_one() -> None:
    assert isinstance(raised_by(lambda: listed(reply(200, {"object": "list"}))), errors.BadResponseError)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "type",
                        "id",
                        "step_details",
                        "tool_calls",
                        "function",
                        "name",
                        "last_error",
                        "mcp",
                        "code",
                        "created_at",
                        "code_interpreter",
                        "outputs",
                        "bing_grounding",
                        "requesturl",
                        "image",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
@no_deadline
def test_whatever_a_step_says_it_is_shown(said: Any) -> None:
    found = listed(page({**(said if isinstance(said, dict) else {"step_details": said}), "id": "step_1"}))
    assert [s.id for s in found.steps] == ["step_1"]
    json.dumps(to_wire(found), allow_nan=False)
