"""Reading a start request from route, headers, body and query."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.agents import ResolvedAgent
from contracts.messages import MAX_MESSAGE_CHARACTERS
from contracts.request import AgentRunRequest, RunOptions
from contracts.wire import to_wire
from http_api.answers import ApiError, error_answer
from http_api.request_body import MAX_BODY_BYTES, read_body
from http_api.start_request import read_start_request
from policy import policy_for
from settings import load_settings
from tests.unit.scripted import ENDPOINT, no_deadline, raised_by

SETTINGS = load_settings({"FOUNDRY_PROJECT_ENDPOINT": ENDPOINT, "FOUNDRY_DEFAULT_AGENT_ID": "asst_default"})
JSON = "application/json"


def read(body: Any = b"", content_type: str | None = JSON, *, settings=SETTINGS, route=None, query=None, headers=None):
    """Read a request, and what the settings make of it; a body that is no bytes is sent as JSON."""
    request = read_only(body, content_type, settings=settings, route=route, query=query, headers=headers)
    agent = ResolvedAgent(request.agent_id or settings.default_agent_id)
    return request, policy_for(settings, agent=agent, timeout_seconds=request.timeout_seconds)


def read_only(body, content_type=JSON, *, settings=SETTINGS, route=None, query=None, headers=None) -> AgentRunRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    given_headers = {**({"content-type": content_type} if content_type is not None else {}), **(headers or {})}
    sent = read_body(given_headers, raw)
    return read_start_request(
        settings, route=route or {}, query=query or {}, headers=given_headers, body=sent, is_name=lambda _: False
    )


def refused(status: int, *args: Any, **kwargs: Any) -> ApiError:
    error = raised_by(lambda: read(*args, **kwargs))
    assert isinstance(error, ApiError), repr(error)
    assert error.status == status
    return error


def targets(*args: Any, **kwargs: Any) -> dict[str, str]:
    """Return target and code of everything that a 400 names."""
    error = refused(400, *args, **kwargs)
    assert error.code == "invalid_request"
    assert error.target == error.details[0].target
    return {d.target: d.code for d in error.details}


# --- where parameters come from ---------------------------------------------------------------------------------------


def test_everything_may_be_in_the_body():
    body = {
        "user_message": "hi",
        "agent_id": "asst_1",
        "thread_id": "thread_1",
        "timeout_seconds": 5,
        "if_thread_busy": "fail",
        "idempotency_key": "k",
        "run_options": {"temperature": 0.5},
        "metadata": {"a": "b"},
    }
    request, policy = read(body)
    assert request == AgentRunRequest(
        user_message="hi",
        agent_id="asst_1",
        thread_id="thread_1",
        timeout_seconds=5,
        if_thread_busy="fail",
        idempotency_key="k",
        run_options=RunOptions(temperature=0.5),
        metadata={"a": "b"},
    )
    assert (policy.agent_id, policy.timeout_seconds) == ("asst_1", 5)


def test_everything_may_be_in_the_query():
    query = {
        "user_message": "hi",
        "agent_id": "asst_1",
        "thread_id": "thread_1",
        "timeout_seconds": "5",
        "if_thread_busy": "fail",
        "idempotency_key": "k",
        "run_options": '{"temperature": 0.5}',
        "metadata": '{"a": "b"}',
    }
    body = {**query, "timeout_seconds": 5, "run_options": {"temperature": 0.5}, "metadata": {"a": "b"}}
    assert read(query=query) == read(body)


def test_the_route_names_the_agent():
    request, policy = read({"user_message": "hi"}, route={"agent_id": "asst_1"})
    assert request.agent_id == policy.agent_id == "asst_1"


def test_parameters_may_be_spread():
    request, _ = read({"user_message": "hi"}, route={"agent_id": "asst_1"}, query={"thread_id": "thread_1"})
    assert (request.agent_id, request.thread_id) == ("asst_1", "thread_1")


@pytest.mark.parametrize("name", ["code", "clientId", "CODE", "clientid", "ClientID"])
def test_the_platforms_own_query_parameters_are_passed_over(name):
    assert read({"user_message": "hi"}, query={name: "secret"}) == read({"user_message": "hi"})


def test_they_are_the_platforms_in_the_query_only():
    assert targets({"user_message": "hi", "code": "x"}) == {"code": "unknown_field"}


def test_the_header_carries_the_idempotency_key():
    assert read({"user_message": "hi"}, headers={"idempotency-key": "k"})[0].idempotency_key == "k"
    assert read({"user_message": "hi"}, headers={"idempotency-key": ""})[0].idempotency_key is None


# --- contradictions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sources",
    [
        {"route": {"agent_id": "a"}, "body": {"agent_id": "b"}},
        {"route": {"agent_id": "a"}, "query": {"agent_id": "b"}},
        {"body": {"agent_id": "a"}, "query": {"agent_id": "b"}},
        {"body": {"user_message": "hi"}, "query": {"user_message": "ho"}},
        {"body": {"timeout_seconds": 5}, "query": {"timeout_seconds": "6"}},
        {"body": {"run_options": {"top_p": 1}}, "query": {"run_options": '{"top_p": 0}'}},
        {"body": {"metadata": {"a": "b"}}, "query": {"metadata": '{"a": "c"}'}},
        {"body": {"idempotency_key": "a"}, "headers": {"idempotency-key": "b"}},
        {"query": {"idempotency_key": "a"}, "headers": {"idempotency-key": "b"}},
    ],
)
def test_the_same_parameter_twice_with_different_values_is_an_error(sources):
    sources = {**sources, "body": {"user_message": "hi", **sources.get("body", {})}}
    (target,) = {"agent_id", "timeout_seconds", "run_options", "metadata", "idempotency_key"} & {
        name.replace("-", "_") for source in sources.values() for name in source
    } or {"user_message"}
    assert targets(sources.pop("body"), **sources) == {target: "conflict"}


def test_all_three_places_may_contradict_each_other():
    error = refused(400, {"user_message": "hi", "agent_id": "b"}, route={"agent_id": "a"}, query={"agent_id": "c"})
    assert {d.target for d in error.details} == {"agent_id"}
    assert "route" in error.message


def test_the_same_value_twice_is_fine():
    request, _ = read({"user_message": "hi", "agent_id": "a"}, route={"agent_id": "a"}, query={"agent_id": "a"})
    assert request.agent_id == "a"


@pytest.mark.parametrize("unset", ["", None])
def test_an_unset_parameter_contradicts_nothing(unset):
    request, _ = read({"user_message": "hi", "agent_id": unset, "thread_id": unset}, route={"agent_id": "a"})
    assert (request.agent_id, request.thread_id) == ("a", None)
    request, _ = read({"user_message": unset, "thread_id": unset}, query={"user_message": "hi", "thread_id": "t"})
    assert (request.user_message, request.thread_id) == ("hi", "t")


def test_contradictions_are_named_with_everything_else_that_is_wrong():
    found = targets(
        {"agent_id": "b", "timeout_seconds": 0, "typo": 1, "run_options": {"tools": []}},
        route={"agent_id": "a"},
        query={"thread_id": "a/b"},
    )
    assert found == {
        "agent_id": "conflict",
        "timeout_seconds": "invalid",
        "typo": "unknown_field",
        "run_options.tools": "unknown_field",
        "thread_id": "invalid",
    }


def test_what_the_settings_do_not_allow_is_named_with_everything_else():
    strict = load_settings({"FOUNDRY_PROJECT_ENDPOINT": ENDPOINT, "FOUNDRY_ALLOWED_AGENT_IDS": "asst_1"})
    assert targets({"agent_id": "asst_2", "timeout_seconds": 10**9, "x": 1}, settings=strict) == {
        "agent_id": "not_allowed",
        "timeout_seconds": "too_large",
        "user_message": "required",
        "x": "unknown_field",
    }
    assert targets({"user_message": "hi"}, settings=strict) == {"agent_id": "required"}


@pytest.mark.parametrize("agent", [[], {}, 0, False, 1, True, ["a"], {"a": 1}])
@pytest.mark.parametrize("listed", ["", "asst_1"])
def test_an_agent_of_a_wrong_type_is_refused_whatever_the_settings(agent, listed):
    for default in ("", "asst_1"):
        environment = {"FOUNDRY_ALLOWED_AGENT_IDS": listed, "FOUNDRY_DEFAULT_AGENT_ID": default}
        strict = load_settings({"FOUNDRY_PROJECT_ENDPOINT": ENDPOINT, **environment})
        assert set(targets({"user_message": "hi", "agent_id": agent}, settings=strict)) == {"agent_id"}


def test_the_same_field_twice_in_the_body_with_different_values_is_an_error():
    for text in ('"agent_id": "a", "agent_id": "b"', '"run_options": {"top_p": 1, "top_p": 0}'):
        error = refused(400, b'{"user_message": "hi", ' + text.encode() + b"}")
        assert error.target == "body"
        assert "agent_id" in error.message or "top_p" in error.message
    assert read(b'{"user_message": "hi", "agent_id": "a", "agent_id": "a"}')[0].agent_id == "a"


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ('"user_message": "\\ud800"', "user_message"),
        ('"user_message": "hi", "timeout_seconds": 1e999', "timeout_seconds"),
        ('"user_message": "hi", "metadata": {"a": "\\udfff"}', "metadata"),
        ('"user_message": "hi", "metadata": {"\\ud800": "a"}', "metadata"),
        ('"user_message": "hi", "run_options": {"tool_choice": {"a": 1e999}}', "run_options.tool_choice"),
        ('"user_message": "hi", "run_options": {"instructions": "\\ud800"}', "run_options.instructions"),
    ],
)
def test_what_json_or_unicode_cannot_carry_on_is_refused(text, target):
    assert targets(b"{" + text.encode() + b"}") == {target: "invalid"}


@pytest.mark.parametrize(
    "text",
    [
        '"\\ud800": 1',
        '"run_options": {"\\ud800": 1}',
        '"metadata": {"\\ud800": 1}',
        '"\\ud83d\\ude00": 1',
    ],
)
def test_a_refusal_can_be_sent_whatever_it_names(text):
    error = refused(400, b'{"user_message": "hi", ' + text.encode() + b"}")
    assert error_answer(error).status_code == 400


# --- the query --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Agent_Id", "AGENT_ID", "agentId", "user-message", ""])
def test_a_query_name_in_other_letters_is_an_unknown_field(name):
    assert targets({"user_message": "hi"}, query={"agent_id": "a", name: "b"}) == {name: "unknown_field"}


@pytest.mark.parametrize("text", ["5", " 5 ", "05"])
def test_a_timeout_in_the_query_is_a_number(text):
    assert read({"user_message": "hi"}, query={"timeout_seconds": text})[0].timeout_seconds == 5


@pytest.mark.parametrize("text", ["x", "-5", "+5", "5.0", "5,5", "\u0665", "\u00b2", "0x5", "1e3", "0", "9" * 5000])
def test_a_timeout_in_the_query_that_is_none_is_refused(text):
    assert targets({"user_message": "hi"}, query={"timeout_seconds": text}) == {"timeout_seconds": "invalid"}


@pytest.mark.parametrize("text", ["9" * 10, "9" * 21])
def test_a_timeout_in_the_query_that_is_too_long_is_refused(text):
    assert targets({"user_message": "hi"}, query={"timeout_seconds": text}) == {"timeout_seconds": "too_large"}


@pytest.mark.parametrize("text", [" " * 20 + "5", "0" * 20 + "5"])
def test_a_timeout_in_the_query_with_much_before_it_is_a_number_or_refused(text):
    assert read({"user_message": "hi"}, query={"timeout_seconds": text})[0].timeout_seconds == 5


@pytest.mark.parametrize("name", ["run_options", "metadata"])
@pytest.mark.parametrize("text", ["x", "{", "[]", "1", '"x"', "true", "[" * 100_000, "9" * 5000, '{"a": NaN}'])
def test_an_object_in_the_query_that_is_none_is_refused(name, text):
    assert targets({"user_message": "hi"}, query={name: text}) == {name: "invalid"}


@pytest.mark.parametrize("text", ["", "null"])
def test_an_unset_object_in_the_query_is_absent(text):
    error = raised_by(lambda: read({"user_message": "hi"}, query={"metadata": text}))
    assert error is None or (isinstance(error, ApiError) and error.target == "metadata")


def test_a_message_in_the_query_that_looks_like_json_stays_a_text():
    for text in ("5", "null", '{"a": 1}', "true"):
        assert read(query={"user_message": text})[0].user_message == text


@pytest.mark.parametrize("name", ["content", "attachments"])
def test_lists_in_the_query_are_json(name):
    value = {
        "content": [{"type": "text", "text": "hi"}],
        "attachments": [{"file_id": "assistant-1", "tools": [{"type": "file_search"}]}],
    }[name]
    by_query = read_only({"user_message": "hi"}, query={name: json.dumps(value)})
    assert by_query == read_only({"user_message": "hi", name: value})
    assert targets({"user_message": "hi"}, query={name: "x"}) == {name: "invalid"}


# --- the body ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        JSON,
        "APPLICATION/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json; charset=utf8; x=y",
        "application/json; Charset=utf-8 ; x",
        'application/json; charset = "utf-8"',
        'application/json; charset="utf-8" ;x=y',
        "application/json; charset=utf-16; charset=utf-8",  # the last one counts
        'application/json; title="a; charset=utf-16"',
        'application/json; title="a\\"; charset=utf-16"',
        'application/json; title="a;charset=utf-16"; charset="utf-8"',
        "application/vnd.polysync+json",
    ],
)
def test_json_is_taken(content_type):
    assert read({"user_message": "h\u00fc"}, content_type)[0].user_message == "h\u00fc"


@pytest.mark.parametrize("content_type", ["text/plain", "Text/Plain; charset=UTF-8", "text/plain;charset=us-ascii"])
def test_plain_text_is_the_message(content_type):
    request, _ = read("h\u00fc {} \n".encode(), content_type, route={"agent_id": "a"}, query={"timeout_seconds": "5"})
    assert (request.user_message, request.agent_id, request.timeout_seconds) == ("h\u00fc {} \n", "a", 5)


@pytest.mark.parametrize(
    "content_type",
    [
        "text/html",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "json",
        ";",
        "application/json, text/plain",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        "text/plain; charset=iso-8859-1",
        "text/plain; charset=nonsense",
        "text/plain; charset=",
        'text/plain; charset=""',
        "text/plain; CHARSET = UTF-16",
        'text/plain; charset=" utf-8 "',
        'text/plain; charset="utf-16',
        'text/plain; charset="utf-8;x=y"',
        "text/plain; charset=utf-8; charset=utf-16",
        'text/plain; charset=utf-16; title="a; charset=utf-8"',
        "text/plain; charset*=utf-8''utf-16",
        ";charset=utf-16",
    ],
)
def test_another_content_type_or_charset_is_415(content_type):
    if content_type == ";":
        assert read({"user_message": "hi"}, content_type)[0].user_message == "hi"
        return
    error = refused(415, {"user_message": "hi"}, content_type)
    assert (error.code, error.target) == ("unsupported_media_type", "Content-Type")


@no_deadline
@given(st.lists(st.sampled_from(['"', "\\", ";", " ", "charset=", "utf-16", "\u00fc"])))
def test_what_another_parameter_says_in_quotes_names_no_charset(parts):
    quoted = "".join(parts).replace("\\", "\\\\").replace('"', '\\"')
    assert read(b"hi", f'text/plain; title="{quoted}"')[0].user_message == "hi"


@no_deadline
@given(st.text() | st.from_regex(r"(text/plain|application/json) *; *charset *=?.*", fullmatch=True))
def test_no_content_type_fails_in_another_way_than_415(content_type):
    error = raised_by(lambda: read({"user_message": "hi"}, content_type))
    assert error is None or (isinstance(error, ApiError) and error.status == 415)


def test_an_empty_body_needs_no_content_type():
    assert read(b"", "text/html", query={"user_message": "hi"})[0].user_message == "hi"
    assert targets(b"", None) == {"user_message": "required"}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"}",
        b" ",
        b"hi",
        b"\xef\xbb\xbf",
        b'{"user_message": "hi"} x',
        b"{'user_message': 'hi'}",
        b'{"user_message": NaN}',
        b'{"user_message": "hi", "run_options": {"temperature": Infinity}}',
        b'{"user_message": "hi", "timeout_seconds": ' + b"9" * 5000 + b"}",
        b'{"user_message": "hi",}',
        b'{"\x00": 1}',
        b"[]",
        b"null",
        b'"hi"',
        b"1",
        b"true",
        b"[" * 100_000,
        b'{"user_message":' * 50_000,
    ],
    ids=range(19),
)
def test_what_is_no_json_object_is_400(body):
    error = refused(400, body)
    assert (error.code, error.target) == ("invalid_json", "body")


@pytest.mark.parametrize("content_type", [JSON, "text/plain"])
@pytest.mark.parametrize("body", [b"\xff\xfe{\x00}\x00", b'{"user_message": "\xfc"}', b"\xed\xa0\x80", b"\x80"])
def test_what_is_no_utf8_is_400(content_type, body):
    error = refused(400, body, content_type)
    assert (error.code, error.target) == ("invalid_encoding", "body")


@pytest.mark.parametrize("content_type", [JSON, "text/plain"])
def test_a_byte_order_mark_is_no_part_of_it(content_type):
    body = b"\xef\xbb\xbf" + (b'{"user_message": "hi"}' if content_type == JSON else b"hi")
    assert read(body, content_type)[0].user_message == "hi"


@pytest.mark.parametrize("content_type", [JSON, "text/plain", "text/html", None])
def test_a_body_over_one_megabyte_is_413(content_type):
    error = refused(413, b"x" * (MAX_BODY_BYTES + 1), content_type)
    assert (error.code, error.target) == ("too_large", "body")


def test_a_body_of_one_megabyte_is_read():
    assert MAX_BODY_BYTES >= 12 * MAX_MESSAGE_CHARACTERS
    body = b'{"user_message": "hi"}'
    assert read(body + b" " * (MAX_BODY_BYTES - len(body)))[0].user_message == "hi"
    assert targets(b"x" * MAX_BODY_BYTES, "text/plain") == {"user_message": "invalid"}


def test_a_blank_text_is_refused():
    assert targets(b" \n", "text/plain") == {"user_message": "blank"}


def test_a_text_and_a_query_may_contradict_each_other():
    assert targets(b"hi", "text/plain", query={"user_message": "ho"}) == {"user_message": "conflict"}


def test_a_json_object_is_read_for_other_routes_too():
    sent = {"content-type": JSON}
    assert read_body(sent, b'{"a": 1}').json_object() == {"a": 1}
    assert read_body(sent, b"").optional_json_object() == {}
    for content_type, body, status in ((JSON, b"", 400), ("text/plain", b"{}", 415), (JSON, b"x" * 2**23, 413)):
        error = raised_by(lambda kind=content_type, body=body: read_body({"content-type": kind}, body).json_object())
        assert isinstance(error, ApiError)
        assert error.status == status


# --- bodies that do not arrive as they were sent ---


@pytest.mark.parametrize("coding", ["chunked", "Chunked", "gzip, chunked", " chunked "])
@pytest.mark.parametrize("query", [{}, {"user_message": "hi", "agent_id": "asst_1"}])
def test_a_chunked_body_that_the_platform_has_dropped_is_411_and_says_what_to_send(coding, query):
    error = refused(411, b"", query=query, headers={"transfer-encoding": coding})
    assert (error.code, error.target) == ("length_required", "Content-Length")
    assert "send it with a Content-Length" in error.message


def test_a_chunked_body_that_has_arrived_is_read():
    assert read_only({"user_message": "hi"}, headers={"transfer-encoding": "chunked"}).user_message == "hi"
    assert read_only({"user_message": "hi"}, headers={"transfer-encoding": "identity"}).user_message == "hi"


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "identity, gzip", "x" * 500])
@pytest.mark.parametrize("body", [b"", b'{"user_message": "hi"}', b"\x1f\x8b\x08"])
def test_an_encoded_body_is_415_and_says_what_to_send(coding, body):
    error = refused(415, body, headers={"content-encoding": coding})
    assert (error.code, error.target) == ("unsupported_media_type", "Content-Encoding")
    assert "without Content-Encoding" in error.message
    assert len(error.message) < 250


@pytest.mark.parametrize("coding", ["", "identity", "Identity, identity"])
def test_a_body_that_is_encoded_as_it_is_is_read(coding):
    assert read_only({"user_message": "hi"}, headers={"content-encoding": coding}).user_message == "hi"


# --- whatever comes ---------------------------------------------------------------------------------------------------

texts = st.text(max_size=18)
names = st.sampled_from([*AgentRunRequest.__struct_fields__, "code", "x", "Agent_Id", "__class__"]) | texts
texts_as_given = texts | st.sampled_from(["asst_1", "5", "{}", '{"temperature": 1}', "null", "\x00", "[[["])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=8,
)
bodies = st.binary(max_size=60) | json_values.map(lambda v: json.dumps(v).encode())
content_types = (
    st.none() | texts | st.sampled_from([JSON, "text/plain", "application/json; charset=utf-8", "a/b;charset"])
)


@no_deadline
@given(
    route=st.dictionaries(st.just("agent_id"), texts_as_given),
    query=st.dictionaries(names, texts_as_given, max_size=4),
    content_type=content_types,
    key=st.none() | texts,
    body=bodies,
)
def test_whatever_a_caller_sends_it_is_a_request_or_an_api_error(route, query, content_type, key, body):
    headers = {} if key is None else {"idempotency-key": key}
    error = raised_by(lambda: read_only(body, content_type, route=route, query=query, headers=headers))
    if error is None:
        request = read_only(body, content_type, route=route, query=query, headers=headers)
        json.dumps(to_wire(request), allow_nan=False)
    else:
        assert isinstance(error, ApiError), repr(error)
        assert error.status in (400, 413, 415)
        answer = error_answer(error)
        assert set(json.loads(answer.get_body())["error"]) <= {"code", "message", "target", "details"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"a":\n x}', "the body is not JSON, from line 2, column 2 on"),
        (b'{"user_message": NaN}', "the body is not JSON: it has NaN"),
        (b'{"timeout_seconds": ' + b"9" * 5000 + b"}", "a number in the body is too long"),
        (b'{"a": 1, "a": 2}', "the key 'a' is given twice in the body's JSON, with different values"),
    ],
)
def test_what_is_wrong_with_the_json_is_said_in_our_own_words(body, message):
    assert refused(400, body).message == message


@pytest.mark.parametrize("depth", [200, 900])
def test_what_is_nested_deeper_than_can_be_passed_on_is_refused(depth):
    # Near 990 levels (Python 3.11) the request is read, and the SDK's encoder then raises RecursionError: a 500.
    inner = b'{"a":' * depth + b"1" + b"}" * depth
    body = b'{"user_message": "hi", "run_options": {"truncation_strategy": ' + inner + b"}}"
    assert isinstance(raised_by(lambda: read(body)), ApiError)
