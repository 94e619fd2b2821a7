"""The start request's validation, and the way of every contract over the wire."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect

import contracts
from contracts.activities import ActivityResult, CreateRun, Failure, ThreadRef
from contracts.instance_input import start_input
from contracts.outcome import Outcome
from contracts.request import MAX_MESSAGE_CHARACTERS, MAX_METADATA_PAIRS, AgentRunRequest, RunOptions, RunPolicy
from contracts.runs import Answer, PendingCall, RunSnapshot, Stamp, composite_run_id
from contracts.wire import Wire, from_wire, to_wire
from orchestrators.progress import Progress
from tests.unit.scripted import no_deadline, raised_by
from validation.field_errors import InvalidRequestError
from validation.start_request import parse_request
from validation.tool_answers import read_tool_answer

LONGEST = "x" * MAX_MESSAGE_CHARACTERS
OPTIONS = {
    "additional_instructions": "more",
    "instructions": "do",
    "model": "gpt-4o",
    "temperature": 0.5,
    "top_p": 1,
    "max_prompt_tokens": 256,
    "max_completion_tokens": 1000,
    "truncation_strategy": {"type": "last_messages", "last_messages": 3},
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": "auto",
    "parallel_tool_calls": False,
    "tool_resources": {
        "code_interpreter": {"file_ids": ["assistant-1"]},
        "file_search": {"vector_store_ids": ["vs_1"]},
        "azure_ai_search": {"indexes": [{"index_connection_id": "/c/1", "index_name": "i", "top_k": 5}]},
    },
    "additional_messages": [
        {"role": "assistant", "content": "before"},
        {"role": "user", "content": [{"type": "text", "text": "see"}], "metadata": {"a": "b"}},
    ],
    "include": ["step_details.tool_calls[*].file_search.results[*].content"],
    "structured_inputs": {"tone": "dry"},
}


def refused(**fields: Any) -> dict[str, str]:
    """Return target and code of everything that is wrong with the request."""
    with pytest.raises(InvalidRequestError) as caught:
        parse_request({"user_message": "hi", **fields})
    return {d.target: d.code for d in caught.value.details}


def test_a_full_request_is_taken_as_it_is():
    full = {
        "user_message": "hi",
        "agent_id": "asst_1",
        "thread_id": "thread_1",
        "timeout_seconds": 5,
        "run_options": OPTIONS,
        "metadata": {"team": "blue"},
    }
    assert to_wire(parse_request(full)) == full


def test_the_smallest_request_needs_only_a_message():
    assert parse_request({"user_message": "hi"}) == AgentRunRequest(user_message="hi")


def test_the_options_are_those_of_the_design():
    assert set(RunOptions.__struct_fields__) == set(OPTIONS)


@pytest.mark.parametrize("nothing", [{}, {"user_message": None}])
def test_a_missing_message_is_named(nothing):
    with pytest.raises(InvalidRequestError) as caught:
        parse_request(nothing)
    assert [(d.target, d.code) for d in caught.value.details] == [("user_message", "required")]


@pytest.mark.parametrize("message", ["", " ", "\n\t ", "\u2003"])
def test_a_blank_message_is_refused(message):
    assert refused(user_message=message) == {"user_message": "blank"}


def test_a_message_may_be_as_long_as_the_design_says_and_no_longer():
    assert MAX_MESSAGE_CHARACTERS == 256_000
    assert parse_request({"user_message": LONGEST}).user_message == LONGEST
    assert refused(user_message=LONGEST + "x") == {"user_message": "invalid"}


@pytest.mark.parametrize("name", ["agent_id", "thread_id"])
@pytest.mark.parametrize("absent", ["", None])
def test_an_unset_id_of_polysync_counts_as_absent(name, absent):
    assert getattr(parse_request({"user_message": "hi", name: absent}), name) is None


@pytest.mark.parametrize("name", ["agent_id", "thread_id"])
@pytest.mark.parametrize(
    "value",
    [
        "../x",
        "..",
        "a/b",
        "a\\b",
        "a b",
        " a",
        "a\n",
        "\na",
        "a?b",
        "a#b",
        "a%2fb",
        "a;b",
        "-a",
        "_a",
        "\u00e9",
        "\uff41",
        "\u0661",
        "a\x00",
        "x" * 129,
        1,
        True,
        ["a"],
        {"id": "a"},
    ],
)
def test_an_id_that_could_change_the_path_is_refused(name, value):
    if name == "thread_id":
        assert refused(thread_id=value) == {"thread_id": "invalid"}
    else:
        with pytest.raises(msgspec.ValidationError):
            from_wire(RunPolicy, {"agent_id": value, "timeout_seconds": 5})


@pytest.mark.parametrize("value", [" a", "a ", "a\nb", "a\x00", "\x7f", "x" * 257, 1, ["a"]])
def test_what_cannot_be_the_name_of_an_agent_is_refused(value):
    assert set(refused(agent_id=value)) == {"agent_id"}


@pytest.mark.parametrize("value", ["a", "Weather helper (new)", "x" * 256, "\u00e9\u4e2d", "../x"])
def test_an_agent_may_be_named(value):
    assert parse_request({"user_message": "hi", "agent_id": value}).agent_id == value


@pytest.mark.parametrize("value", ["a", "A-1_b", "x" * 128, "0"])
def test_ids_as_the_service_makes_them_are_taken(value):
    request = parse_request({"user_message": "hi", "agent_id": value, "thread_id": value})
    assert (request.agent_id, request.thread_id) == (value, value)


@pytest.mark.parametrize("value", [0, -1, "5", "", 1.5, True, False, [5], {}, 1e300])
def test_a_timeout_that_is_no_whole_number_of_seconds_is_refused(value):
    assert refused(timeout_seconds=value) == {"timeout_seconds": "invalid"}


@pytest.mark.parametrize("value", [1, "x", True, ["a"], ""])
@pytest.mark.parametrize("name", ["run_options", "metadata"])
def test_objects_must_be_objects(name, value):
    assert refused(**{name: value}) == {name: "invalid"}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("temperature", "1"),
        ("temperature", True),
        ("temperature", float("nan")),
        ("temperature", float("inf")),
        ("top_p", -0.1),
        ("top_p", 1.1),
        ("max_prompt_tokens", 255),
        ("max_prompt_tokens", 300.5),
        ("max_completion_tokens", 0),
        ("max_completion_tokens", "1000"),
        ("instructions", 1),
        ("instructions", LONGEST + "x"),
        ("additional_instructions", ["x"]),
        ("additional_instructions", LONGEST + "x"),
        ("model", ""),
        ("model", "x" * 257),
        ("truncation_strategy", "auto"),
        ("tool_choice", 1),
        ("tool_choice", ["x"]),
        ("response_format", True),
        ("parallel_tool_calls", "true"),
        ("parallel_tool_calls", 1),
    ],
)
def test_an_option_of_the_wrong_type_or_size_is_named_with_its_path(option, value):
    assert refused(run_options={option: value}) == {f"run_options.{option}": "invalid"}


@pytest.mark.parametrize("option", ["tools", "assistant_id", "stream", "metadata", "Model", ""])
def test_an_option_that_is_not_on_the_allow_list_is_refused_by_name(option):
    assert refused(run_options={option: "x"}) == {f"run_options.{option}": "unknown_field"}


@pytest.mark.parametrize("name", ["x", "Agent_Id", "user_messages", "code", "policy", "", "__class__", "a" * 5000])
def test_an_unknown_field_is_refused_by_name(name):
    [(target, code)] = refused(**{name: "x"}).items()
    assert code == "unknown_field"
    assert name.startswith(target.removesuffix("\u2026"))
    assert len(target) <= 100


def test_metadata_keeps_room_for_our_own_two_pairs():
    assert MAX_METADATA_PAIRS == 14
    most = {f"k{i}": "v" for i in range(14)}
    assert parse_request({"user_message": "hi", "metadata": most}).metadata == most
    assert refused(metadata={**most, "k14": "v"}) == {"metadata": "invalid"}


def test_metadata_has_the_limits_of_the_service():
    largest = {"k" * 64: "v" * 512}
    assert parse_request({"user_message": "hi", "metadata": largest}).metadata == largest
    assert refused(metadata={"k" * 65: "v"}) == {"metadata": "invalid"}
    assert refused(metadata={"k": "v" * 513}) == {"metadata": "invalid"}
    assert refused(metadata={"": "v"}) == {"metadata": "invalid"}


@pytest.mark.parametrize("value", [1, None, True, ["v"], {"a": "b"}])
def test_metadata_values_are_texts(value):
    assert refused(metadata={"k": value}) == {"metadata": "invalid"}


def test_a_caller_cannot_forge_our_stamp():
    own = Stamp(instance_id="i", operation_id="o").as_metadata()
    assert len(own) == 2
    assert refused(metadata=own) == {f"metadata.{key}": "reserved" for key in own}


@pytest.mark.parametrize("marker", ["__class__", "__module__", "__data__", "$type"])
@pytest.mark.parametrize("depth", [0, 1, 7])
def test_keys_that_the_sdk_takes_for_an_object_are_refused_at_any_depth(marker, depth):
    value: Any = {marker: "x"}
    for level in range(depth):
        value = {"a": value} if level % 2 else {"a": [1, value]}
    for option in ("truncation_strategy", "tool_choice", "response_format"):
        assert refused(run_options={option: value}) == {f"run_options.{option}": "reserved"}


@pytest.mark.parametrize("marker", ["__class__", "$type"])
def test_keys_that_the_sdk_takes_for_an_object_are_refused_in_metadata_and_at_the_top(marker):
    assert refused(metadata={marker: "x"}) == {"metadata": "reserved"}
    assert refused(run_options={marker: "x"}) == {f"run_options.{marker}": "unknown_field"}
    assert refused(**{marker: "x"}) == {marker: "unknown_field"}


def test_everything_that_is_wrong_is_named_at_once():
    with pytest.raises(InvalidRequestError) as caught:
        parse_request(
            {
                "user_message": " ",
                "agent_id": "a\nb",
                "thread_id": 1,
                "timeout_seconds": 0,
                "run_options": {"tools": [], "temperature": 3, "model": ""},
                "metadata": {"k": 1},
                "typo": 1,
            }
        )
    targets = [d.target for d in caught.value.details]
    assert targets == sorted(targets)
    assert set(targets) == {
        "user_message",
        "agent_id",
        "thread_id",
        "timeout_seconds",
        "run_options.tools",
        "run_options.temperature",
        "run_options.model",
        "metadata",
        "typo",
    }
    assert all(d.message for d in caught.value.details)
    assert all(target in str(caught.value) for target in targets)


@pytest.mark.parametrize("given_", [None, [], "x", 1, True, [{"user_message": "hi"}]])
def test_a_request_that_is_no_object_is_refused(given_):
    with pytest.raises(InvalidRequestError) as caught:
        parse_request(given_)
    assert [(d.target, d.code) for d in caught.value.details] == [("body", "invalid_type")]


def test_a_refusal_never_repeats_the_values():
    secret = "the secret prompt"
    error = raised_by(
        lambda: parse_request(
            {
                "user_message": [secret],
                "agent_id": secret,
                "thread_id": secret,
                "timeout_seconds": secret,
                "run_options": {"instructions": [secret], "temperature": secret, "model": [secret]},
                "metadata": {"k": [secret]},
            }
        )
    )
    assert isinstance(error, InvalidRequestError)
    assert secret not in str(error)


json_characters = st.characters(exclude_categories=["Cs"])
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(json_characters, max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(json_characters, max_size=12), inner, max_size=3)
    ),
    max_leaves=10,
)
field_names = st.sampled_from([*AgentRunRequest.__struct_fields__, "x", "__class__", "$type"])
option_names = st.sampled_from([*RunOptions.__struct_fields__, "tools", "__class__"])
near_values = json_values | st.sampled_from(["asst_1", "", " ", 0, 5, 2**70, -1, True, {"$type": "x"}])


@no_deadline
@given(
    json_values
    | st.dictionaries(field_names, near_values | st.dictionaries(option_names, near_values, max_size=4), max_size=6)
)
def test_whatever_json_is_given_it_is_a_request_or_refused(given_):
    error = raised_by(lambda: parse_request(given_))
    if error is None:
        request = parse_request(given_)
        json.dumps(to_wire(request), allow_nan=False)
        assert parse_request(to_wire(request)) == request
    else:
        assert isinstance(error, InvalidRequestError)
        assert error.details
        assert all(d.target is not None and d.message and d.code for d in error.details)


def test_a_message_that_cannot_be_sent_is_refused():
    # A JSON text such as "\ud800" reaches the orchestrator through the Durable webhook: json.loads takes it.
    request = raised_by(lambda: parse_request(json.loads('{"user_message": "\\ud800"}')))
    if not isinstance(request, InvalidRequestError):
        msgspec.json.encode(parse_request({"user_message": "\ud800"}))


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN"])
def test_numbers_that_json_does_not_have_are_refused_at_any_depth(number):
    # The SDK reads an input with json.loads, which takes them; what is sent to Foundry says null instead.
    options = {"truncation_strategy": {"last_messages": [json.loads(number)]}}
    assert refused(run_options=options) == {"run_options.truncation_strategy": "invalid"}


# --- the wire ---------------------------------------------------------------------------------------------------------


def strategy_of(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for a msgspec type, so that a contract that is added later is tested as well."""
    match kind:
        case inspect.ListType():
            least = kind.min_length or 0
            most = 2 if kind.max_length is None else min(2, kind.max_length)
            return st.lists(strategy_of(kind.item_type), min_size=least, max_size=most)
        case inspect.VarTupleType():
            return st.lists(strategy_of(kind.item_type), min_size=kind.min_length or 0, max_size=2).map(tuple)
        case inspect.DictType():
            return st.dictionaries(strategy_of(kind.key_type), strategy_of(kind.value_type), max_size=2)
        case inspect.UnionType():
            return st.one_of([strategy_of(each) for each in kind.types])
        case inspect.Metadata():
            return strategy_of(kind.type)
        case inspect.StructType():
            return st.fixed_dictionaries(
                {f.name: strategy_of(f.type) for f in kind.fields if f.required},
                optional={f.name: strategy_of(f.type) for f in kind.fields if not f.required},
            ).map(lambda fields: kind.cls(**fields))
        case _:
            return scalar_strategy_of(kind)


def scalar_strategy_of(kind: Any) -> st.SearchStrategy[Any]:
    match kind:
        case inspect.AnyType():
            return json_values
        case inspect.NoneType():
            return st.none()
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType():
            return st.integers(kind.ge, kind.le if kind.le is not None else 2**53)
        case inspect.DateTimeType():
            return st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
        case inspect.FloatType():
            return st.floats(kind.ge, kind.le, allow_nan=False, allow_infinity=False)
        case inspect.StrType(pattern=str(pattern)):
            return st.from_regex(pattern, fullmatch=True)
        case inspect.StrType():
            return st.text(json_characters, min_size=kind.min_length or 0, max_size=min(kind.max_length or 20, 20))
        case inspect.EnumType():
            return st.sampled_from(list(kind.cls))
        case inspect.LiteralType():
            return st.sampled_from(kind.values)
        case _:
            raise NotImplementedError(kind)


CONTRACTS = [
    kind
    for module in iter_modules(contracts.__path__)
    for kind in vars(import_module(f"contracts.{module.name}")).values()
    if isinstance(kind, type)
    and issubclass(kind, Wire)
    and kind not in (Wire, ActivityResult)
    and kind.__module__ == f"contracts.{module.name}"
]


def test_the_contracts_below_are_all_there_are():
    assert {AgentRunRequest, CreateRun, RunSnapshot, Answer, Failure, Outcome} < set(CONTRACTS)


@pytest.mark.parametrize("kind", CONTRACTS, ids=lambda kind: kind.__name__)
@settings(no_deadline, max_examples=20)
@given(data=st.data())
def test_a_contract_is_the_same_after_json_and_back(kind, data):
    value = data.draw(strategy_of(inspect.type_info(kind)))
    text = json.dumps(to_wire(value), allow_nan=False)
    assert from_wire(kind, json.loads(text)) == value


@no_deadline
@given(value=strategy_of(inspect.type_info(RunSnapshot)), failure=strategy_of(inspect.type_info(Failure)))
def test_a_result_carries_a_value_or_a_failure_over_the_wire(value, failure):
    for result in (ActivityResult(value=value), ActivityResult(failure=failure)):
        wire = json.loads(json.dumps(msgspec.to_builtins(result)))
        assert from_wire(ActivityResult[RunSnapshot], wire) == result


def unions_in(kind: Any) -> Iterator[inspect.UnionType]:
    match kind:
        case inspect.Metadata():
            yield from unions_in(kind.type)
        case inspect.ListType() | inspect.VarTupleType():
            yield from unions_in(kind.item_type)
        case inspect.DictType():
            yield from unions_in(kind.value_type)
        case inspect.StructType():
            for field in kind.fields:
                yield from unions_in(field.type)
        case inspect.UnionType():
            yield kind
            for each in kind.types:
                yield from unions_in(each)


def crashes(union: inspect.UnionType) -> bool:
    """msgspec 0.22 spoils the memory where it takes a union of a text with a pattern and a list or a dict apart."""
    plain = [each.type if isinstance(each, inspect.Metadata) else each for each in union.types]
    several = inspect.ListType | inspect.VarTupleType | inspect.DictType
    return any(isinstance(e, inspect.StrType) and e.pattern for e in plain) and any(
        isinstance(e, several) for e in plain
    )


def test_a_union_that_would_crash_is_told():
    text, numbers = inspect.StrType(pattern="x"), inspect.ListType(inspect.IntType())
    bad = inspect.UnionType((inspect.Metadata(text), numbers))  # not of a type: that would crash here
    assert [crashes(union) for union in unions_in(inspect.ListType(bad))] == [True]
    assert not crashes(inspect.UnionType((inspect.StrType(), numbers)))


@pytest.mark.parametrize("kind", [*CONTRACTS, Progress], ids=lambda kind: kind.__name__)
def test_no_contract_has_a_union_that_crashes(kind):
    assert not [union for union in unions_in(inspect.type_info(kind)) if crashes(union)]


def test_contracts_read_what_a_later_version_wrote():
    # A history in flight may have been written by a newer app: a field that it knows and we don't is no error.
    assert from_wire(ThreadRef, {"thread_id": "t", "added_later": 1}) == ThreadRef(thread_id="t")


def test_contracts_cannot_be_changed():
    with pytest.raises(AttributeError):
        ThreadRef(thread_id="t").thread_id = "u"


def test_the_start_input_holds_request_and_policy_as_plain_json():
    request = parse_request({"user_message": "hi", "run_options": OPTIONS})
    wire = json.loads(json.dumps(start_input(request, RunPolicy(agent_id="a", timeout_seconds=5))))
    assert set(wire) == {"request", "policy"}
    assert parse_request(wire["request"]) == request
    assert from_wire(RunPolicy, wire["policy"]).agent_id == "a"


def test_the_composite_run_id_is_the_designs():
    assert composite_run_id("thread_1", "run_1") == "agent#thread_1#run_1"


# --- answers to tool calls --------------------------------------------------------------------------------------------

PENDING = [
    PendingCall(id="call_1", kind="function", name="f"),
    PendingCall(id="call_2", kind="approval", name="t"),
]
GIVEN = {
    "tool_outputs": [{"tool_call_id": "call_1", "output": "42"}],
    "approvals": [{"tool_call_id": "call_2", "approve": False}],
}


@pytest.mark.parametrize("payload", [GIVEN, json.dumps(GIVEN)], ids=["value", "text"])
def test_an_answer_to_all_pending_calls_is_taken(payload):
    answer, errors = read_tool_answer(payload, PENDING)
    assert errors == []
    assert to_wire(answer) == GIVEN


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"tool_outputs": []}, {("tool_outputs", "missing")}),
        ({"approvals": []}, {("approvals", "missing")}),
        ({"tool_outputs": GIVEN["tool_outputs"] * 2}, {("tool_outputs", "repeated")}),
        (
            {"approvals": [*GIVEN["approvals"], {"tool_call_id": "call_1", "approve": True}]},
            {("approvals", "unknown")},
        ),
        (
            {"tool_outputs": [{"tool_call_id": "x", "output": ""}], "approvals": []},
            {("tool_outputs", "missing"), ("tool_outputs", "unknown"), ("approvals", "missing")},
        ),
    ],
)
def test_everything_that_is_wrong_with_an_answer_is_named(change, found):
    _, errors = read_tool_answer({**GIVEN, **change}, PENDING)
    assert {(e.target, e.code) for e in errors} == found


@pytest.mark.parametrize(
    ("payload", "target"),
    [
        (None, "body"),
        ("", "body"),
        ("x", "body"),
        ("null", "body"),
        ("[]", "body"),
        ([], "body"),
        (5, "body"),
        ({"x": 1}, "x"),
        ({"tool_outputs": 5}, "tool_outputs"),
        ({"approvals": [{"tool_call_id": "call_2"}]}, "approvals[0].approve"),
    ],
)
def test_what_is_no_answer_is_refused(payload, target):
    _, errors = read_tool_answer(payload, PENDING)
    assert [(e.target, e.code) for e in errors] == [(target, "invalid")]


@no_deadline
@given(json_values | st.dictionaries(st.sampled_from(["tool_outputs", "approvals"]), json_values), st.booleans())
def test_whatever_an_event_carries_nothing_is_raised(payload, as_text):
    assert raised_by(lambda: read_tool_answer(json.dumps(payload) if as_text else payload, PENDING)) is None


def test_an_event_that_is_nested_too_deeply_is_refused():
    # The Durable webhook lets anybody with the system key raise `tool_outputs_1` with such a text.
    _, errors = read_tool_answer("[" * 100_000, PENDING)
    assert errors
