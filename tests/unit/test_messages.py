"""What callers read about their mistakes: our own words, the place, and what is expected there."""

import json
from typing import Annotated, Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from contracts.activities import Failure
from contracts.request import AgentRunRequest, RunOptions, RunPolicy
from contracts.runs import PendingCall, ToolAnswer, ToolApproval, ToolOutput
from contracts.wire import from_wire
from foundry.credential import EntraToken
from foundry.responses import error_of
from http_api.answers import invalid_request
from orchestrators.attempts import Attempts
from orchestrators.progress import Progress
from orchestrators.question import Question
from orchestrators.run_outcome import not_stopped, timeout_failure
from tests.orchestrator.scripted_foundry import ScriptedFoundry
from tests.orchestrator.test_agent_run import LEFT
from tests.unit.scripted import no_deadline, raised_by
from validation.expected import expected
from validation.field_errors import MOST_NAMED, FieldError, InvalidRequestError, cut
from validation.misfits import misfits
from validation.start_request import parse_request
from validation.tool_answers import read_tool_answer

PENDING = [PendingCall(id="call_1", kind="function", name="f"), PendingCall(id="call_2", kind="approval", name="t")]
LIBRARY_TEXT = (
    "Expected", "got `", "`", "$.", "$[", " - at ", "regex", "\\A", "\\Z", "[A-Z", "Object missing", "Object contains",
    "unknown field `", "Invalid", "JSON is malformed", "byte", "character 0", "NoneType", "Union", "None", "array",
    "Traceback", "Error", "<class",
)  # fmt: skip


def wrong_with(body: Any) -> list[FieldError]:
    with pytest.raises(InvalidRequestError) as caught:
        parse_request(body)
    return caught.value.details


def said_of(**fields: Any) -> dict[str, str]:
    """Return target and message of everything that is wrong with the request."""
    return {e.target: e.message for e in wrong_with({"user_message": "hi", **fields})}


def said_of_answer(payload: Any) -> dict[str, str]:
    return {e.target: e.message for e in read_tool_answer(payload, PENDING)[1]}


# --- what is expected ---


A_MESSAGE = "a text that is not blank, of at most 256,000 characters"
OF_A_POLICY = "an agent's id or name of at most 128 letters, digits, _ and -, with or without :version"
A_THREAD = "the id of a thread or conversation, of at most 128 letters, digits, _ and -, such as thread_abc123"
AN_AGENT = "an agent's id, or its name of at most 256 characters, such as"
PAIRS = (
    "an object of at most 14 pairs, each key a text of 1 to 64 characters, each value a text of at most 512 characters"
)
HALF = "has half of a surrogate pair, which is no character"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("user_message", 5, f"must be {A_MESSAGE} (a number was given)"),
        ("user_message", " ", f"must be {A_MESSAGE}"),
        ("user_message", "x" * 256_001, f"must be {A_MESSAGE} (256,001 were given)"),
        ("agent_id", "a\nb", f"must be {AN_AGENT} asst_abc123; GET /api/agents lists them"),
        ("thread_id", ["a"], f"must be {A_THREAD} (a list was given)"),
        ("timeout_seconds", 0, "must be a whole number from 1 to 1,000,000,000"),
        ("timeout_seconds", "60", "must be a whole number from 1 to 1,000,000,000 (a text was given)"),
        ("if_thread_busy", "maybe", "must be 'fail' or 'replace' or 'wait'"),
        (
            "idempotency_key",
            "\u00e9",
            "must be a text of 1 to 200 visible ASCII characters, such as nightly-report-2026-11-21",
        ),
        ("metadata", "x", f"must be {PAIRS} (a text was given)"),
        ("metadata", {str(n): "" for n in range(15)}, f"must be {PAIRS} (15 were given)"),
        (
            "metadata",
            {"a": "", "b": True},
            "has a value under 'b' that must be a text of at most 512 characters (a boolean was given)",
        ),
        ("metadata", {"": ""}, "has the key '', which must be a text of 1 to 64 characters"),
        ("metadata", {"durable_instance_id": ""}, "is a key of the app's own"),
        (
            "run_options",
            5,
            f"must be an object with any of: {', '.join(RunOptions.__struct_fields__)} (a number was given)",
        ),
    ],
)
def test_a_field_that_does_not_fit_says_what_is_expected(field, value, message):
    [said] = said_of(**{field: value}).values()
    assert said == message


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("temperature", 2.1, "must be a number from 0 to 2"),
        ("temperature", "1", "must be a number from 0 to 2 (a text was given)"),
        ("temperature", float("nan"), "has NaN or an infinite number, which JSON does not know"),
        ("top_p", -1, "must be a number from 0 to 1"),
        ("max_prompt_tokens", 5, "must be a whole number, at least 256"),
        ("model", "", "must be a text of 1 to 256 characters"),
        ("instructions", "x" * 256_001, "must be a text of at most 256,000 characters (256,001 were given)"),
        ("parallel_tool_calls", 1, "must be true or false (a number was given)"),
        ("truncation_strategy", "auto", "must be an object (a text was given)"),
        ("tool_choice", 1, "must be a text or an object (a number was given)"),
        ("response_format", {"a": [{"b": "\ud800"}]}, f"{HALF} (in a[0].b)"),
        (
            "response_format",
            {"a": {"__class__": 1}},
            "has the key '__class__', which cannot be used inside a request (in a)",
        ),
    ],
)
def test_an_option_that_does_not_fit_says_what_is_expected(option, value, message):
    assert said_of(run_options={option: value}) == {f"run_options.{option}": message}


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ("{", {"body": "must be JSON"}),
        ("[" * 100_000, {"body": "is nested too deeply"}),
        ([], {"body": "must be an object with any of: tool_outputs, approvals, tool_approvals (a list was given)"}),
        ({"tool_outputs": {}}, {"tool_outputs": "must be a list (an object was given)"}),
        (
            {"tool_outputs": [{"tool_call_id": "a", "output": ""}, 5, {"tool_call_id": "b", "output": 42}]},
            {
                "tool_outputs[1]": "must be an object with tool_call_id and output (a number was given)",
                "tool_outputs[2].output": "must be a text (a number was given)",
            },
        ),
        ({"approvals": [{"tool_call_id": "a"}]}, {"approvals[0].approve": "is required: true or false"}),
        (
            {"tool_outputs": [{"tool_call_id": "a", "output": "", "result": ""}]},
            {"tool_outputs[0].result": "is not a field: did you mean output?"},
        ),
        (
            {"tool_outputs": [{"tool_call_id": "a", "output": "\ud800"}]},
            {"body": f"{HALF} (in tool_outputs[0].output)"},
        ),
    ],
)
def test_an_answer_that_does_not_fit_says_where(payload, said):
    assert said_of_answer(payload) == said


def test_every_field_of_what_is_read_has_words():
    """A pattern, say, that nobody has put into words yet would end in a 500."""
    seen = set()
    pending: list[type] = [AgentRunRequest, RunPolicy, ToolAnswer, Progress]
    while pending:
        kind = pending.pop()
        seen.add(kind)
        for field in msgspec.structs.fields(kind):
            assert expected(field.type)
            pending += structs_in(field.type) - seen
    assert {RunOptions, ToolOutput, ToolApproval, Question, Attempts, Failure, PendingCall} < seen


def structs_in(kind: Any) -> set[type]:
    """Return the structs that a type is made of."""
    inside = {found for part in get_args(kind) for found in structs_in(part)}
    return inside | ({kind} if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else set())


def test_what_is_expected_is_made_from_the_type():
    narrow = Annotated[float, Meta(ge=0.5, le=2_500)] | None
    assert expected(narrow) == "a number from 0.5 to 2,500"
    assert expected(Annotated[int, Meta(le=3)]) == "a whole number, at most 3"
    assert expected(Annotated[str, Meta(min_length=2)]) == "a text of at least 2 characters"
    assert expected(Annotated[list[int], Meta(max_length=4)]) == "a list of at most 4 items"


def test_what_is_inside_of_a_part_is_named_by_its_path():
    errors = {e.target: e.message for e in misfits(Progress, {"policy": {"agent_id": "a"}, "started": 5}, "progress")}
    assert errors["progress.instance_id"] == "is required: a text of at most 512 characters"
    assert errors["progress.policy.timeout_seconds"] == "is required: a whole number from 1 to 432,000"
    assert errors["progress.started"].endswith("(a number was given)")


# --- did you mean ---


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("userMessage", "user_message"),
        ("user_mesage", "user_message"),
        ("mesage", "user_message"),
        ("prompt", "user_message"),
        ("message", "user_message"),
        ("agentId", "agent_id"),
        ("assistant_id", "agent_id"),
        ("agent_name", "agent_id"),
        ("Agent_Id", "agent_id"),
        ("threadId", "thread_id"),
        ("timeout", "timeout_seconds"),
        ("Idempotency-Key", "idempotency_key"),
        ("temperature", "run_options.temperature"),
        ("temprature", "run_options.temperature"),
        ("max_tokens", "run_options.max_completion_tokens"),
    ],
)
def test_a_name_that_is_nearly_a_field_is_told_which(name, meant):
    assert said_of(**{name: 1}) == {name: f"is not a field: did you mean {meant}?"}


@pytest.mark.parametrize(
    ("option", "meant"),
    [("temprature", "run_options.temperature"), ("topP", "run_options.top_p"), ("metadata", "metadata")],
)
def test_an_option_that_is_nearly_one_is_told_which(option, meant):
    assert said_of(run_options={option: 1}) == {f"run_options.{option}": f"is not a field: did you mean {meant}?"}


@pytest.mark.parametrize(
    "name", ["", "x", "colour", "top_k", "stream", "tools", "PROMPT-7f3a", "__class__", "a" * 5000]
)
def test_a_name_that_resembles_nothing_gets_no_guess(name):
    [message] = said_of(**{name: 1}).values()
    assert message == f"is not a field; known fields: {', '.join(AgentRunRequest.__struct_fields__)}"
    [message] = said_of(run_options={name: 1}).values()
    assert message == f"is not a field; known fields: {', '.join(RunOptions.__struct_fields__)}"


# --- how much is said ---


def test_of_very_many_unknown_fields_the_first_are_named_and_the_others_counted():
    details = wrong_with({"user_message": "hi", **dict.fromkeys((f"u{n}" for n in range(50_000)), 1)})
    assert len(details) == MOST_NAMED + 1
    assert [d.message for d in details if d.target == "body"] == ["has 49,980 more unknown fields"]
    assert InvalidRequestError(details).summary == "unknown fields: more than 20"


def test_of_very_many_ids_the_first_are_named_and_the_others_counted():
    many = {"tool_outputs": [{"tool_call_id": f"call_{n}", "output": ""} for n in range(1, 5_000)]}
    [message] = [e.message for e in read_tool_answer(many, PENDING[:1])[1]]
    assert message.startswith("unknown tool call ids: call_2, call_3, ")
    assert message.endswith(" and 4,964 more")
    assert len(message) < 400


def test_a_long_id_is_shown_as_far_as_there_is_room():
    answer = {"tool_outputs": [{"tool_call_id": "x" * 5_000, "output": ""}, {"tool_call_id": "call_1", "output": ""}]}
    [message] = [e.message for e in read_tool_answer(answer, PENDING[:1])[1]]
    assert message == f"unknown tool call ids: {'x' * 99}\u2026"


def test_what_does_not_fit_into_one_text_is_at_least_named():
    options = {"temperature": 3, "top_p": 3, "model": "", "tool_choice": 1, "response_format": 1, "colour": 1}
    with pytest.raises(InvalidRequestError) as caught:
        parse_request({"agent_id": "a b", "thread_id": "a b", "timeout_seconds": 0, "run_options": options})
    said = str(caught.value)
    assert len(said) <= 500
    assert "; also wrong: " in said
    assert all(detail.target in said for detail in caught.value.details)


@pytest.mark.parametrize(
    ("text", "shown"), [("a word", "a word"), ("a few more words", "a few\u2026"), ("wordsandwords", "wordsandw\u2026")]
)
def test_a_text_is_cut_behind_a_word(text, shown):
    assert cut(text, 10) == shown


def test_the_summary_has_none_of_the_callers_words():
    planted = "planted"
    body = {
        planted: 1,
        "agent_id": f"{planted} id",
        "run_options": {planted: 1, "response_format": {planted: "\ud800"}, "model": [planted]},
        "metadata": {planted: 1},
    }
    with pytest.raises(InvalidRequestError) as caught:
        parse_request(body)
    assert planted in str(caught.value)
    assert planted not in caught.value.summary


@pytest.mark.parametrize(
    ("given", "says", "summary"),
    [
        (
            {"progress": {"instance_id": 5, "options": {"planted": 1}, "metadata": {"planted": 1}}},
            "progress.instance_id: must be a text of at most 512 characters (a number was given)",
            "progress does not fit",
        ),
        (
            {"request": {"user_message": "hi"}, "policy": {"agent_id": "planted id", "timeout_seconds": 60}},
            f"policy.agent_id: must be {OF_A_POLICY}",
            "policy does not fit",
        ),
    ],
)
def test_a_forged_input_is_refused_in_our_words(given, says, summary):
    ended = ScriptedFoundry().simulate().run(given)
    said = ended.custom_status["error"]["message"]
    checked(said)
    assert said.startswith(says)
    assert ended.output.endswith(f"invalid_request: {summary}")


# --- sentences of others ---

SAID = "Rate limit is exceeded. Try again in 20 seconds."


@pytest.mark.parametrize("status", [401, 403])
def test_behind_a_sentence_of_foundrys_is_one_full_stop(status):
    body = json.dumps({"error": {"code": "x", "message": SAID}}).encode()
    message = error_of(status, {}, body, what="POST /threads").message
    assert "20 seconds. " in message
    assert ".." not in message


def test_behind_a_sentence_of_the_identity_library_is_one_full_stop(monkeypatch):
    import azure.identity

    def refuses(**options):
        raise ValueError("There is no identity.")

    monkeypatch.setattr(azure.identity, "DefaultAzureCredential", refuses)
    said = str(raised_by(EntraToken().token))
    assert "There is no identity. On Azure" in said
    assert ".." not in said


def test_behind_the_sentence_of_a_failure_is_one_full_stop():
    failure = Failure(code="rate_limited", message=SAID)
    said = not_stopped(failure, Failure(code="x", message="down"))
    assert said.message == "Rate limit is exceeded. Try again in 20 seconds. The run could not be stopped: down"
    assert said.loggable == said.message
    assert not_stopped(failure, None).message.endswith("20 seconds. The run could not be stopped")


def test_behind_the_last_error_is_one_full_stop():
    progress = from_wire(Progress, LEFT)
    progress.attempts.count(Failure(code="rate_limited", message=SAID))
    assert "in 20 seconds. Raise the model's tokens-per-minute quota" in timeout_failure(progress).message


# --- whatever is sent ---

words = st.text(st.characters(exclude_characters=".`$", exclude_categories=["Cs"]), max_size=120).filter(
    lambda text: not any(mark in text for mark in LIBRARY_TEXT)
)
"""What callers call things is their own; the dots and the library's marks are to be ours alone."""

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words | st.sampled_from(["\ud800", 2**70, -1, " ", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.just("$type"), inner, max_size=3),
    max_leaves=8,
)
names = words | st.sampled_from(["prompt", "temprature", "id", "result", "__class__"])


def objects(kind: Any, **parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return what may stand where a `kind` belongs."""
    fields = {name: parts.get(name, values) | values for name in kind.__struct_fields__}
    known = st.fixed_dictionaries({}, optional=fields)
    return st.builds(lambda own, others: {**others, **own}, known, st.dictionaries(names, values, max_size=2))


def checked(message: str) -> None:
    assert [text for text in LIBRARY_TEXT if text in message] == []
    assert ".." not in message
    assert len(message) <= 500


@no_deadline
@given(values | objects(AgentRunRequest, run_options=objects(RunOptions), metadata=st.dictionaries(words, values)))
def test_whatever_starts_the_message_is_in_our_words(body):
    try:
        parse_request(body)
    except InvalidRequestError as error:
        for detail in error.details:
            checked(detail.message)
        checked(str(error))
        checked(error.summary)
        checked(invalid_request(error.details).message)


@no_deadline
@given(
    values
    | objects(
        ToolAnswer,
        tool_outputs=st.lists(objects(ToolOutput, tool_call_id=words, output=words), max_size=3),
        approvals=st.lists(objects(ToolApproval, tool_call_id=words, approve=st.booleans()), max_size=3),
    ),
    st.booleans(),
)
def test_whatever_answers_the_message_is_in_our_words(body, as_text):
    _, errors = read_tool_answer(json.dumps(body) if as_text else body, PENDING)
    for error in errors:
        checked(error.message)
