"""Messages of a thread: pages over a scripted network, and the route that hands them out."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.conversation import MessagePage, ThreadMessage
from contracts.runs import Attachment
from foundry import errors
from http_api import foundry_reads, thread_messages
from tests.unit.scripted import ENDPOINT, PROMPT, no_deadline, raised_by, reply, service_of
from tests.unit.test_http_functions import call

THREAD = "thread_1"


def message(number: int, **fields: Any) -> dict[str, Any]:
    text = {"type": "text", "text": {"value": f"text {number}", "annotations": []}}
    return {"id": f"msg_{number}", "role": "user", "created_at": 1_700_000_000, "content": [text], **fields}


def page(*items: Any, has_more: bool = False) -> Any:
    return reply(200, {"data": list(items), "has_more": has_more})


def query_of(request: Any) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}


# --- the service ------------------------------------------------------------------------------------------------------


def test_a_page_is_oldest_first_and_leads_to_older_ones() -> None:
    service, network = service_of(page(message(3), message(2), has_more=True), page(message(1)))
    newest = service.thread_messages(THREAD, 2, None)
    assert ([m.id for m in newest.messages], newest.before) == (["msg_2", "msg_3"], "msg_2")
    older = service.thread_messages(THREAD, 2, newest.before)
    assert ([m.id for m in older.messages], older.before) == (["msg_1"], None)
    assert network.paths == [f"GET /threads/{THREAD}/messages"] * 2
    first, second = (query_of(request) for request in network.requests)
    assert (first["limit"], first["order"], second["after"]) == ("2", "desc", "msg_2")
    assert "after" not in first


def test_a_message_says_who_wrote_what() -> None:
    image = {"type": "image_file", "image_file": {"file_id": "file-1"}}
    given_message = message(1, role="assistant", run_id="run_1", assistant_id="asst_1")
    given_message["content"].append(image)
    [found] = service_of(page(given_message))[0].thread_messages(THREAD, 20, None).messages
    assert found == ThreadMessage(
        id="msg_1",
        role="assistant",
        created_at="2023-11-14T22:13:20Z",
        run_id="run_1",
        agent_id="asst_1",
        text="text 1",
        attachments=[Attachment(kind="image_file", id="file-1")],
    )


def test_pages_that_are_too_large_are_asked_for_in_smaller_ones() -> None:
    def too_large(_: Any) -> Any:
        return errors.OversizedAnswerError("too large")

    service, network = service_of(too_large, too_large, page(message(1), has_more=True))
    assert service.thread_messages(THREAD, 50, None).before == "msg_1"
    assert [query_of(request)["limit"] for request in network.requests] == ["50", "5", "1"]
    service, network = service_of(too_large)
    assert isinstance(raised_by(lambda: service.thread_messages(THREAD, 1, None)), errors.OversizedAnswerError)


def test_a_thread_of_ten_thousand_messages_costs_a_request_a_page() -> None:
    items = [message(n) for n in range(10_000)]

    def answer(request: Any) -> Any:
        query = query_of(request)
        end = int(query["after"].removeprefix("msg_")) if "after" in query else len(items)
        begin = max(0, end - int(query["limit"]))
        return page(*reversed(items[begin:end]), has_more=begin > 0)

    service, network = service_of(*[answer] * 100)
    found: list[str] = []
    before = None
    while True:
        one: MessagePage = service.thread_messages(THREAD, 100, before)
        found[:0] = [m.id for m in one.messages]
        before = one.before
        if before is None:
            break
    assert found == [item["id"] for item in items]
    assert len(network.requests) == 100


@no_deadline
@given(
    item=st.dictionaries(
        st.sampled_from(["id", "role", "created_at", "run_id", "assistant_id", "content"]),
        st.none() | st.integers() | st.text(max_size=5) | st.lists(st.none() | st.text(max_size=3), max_size=2),
    )
)
def test_whatever_a_message_is_it_is_read(item: dict[str, Any]) -> None:
    assert len(service_of(page(item))[0].thread_messages(THREAD, 20, None).messages) == 1


# --- the route --------------------------------------------------------------------------------------------------------


class FakeService:
    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[Any] = []

    def within(self, seconds: float) -> FakeService:
        return self

    def thread_messages(self, thread_id: str, limit: int, before: str | None) -> MessagePage:
        self.asked.append((thread_id, limit, before))
        if isinstance(self.answer, Exception):
            raise self.answer
        assert isinstance(self.answer, MessagePage)
        return self.answer


def said(agent_id: str | None = None, **fields: Any) -> ThreadMessage:
    given = {"id": "msg_1", "role": "assistant", "created_at": None, "run_id": None, "text": PROMPT, **fields}
    return ThreadMessage(agent_id=agent_id, **given)


@pytest.fixture
def foundry(monkeypatch: pytest.MonkeyPatch) -> FakeService:
    fake = FakeService(
        MessagePage([said(), said("asst_1"), said("asst_2", attachments=[Attachment(kind="f", id="i")])], "msg_1")
    )
    monkeypatch.setenv("FOUNDRY_PROJECT_ENDPOINT", ENDPOINT)
    monkeypatch.delenv("FOUNDRY_ALLOWED_AGENT_IDS", raising=False)
    monkeypatch.setattr(foundry_reads, "agent_service", lambda settings, generation: fake)
    return fake


def get(thread_id: str = THREAD, **query: str) -> tuple[int, dict[str, Any]]:
    status, body, _ = call(thread_messages.thread_messages, method="GET", route={"thread_id": thread_id}, query=query)
    return status, body


def test_a_page_is_handed_out_with_its_cursor(foundry: FakeService) -> None:
    status, body = get()
    assert (status, body["thread_id"], body["next_cursor"]) == (200, THREAD, "msg_1")
    assert [m["text"] for m in body["messages"]] == [PROMPT] * 3
    get(limit="100", cursor="msg_7")
    assert foundry.asked == [(THREAD, 20, None), (THREAD, 100, "msg_7")]


def test_what_agents_wrote_that_callers_may_not_run_is_withheld(
    foundry: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOUNDRY_ALLOWED_AGENT_IDS", "asst_1")
    shown = [(m["text"], m["withheld"], m["attachments"]) for m in get()[1]["messages"]]
    assert shown == [(PROMPT, False, []), (PROMPT, False, []), (None, True, [])]


@pytest.mark.parametrize(
    ("query", "targets"),
    [
        ({"limit": "0"}, ["limit"]),
        ({"limit": "101", "cursor": "../x"}, ["limit", "cursor"]),
        ({"limit": "\u0661"}, ["limit"]),
        ({"limit": "9" * 5000}, ["limit"]),
        ({"before": "msg_1"}, ["before"]),
    ],
)
def test_a_bad_query_asks_for_nothing(foundry: FakeService, query: dict[str, str], targets: list[str]) -> None:
    status, body = get(**query)
    assert (status, [d["target"] for d in body["error"]["details"]]) == (400, targets)
    assert foundry.asked == []


@pytest.mark.parametrize("thread_id", ["..", "a/b", "\u00fcber", "x" * 129])
def test_what_is_no_id_is_no_thread(foundry: FakeService, thread_id: str) -> None:
    status, body = get(thread_id)
    assert (status, body["error"]["code"], body["error"]["target"]) == (404, "not_found", "thread_id")
    assert foundry.asked == []


def test_an_id_of_something_else_is_named(foundry: FakeService) -> None:
    foundry.answer = errors.NotFoundError("no such thread", names_it=True)
    status, body = get("run_k0wyjiCmrPRZCjQFGjrhJ7Nb")
    assert status == 404
    assert "the id of a run was given" in body["error"]["message"]


@pytest.mark.parametrize(
    ("error", "cursor", "status"),
    [
        (errors.NotFoundError("the project", names_it=False), None, 502),
        (errors.RateLimitedError("slow down"), None, 502),
        (errors.OversizedAnswerError("too large"), None, 502),
        (errors.InvalidInputError("no such object"), "msg_7", 400),
        (errors.InvalidInputError("no such thing"), None, 502),
    ],
)
def test_failures_of_foundry(foundry: FakeService, error: Exception, cursor: str | None, status: int) -> None:
    foundry.answer = error
    assert get(**({"cursor": cursor} if cursor else {}))[0] == status


def test_without_settings_they_are_named(foundry: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FOUNDRY_PROJECT_ENDPOINT")
    status, body = get()
    assert (status, body["error"]["code"]) == (500, "configuration_error")
