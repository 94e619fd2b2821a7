"""Answers that nobody would expect: wrong types, missing fields, other ids, far too much."""

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.activities import NewMessage
from contracts.runs import Effect, PostedMessage, RunState, Stamp, ToolAnswer, ToolOutput
from contracts.wire import SDK_MARKERS, to_wire
from foundry import errors
from foundry.second import ResponsesAgentService
from foundry.second.calls import answered_in, calls_in, open_calls, pending_calls
from foundry.second.responses import snapshot
from foundry.second.steps import run_steps
from foundry.transport import Transport
from tests.unit.scripted import ENDPOINT, ScriptedNetwork, Tokens, no_deadline, raised_by, reply

THREAD, RUN = "conv_1", "resp_1"
STAMP = Stamp(instance_id="i-1", operation_id="run-0")
EFFECT = Effect(stamp=STAMP)
MESSAGE = NewMessage(content="hi")


def service_of(*script):
    network = ScriptedNetwork(*script)
    return ResponsesAgentService(Transport(ENDPOINT, "v1", Tokens(), adapter=network)), network


def always(answer):
    """A network that answers everything alike."""
    return service_of(*[lambda _: answer] * 2000)


def response(status="completed", **fields):
    return {"id": RUN, "status": status, "conversation": {"id": THREAD}, "output": [], **fields}


def listed(*items, **fields):
    return {"data": list(items), "has_more": False, **fields}


def call(number=1, **fields):
    return {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "name": "f", **fields}


ASKED = {
    "list_agents": lambda s: list(s.list_agents()),
    "get_agent": lambda s: s.get_agent("a:1"),
    "create_thread": lambda s: s.create_thread(STAMP, MESSAGE),
    "find_thread": lambda s: s.find_thread(STAMP),
    "threads_of_instance": lambda s: s.threads_of_instance("i-1"),
    "take_over": lambda s: s.take_over(THREAD, "i-1"),
    "create_message": lambda s: s.create_message(THREAD, MESSAGE, STAMP),
    "find_message": lambda s: s.find_message(THREAD, MESSAGE, STAMP),
    "take_back_message": lambda s: s.take_back_message(THREAD, "msg_1"),
    "awaits_answer": lambda s: s.awaits_answer(THREAD, "i-1"),
    "create_run": lambda s: s.create_run(THREAD, "a", {}, {}, STAMP),
    "get_run": lambda s: s.get_run(THREAD, RUN),
    "list_runs": lambda s: s.list_runs(THREAD),
    "find_run": lambda s: s.find_run(THREAD, EFFECT),
    "cancel_run": lambda s: s.cancel_run(THREAD, RUN),
    "submit_tool_outputs": lambda s: s.submit_tool_outputs(
        THREAD,
        RUN,
        ToolAnswer(tool_outputs=[ToolOutput(tool_call_id="call_1", output="x")]),
        agent_id="a",
        agent_version=None,
        effect=EFFECT,
        metadata={},
    ),
    "delete_thread": lambda s: s.delete_thread(THREAD, "i-1"),
    "get_answer": lambda s: s.get_answer(THREAD, RUN, PostedMessage(stamp=STAMP, message_id="msg_1")),
    "list_steps": lambda s: s.list_steps(THREAD, RUN),
    "has_produced": lambda s: s.has_produced(THREAD, RUN, "file_1"),
}

BODIES = [
    {},
    {"data": None},
    {"data": [None, 5, "x", [], {}]},
    {"id": 5, "status": [], "name": {}},
    {"id": "../x", "status": "completed", "name": "a"},
    {"id": RUN, "status": "", "output": {}},
    {"id": RUN, "status": "completed", "output": [{"type": 5, "call_id": {}, "id": []}], "metadata": [], "usage": 7},
    {"id": "resp_other", "status": "queued", "conversation": "conv_other", "data": [{"id": {}}], "name": "b"},
    {"id": RUN, "status": "failed", "error": "x", "incomplete_details": [], "conversation": {"id": 7}},
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
@pytest.mark.parametrize("name", ASKED)
def test_no_answer_raises_anything_but_an_error_of_foundrys(name, body):
    service, _ = always(reply(200, body))
    error = raised_by(lambda: ASKED[name](service))
    assert error is None or isinstance(error, errors.FoundryError)


@pytest.mark.parametrize("answer", [b"", b"[]", b"null", b"<html>Sign in</html>", b'{"id": "resp_1", '])
@pytest.mark.parametrize("name", [name for name in ASKED if name != "take_back_message"])
def test_what_is_no_object_may_have_happened(name, answer):
    service, _ = always(reply(200, answer))
    error = raised_by(lambda: ASKED[name](service))
    assert isinstance(error, errors.BadResponseError)


@pytest.mark.parametrize("name", ["create_run", "get_run", "cancel_run", "get_answer", "list_steps", "has_produced"])
@pytest.mark.parametrize("conversation", ["conv_other", {"id": "conv_other"}, 5, ["x"], {"id": {}}])
def test_a_response_of_another_conversation_is_not_believed(name, conversation):
    service, _ = always(reply(200, response(conversation=conversation)))
    assert isinstance(raised_by(lambda: ASKED[name](service)), errors.BadResponseError)


@pytest.mark.parametrize("name", ["get_run", "cancel_run", "get_answer", "list_steps", "has_produced"])
def test_another_response_than_asked_for_is_not_believed(name):
    service, _ = always(reply(200, response(id="resp_other")))
    assert isinstance(raised_by(lambda: ASKED[name](service)), errors.BadResponseError)


def test_a_response_may_leave_its_conversation_out():
    for shown in ({}, {"conversation": None}, {"conversation": THREAD}):
        body = {"id": "wfresp_1", "status": "queued", **shown}
        assert snapshot(body, THREAD).run_id == "wfresp_1"


@pytest.mark.parametrize("items", [[], [{"id": "msg_1"}, {"id": "msg_2"}], [{"id": 5}], [{}]])
def test_an_added_message_that_is_not_shown_as_one_may_have_been_added(items):
    service, _ = service_of(reply(200, listed(*items)))
    error = raised_by(lambda: service.create_message(THREAD, MESSAGE, STAMP))
    assert isinstance(error, errors.BadResponseError)


def test_an_agent_that_is_another_one_is_not_believed():
    service, _ = service_of(reply(200, {"name": "b", "versions": {"latest": {"version": "1"}}}))
    assert isinstance(raised_by(lambda: service.get_agent("a")), errors.BadResponseError)


def test_a_start_sends_this_and_no_more():
    service, network = service_of(reply(200, response("queued")))
    service.create_run(THREAD, "a:2", {}, {"job": "7"}, STAMP)
    assert json.loads(network.requests[0].body) == {
        "conversation": THREAD,
        "agent_reference": {"type": "agent_reference", "name": "a", "version": "2"},
        "background": True,
        "store": True,
        "metadata": {"job": "7", **STAMP.as_metadata()},
    }


# --- far too much -----------------------------------------------------------------------------------------------------


def test_ten_thousand_items_are_read_as_far_as_needed():
    items = [{"type": "reasoning", "id": f"rs_{n}", "created_by": {"response_id": RUN}} for n in range(10_000)]
    endless = reply(200, listed(*items, has_more=True, last_id="rs_9999"))
    service, network = always(endless)
    assert service.find_message(THREAD, MESSAGE, STAMP) is None
    assert len(network.requests) == 1


def test_calls_that_are_too_far_down_to_be_shown_are_not_open():
    asking = [response(id=f"resp_{n}", output=[call(n)]) for n in (2, 1)]
    service, _ = service_of(reply(200, listed(*asking)), reply(200, listed({"type": "message", "role": "user"})))
    assert [run.state for run in service.list_runs(THREAD)] == [RunState.REQUIRES_ACTION, RunState.COMPLETED]


def test_a_message_among_the_items_of_a_response_does_not_stand_before_it():
    made = {"type": "message", "role": "assistant", "created_by": {"response_id": RUN}}
    users = [{"type": "message", "role": "user", "id": f"msg_{n}"} for n in (1, 2)]
    items = listed(made, users[1], made, users[0])
    service, _ = service_of(reply(200, response()), reply(200, items))
    assert not service.get_answer(THREAD, RUN, PostedMessage(stamp=STAMP, message_id="msg_1")).of_another_message


def test_what_a_response_says_in_the_users_name_is_no_users_message():
    made = {"type": "message", "role": "assistant", "created_by": {"response_id": RUN}}
    quoted = {"type": "message", "role": "user", "created_by": {"response_id": "wfresp_2"}}
    items = listed(made, quoted, {"type": "message", "role": "user", "id": "msg_1"})
    service, _ = service_of(reply(200, response()), reply(200, items))
    assert not service.get_answer(THREAD, RUN, PostedMessage(stamp=STAMP, message_id="msg_1")).of_another_message


def test_a_message_of_nothing_is_none_since_a_completed_response_does_not_grow():
    output = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": ""}]}]
    assert snapshot(response(output=output), THREAD).answer.messages == []


def test_so_many_unknown_responses_are_looked_at_and_no_more():
    items = [{"type": "message", "id": f"msg_{n}", "created_by": {"response_id": f"resp_{n}"}} for n in range(100)]

    def answer(request):
        path = request.url.split("?")[0]
        if path.endswith(("/items", "/responses")):
            return reply(200, listed(*(items if path.endswith("/items") else [])))
        return reply(404, {"error": {"message": f"Response with id '{path.rsplit('/')[-1]}' not found.", "code": None}})

    service, network = service_of(*[answer] * 50)
    assert service.find_run(THREAD, EFFECT) is None
    assert len(network.requests) == 2 + 10


def test_twenty_items_are_sent_at_a_time():
    calls = [call(n, created_by={"response_id": RUN}) for n in range(45)]
    stamped = response(metadata=STAMP.as_metadata())

    def answer(request):
        if request.method == "POST":
            return reply(200, listed())
        return reply(200, listed(*(calls if request.url.split("?")[0].endswith("/items") else [stamped])))

    service, network = service_of(*[answer] * 50)
    assert service.take_over(THREAD, "i-1") == (RUN,)
    posted = [json.loads(r.body)["items"] for r in network.requests if r.method == "POST"]
    assert [len(items) for items in posted] == [20, 20, 5]
    assert len({item["call_id"] for items in posted for item in items}) == 45


def test_ten_thousand_steps_are_cut():
    found = run_steps([call(n) for n in range(10_000)], RUN)
    assert len(found.steps) == 1000
    assert found.truncated


@pytest.mark.parametrize("name", ["model", "status"])
def test_huge_texts_are_cut(name):
    run = snapshot(response(**{"status": "queued", name: "x" * 10**6}), THREAD)
    assert len(str(run)) < 2000


# --- what the answer holds --------------------------------------------------------------------------------------------


def test_markers_of_the_sdk_and_instructions_reach_nobody(caplog):
    caplog.set_level(logging.DEBUG)
    marker = next(iter(SDK_MARKERS))
    body = response(
        instructions="the agent's own instructions",
        usage={"input_tokens": 1, marker: {"x": 1}},
        output=[
            {
                "type": "message",
                "role": "assistant",
                "id": "msg_1",
                "content": [{"type": "output_text", "text": "t", "annotations": [{"type": "x", marker: "y"}]}],
            }
        ],
    )
    service, _ = service_of(reply(200, body))
    shown = json.dumps(to_wire(service.get_run(THREAD, RUN)))
    assert marker not in shown
    assert "own instructions" not in shown + caplog.text


@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)", "ftp://example.com", "https://", "https://a b", "x" * 9000, "", None, 5, "https://[x"],
)
def test_a_consent_without_a_link_to_follow_is_unsupported(link):
    item = {"type": "oauth_consent_request", "id": "oa_1", "server_label": "mail", "consent_link": link}
    [pending] = snapshot(response(output=[item]), THREAD).pending_calls
    assert (pending.kind, pending.link) == ("unsupported", "")


@pytest.mark.parametrize(
    "item",
    [
        {"type": "computer_call", "id": "cu_1", "call_id": "call_1"},
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_1", "name": "f"},
        {"type": "payment_request", "id": "pr_1"},
        {"type": "function_call", "id": "fc_1"},
        {"type": "mcp_approval_request"},
    ],
)
def test_what_clearly_waits_is_not_passed_over(item):
    run = snapshot(response(output=[item]), THREAD)
    assert run.state is RunState.REQUIRES_ACTION
    assert [pending.kind for pending in run.pending_calls] == ["unsupported"]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "azure_function_call", "call_id": "call_1"},
        {"type": "openapi_call", "call_id": "call_1"},
        {"type": "web_search_call", "id": "ws_1"},
        {"type": "mcp_call", "id": "mcp_1", "call_id": "c"},
        {"type": "workflow_action", "id": "wfa_1"},
        {"type": "function_call_output", "call_id": "call_1"},
        {"type": "mcp_approval_response", "approval_request_id": "mcpr_1"},
        {"type": "reasoning", "id": "rs_1"},
        {"type": "something_new", "id": "x"},
        {},
    ],
)
def test_what_the_service_does_itself_asks_nobody(item):
    assert snapshot(response(output=[item]), THREAD).state is RunState.COMPLETED


def test_what_the_output_itself_answers_asks_nobody():
    output = [call(1), {"type": "function_call_output", "call_id": "call_1", "output": "x"}]
    assert pending_calls(output) == ()


def test_nothing_of_a_running_or_failed_response_is_asked():
    for status in ("in_progress", "failed", "incomplete", "cancelled"):
        assert snapshot(response(status, output=[call()]), THREAD).pending_calls == ()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["call_1", "mcpr_1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_TYPES = (
    *("function_call", "mcp_approval_request", "oauth_consent_request", "function_call_output"),
    *("mcp_approval_response", "message", "computer_call", "x_request", ""),
)
_ITEMS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(_TYPES) | _JSON,
            **dict.fromkeys(("id", "call_id", "approval_request_id", "content", "role", "created_by"), _JSON),
        },
    ),
    max_size=5,
)


@no_deadline
@given(_ITEMS)
def test_any_items_are_read(items):
    run = snapshot(response(output=items), THREAD)
    assert run.state in {RunState.COMPLETED, RunState.REQUIRES_ACTION}
    left = {c.key for c in open_calls(items)}
    assert None not in left
    assert not left & answered_in(items)
    assert left <= {c.key for c in calls_in(items)}
    run_steps(items, RUN)
    to_wire(run)
