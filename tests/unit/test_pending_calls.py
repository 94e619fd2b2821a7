"""What a run asks: calls that a caller can answer, what nobody here can, and what the service answers itself."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.runs import PendingCall
from contracts.wire import to_wire
from foundry.classic.pending import HOSTED_TOOLS, pending_calls
from tests.unit.scripted import no_deadline

FUNCTION = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
APPROVAL = {"id": "call_2", "type": "mcp", "arguments": "{}", "name": "t", "server_label": "github"}


def outputs(*calls, **fields):
    return {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": list(calls)}, **fields}


def approvals(*calls):
    return {"type": "submit_tool_approval", "submit_tool_approval": {"tool_calls": list(calls)}}


def asked(action):
    return list(pending_calls(action))


def test_calls_are_read_with_all_that_a_caller_needs():
    assert asked(outputs(FUNCTION)) == [PendingCall(id="call_1", kind="function", name="f", arguments='{"a": 1}')]
    assert asked(approvals(APPROVAL)) == [
        PendingCall(id="call_2", kind="approval", name="t", arguments="{}", server_label="github")
    ]


def test_arguments_are_whole_however_long():
    sql = "SELECT '\u4e2d' " * 10_000
    [call] = asked(outputs({**FUNCTION, "function": {"name": "run_sql", "arguments": json.dumps({"query": sql})}}))
    assert json.loads(call.arguments) == {"query": sql}


@pytest.mark.parametrize(
    ("given_arguments", "text"),
    [
        ({"city": "Z\u00fcrich"}, '{"city": "Z\u00fcrich"}'),
        ([1], "[1]"),
        (5, "5"),
        (None, ""),
        ("", ""),
        ({"__class__": "x", "a": 1}, '{"a": 1}'),
    ],
)
def test_arguments_that_are_no_text_are_told_as_json(given_arguments, text):
    [call] = asked(outputs({**FUNCTION, "function": {"name": "f", "arguments": given_arguments}}))
    assert (call.kind, call.arguments) == ("function", text)
    [call] = asked(approvals({**APPROVAL, "arguments": given_arguments}))
    assert (call.kind, call.arguments) == ("approval", text)


def test_a_call_without_a_type_is_what_it_looks_like():
    [call] = asked(outputs({"id": "call_1", "function": {"name": "f"}}))
    assert (call.kind, call.name) == ("function", "f")
    [call] = asked({"submit_tool_approval": {"tool_calls": [{"id": "c", "server_label": "github", "name": "t"}]}})
    assert (call.kind, call.server_label) == ("approval", "github")


@pytest.mark.parametrize(
    ("action", "name"),
    [
        (None, "null"),
        ({}, "null"),
        ([], "null"),
        (5, "null"),
        ("submit_tool_outputs", "null"),
        ({"type": None}, "null"),
        ({"type": 5}, "null"),
        ({"type": ""}, "null"),
        ({"type": "submit_consent", "submit_consent": {"url": "https://x"}}, "submit_consent"),
        ({"type": "submit_consent"}, "submit_consent"),
        ({"type": "computer_use_preview", "computer_use_preview": {"tool_calls": [FUNCTION]}}, "computer_use_preview"),
        ({"type": "submit_tool_outputs"}, "submit_tool_outputs"),
        ({"type": "submit_tool_outputs", "submit_tool_outputs": None}, "submit_tool_outputs"),
        ({"submit_tool_outputs": {"tool_calls": None}}, "submit_tool_outputs"),
        (outputs(), "submit_tool_outputs"),
        (approvals(), "submit_tool_approval"),
        (outputs({"id": "c", "type": "computer_use_preview", "computer": {}}), "computer_use_preview"),
        (outputs({"id": "c", "type": "mcp", "name": "t"}), "mcp"),
        (approvals({"id": "c", "type": "oauth_consent"}), "oauth_consent"),
        (outputs({"id": "c", "type": None}), "null"),
        (outputs({}), "null"),
        (outputs("x"), "null"),
        (outputs(None), "null"),
        (outputs({**FUNCTION, "id": None}), "function"),
        (outputs({**FUNCTION, "id": "x" * 257}), "function"),
        (outputs({**FUNCTION, "id": "a b\n"}), "function"),
    ],
)
def test_what_nobody_here_can_answer_is_named(action, name):
    [call] = asked(action)
    assert (call.kind, call.name) == ("unsupported", name)
    assert call.id
    json.loads(call.arguments)


def test_what_nobody_here_can_answer_is_shown():
    action = {"type": "submit_consent", "id": "consent_1", "submit_consent": {"url": "https://x", "__class__": "y"}}
    [call] = asked(action)
    assert call.id == "consent_1"
    assert json.loads(call.arguments) == {
        "type": "submit_consent",
        "id": "consent_1",
        "submit_consent": {"url": "https://x"},
    }
    [call] = asked({"type": "x" * 5000, "big": "y" * 50_000})
    assert (call.id, call.name, call.arguments) == ("x" * 64, "x" * 64, None)


def test_a_call_beside_one_that_nobody_can_answer_is_read():
    kinds = [c.kind for c in asked(outputs(FUNCTION, {"id": "c", "type": "computer_use_preview"}))]
    assert kinds == ["function", "unsupported"]


@pytest.mark.parametrize("tool", sorted(HOSTED_TOOLS))
def test_what_the_service_answers_itself_is_nobodys_question(tool):
    assert asked(outputs({"id": "c", "type": tool, tool: {}})) == []
    assert asked({"type": tool}) == []
    assert [c.id for c in asked(outputs({"id": "c", "type": tool}, FUNCTION))] == ["call_1"]


@pytest.mark.parametrize("id_", ["call.1", "call:1", "fc_abc|msg_1", "call/1", "c" * 256, "-", "0"])
def test_an_id_of_a_call_is_given_back_as_it_came(id_):
    [call] = asked(outputs({**FUNCTION, "id": id_}))
    assert (call.id, call.kind) == (id_, "function")


words = st.sampled_from(
    ["type", "id", "submit_tool_outputs", "submit_tool_approval", "tool_calls", "function", "mcp", "server_label", "c"]
)
junk = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


@no_deadline
@given(junk)
def test_whatever_is_asked_is_told(action):
    calls = asked(action)
    assert calls
    for call in calls:
        json.dumps(to_wire(call))
        assert call.id
