"""Answers to tool calls: two names for approvals, headers that are secrets, outputs that are too large."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.runs import MOST_OUTPUT_BYTES, PendingCall
from contracts.wire import to_wire
from tests.unit.scripted import no_deadline
from validation.tool_answers import answer_digest, read_tool_answer

PENDING = [PendingCall(id="c1", kind="function", name="f"), PendingCall(id="c2", kind="approval", name="t")]
OUTPUTS = [{"tool_call_id": "c1", "output": "18"}]
APPROVAL = {"tool_call_id": "c2", "approve": True}
ANSWER = {"tool_outputs": OUTPUTS, "approvals": [APPROVAL]}
SECRET = "Bearer planted-header-41aa"


def refusals(payload, pending=PENDING):
    return {e.target: (e.code, e.message) for e in read_tool_answer(payload, pending)[1]}


@pytest.mark.parametrize(
    "same",
    [
        {"tool_outputs": OUTPUTS, "tool_approvals": [APPROVAL]},
        {"tool_outputs": OUTPUTS, "tool_approvals": [APPROVAL], "approvals": None},
        {"tool_outputs": OUTPUTS, "approvals": [APPROVAL], "tool_approvals": None},
        {"tool_outputs": OUTPUTS, "approvals": [{**APPROVAL, "headers": None, "headers_ref": None}]},
        {"tool_outputs": OUTPUTS, "tool_approvals": [{**APPROVAL, "headers": {}}]},
    ],
)
@pytest.mark.parametrize("as_text", [False, True])
def test_names_and_nulls_make_no_other_answer(same, as_text):
    payload = json.dumps(same) if as_text else same
    answer, problems = read_tool_answer(payload, PENDING)
    assert problems == []
    assert to_wire(answer) == ANSWER
    assert answer_digest(payload) == answer_digest(ANSWER)


def test_what_is_left_out_is_the_same_as_nothing():
    given = [
        {"tool_outputs": OUTPUTS},
        {"tool_outputs": OUTPUTS, "approvals": []},
        {"tool_outputs": OUTPUTS, "approvals": None},
    ]
    assert len({answer_digest(each) for each in given}) == 1
    assert answer_digest({"tool_outputs": []}) != answer_digest(given[0])


def test_a_reference_to_headers_is_part_of_the_answer():
    answer = {**ANSWER, "approvals": [{**APPROVAL, "headers_ref": "GITHUB"}]}
    assert to_wire(read_tool_answer(answer, PENDING)[0]) == answer
    assert answer_digest(answer) != answer_digest(ANSWER)


@pytest.mark.parametrize("other", [[APPROVAL], [], [{**APPROVAL, "approve": False}]])
def test_both_names_at_once_are_a_conflict(other):
    code, message = refusals({**ANSWER, "tool_approvals": other})["tool_approvals"]
    assert (code, message) == ("conflict", "is another name of approvals, which is given too: give one of them")


def test_the_name_that_was_given_is_the_one_that_is_told():
    assert refusals({"tool_outputs": OUTPUTS, "tool_approvals": [{"tool_call_id": "c9", "approve": True}]}).keys() == {
        "tool_approvals"
    }
    assert set(refusals({"tool_outputs": OUTPUTS, "tool_approvals": [{"tool_call_id": "c2"}]})) == {
        "tool_approvals[0].approve"
    }


@pytest.mark.parametrize("name", ["approvals", "tool_approvals"])
@pytest.mark.parametrize("headers", [{"Authorization": SECRET}, [SECRET], SECRET, {"a": {"b": [SECRET]}}])
def test_headers_are_refused_with_the_way_and_never_repeated(name, headers):
    payload = {"tool_outputs": OUTPUTS, name: [{**APPROVAL, "headers": headers}]}
    for each in (payload, json.dumps(payload)):
        found = refusals(each)
        code, message = found[f"{name}[0].headers"]
        assert code == "not_allowed"
        assert "MCP_HEADERS_<NAME>" in message
        assert "headers_ref" in message
        assert "planted" not in json.dumps(found)


@pytest.mark.parametrize("ref", [SECRET, "", 5, {"Authorization": SECRET}, "a" * 65, "A B", "1A"])
def test_a_reference_is_a_name_and_what_is_none_is_never_repeated(ref):
    found = refusals({**ANSWER, "approvals": [{**APPROVAL, "headers_ref": ref}]})
    assert set(found) == {"approvals[0].headers_ref"}
    assert "planted" not in json.dumps(found)


def test_everything_else_that_is_wrong_is_told_with_the_headers():
    found = refusals({"tool_outputs": [], "approvals": [{**APPROVAL, "headers": {"a": "b"}}], "x": 1})
    assert set(found) == {"approvals[0].headers", "x"}


@pytest.mark.parametrize(("text", "size"), [("x" * (MOST_OUTPUT_BYTES + 1), "524,289"), ("é" * 300_000, "600,000")])
def test_outputs_that_are_too_large_together_are_refused_with_their_size(text, size):
    pending = [PendingCall(id=i, kind="function", name="f") for i in ("a", "b")]
    half = len(text) // 2
    parts = {"a": text[:half], "b": text[half:]}
    payload = {"tool_outputs": [{"tool_call_id": i, "output": part} for i, part in parts.items()]}
    code, message = refusals(payload, pending)["tool_outputs"]
    assert code == "too_large"
    assert size in message
    assert "524,288" in message


def test_a_consent_is_answered_by_an_approval():
    pending = [PendingCall(id="c1", kind="consent", name="graph"), PendingCall(id="c2", kind="approval", name="t")]
    both = {"approvals": [{"tool_call_id": i, "approve": True} for i in ("c1", "c2")]}
    assert refusals(both, pending) == {}
    one = {"approvals": both["approvals"][1:]}
    assert refusals(one, pending)["approvals"] == ("missing", "missing tool call ids: c1")
    output = {"tool_outputs": [{"tool_call_id": "c1", "output": "x"}], **one}
    assert refusals(output, pending)["tool_outputs"][0] == "unknown"


def test_outputs_of_just_the_most_are_taken():
    payload = {"tool_outputs": [{"tool_call_id": "c1", "output": "é" * (MOST_OUTPUT_BYTES // 2)}]}
    assert refusals(payload, PENDING[:1]) == {}


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters())
    | st.just("\ud800"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["tool_outputs", "approvals", "tool_approvals", "headers", "tool_call_id", "\ud800"]), inner
        )
    ),
    max_leaves=12,
)


@no_deadline
@given(ANYTHING)
def test_whatever_an_event_brings_has_a_digest_which_is_that_of_its_text(payload):
    digest = answer_digest(payload)
    if not isinstance(payload, str):
        assert answer_digest(json.dumps(payload)) == digest
