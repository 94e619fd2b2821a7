"""The description by itself: valid, complete, and of one mind with the parser. No host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator

from contracts.codes import ErrorCode
from contracts.metadata import RESERVED_KEYS
from contracts.request import AgentRunRequest, Include, RunOptions
from contracts.status import RuntimeStatus
from http_api.links import FAILURE_IS_500
from http_api.openapi import server_url
from http_api.openapi_document import openapi_document
from http_api.operations import OPERATIONS
from http_api.run_filters import read_filters
from http_api.status_document import STATUS_BY_RUNTIME_STATUS
from settings import Settings, load_settings
from tests.contract.project import run_python
from tests.openapi.description import Description
from validation.cancel_request import cancel_errors
from validation.field_errors import FieldError, InvalidRequestError
from validation.start_request import parse_request

ENDPOINT = "https://account.services.ai.azure.com/api/projects/project"

LOADED = "import json, sys, function_app; print(json.dumps(sorted(sys.modules)))"


def configured(**environment: str) -> Settings:
    return load_settings({"FOUNDRY_PROJECT_ENDPOINT": ENDPOINT, **environment})


def document(auth_level: str = "FUNCTION", given: Settings | None = None) -> dict[str, Any]:
    made = openapi_document("https://app.example/api", auth_level=auth_level, settings=given)
    return dict(msgspec.json.decode(msgspec.json.encode(made)))


CONFIGURATIONS: dict[str, Settings | None] = {
    "unconfigured": None,
    "plain": configured(),
    "narrow": configured(FOUNDRY_DEFAULT_AGENT_ID="asst_a", FOUNDRY_ALLOWED_AGENT_IDS="asst_a,asst_b"),
}


@pytest.mark.parametrize("level", ["FUNCTION", "ANONYMOUS"])
@pytest.mark.parametrize("given", CONFIGURATIONS)
def test_it_is_openapi_3_1(level: str, given: str) -> None:
    OpenAPIV31SpecValidator(document(level, CONFIGURATIONS[given])).validate()


def test_every_operation_of_the_table_is_described_and_nothing_else() -> None:
    described = {name: (method, path) for name, (method, path, _) in Description(document()).operations().items()}
    assert described == {o.name: (o.method, f"/{o.route}") for o in OPERATIONS}


def test_the_keys_that_are_asked_for_are_described() -> None:
    operations = {name: operation for name, (_, _, operation) in Description(document()).operations().items()}
    anonymous = {name for name, operation in operations.items() if operation.get("security") == []}
    assert anonymous == {o.name for o in OPERATIONS if o.is_anonymous}
    assert {name for name, operation in operations.items() if "401" not in operation["responses"]} == anonymous


def test_security_follows_the_auth_level() -> None:
    assert document("FUNCTION")["security"] == [{"functionKey": []}, {"functionKeyInQuery": []}]
    entra = document("ANONYMOUS")
    assert entra["security"] == [{"entra": []}]
    assert "security" not in entra["paths"]["/health"]["get"]


def test_importing_the_app_builds_nothing() -> None:
    loaded = run_python(LOADED)
    assert "http_api.openapi" in loaded
    assert [name for name in loaded if name.startswith(("http_api.openapi_", "http_api.operations"))] == []


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("https://app.example/api/openapi.json", "https://app.example/api"),
        ("https://app.example/api/openapi.json?code=secret", "https://app.example/api"),
        ("https://app.example/API/OpenAPI.json/", "https://app.example/API"),
        ("http://127.0.0.1:7071/openapi.json", "http://127.0.0.1:7071"),
        ("https://app.example/a/b/openapi.json?x=/openapi.json", "https://app.example/a/b"),
        ("http://[odd/api/openapi.json", "http://[odd/api"),
    ],
)
def test_the_server_is_where_the_request_went(url: str, server: str) -> None:
    assert server_url(url) == server


def test_the_server_is_what_callers_reach_where_that_is_known() -> None:
    base = "https://agents.contoso.com/foundry"
    for host in ("https://inner.example", "http://[odd", "http://"):
        assert server_url(f"{host}/api/openapi.json?version=3.0", base) == f"{base}/api"


def test_no_key_of_the_request_is_repeated() -> None:
    assert "secret" not in server_url("https://app.example/api/openapi.json?code=secret")


# --- of one mind with the contracts ---


def test_every_status_of_the_platform_is_described() -> None:
    assert set(RuntimeStatus.__args__) == set(STATUS_BY_RUNTIME_STATUS)


def test_every_field_of_a_start_is_there_everywhere() -> None:
    whole = document(given=configured())
    fields = set(AgentRunRequest.__struct_fields__)
    schemas = whole["components"]["schemas"]
    assert set(schemas["StartRequest"]["properties"]) == fields
    assert set(schemas["StartRequestOfAgent"]["properties"]) == fields - {"agent_id"}
    assert set(schemas["RunOptions"]["properties"]) == set(RunOptions.__struct_fields__)
    for operation in OPERATIONS:
        if operation.is_start:
            parameters = whole["paths"][f"/{operation.route}"]["post"]["parameters"]
            given = {(p["in"], p["name"]) for p in parameters}
            assert {name for where, name in given if where in ("query", "path")} == fields | {FAILURE_IS_500}
            assert {name for where, name in given if where == "header"} == {"Idempotency-Key", "Prefer"}


def test_no_default_is_an_object() -> None:
    """Generators of clients drop an operation whose body has one; test_generated_client.py shows it."""
    assert [default for default in defaults(document(given=configured())) if isinstance(default, dict | list)] == []
    assert "wait" in list(defaults(document()))


def defaults(value: Any) -> Iterator[Any]:
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if key == "default":
            yield item
        yield from defaults(item)


def test_settings_narrow_it() -> None:
    narrow = document(given=configured(FOUNDRY_ALLOWED_AGENT_IDS="asst_b,asst_a", RUN_MAX_TIMEOUT_SECONDS="2000"))
    start = narrow["components"]["schemas"]["StartRequest"]
    assert start["required"] == ["agent_id"]
    assert start["properties"]["agent_id"]["enum"] == ["asst_a", "asst_b"]
    assert start["properties"]["timeout_seconds"]["default"] == 1800
    assert start["properties"]["timeout_seconds"]["anyOf"][0]["maximum"] == 2000
    repeated = narrow["components"]["schemas"]["RetryRequest"]["properties"]["timeout_seconds"]
    assert repeated["anyOf"] == [{"type": "integer", "minimum": 1, "maximum": 2000}, {"type": "null"}]
    with_default = document(given=configured(FOUNDRY_DEFAULT_AGENT_ID="asst_a"))["components"]["schemas"]
    assert with_default["StartRequest"]["required"] == []
    assert with_default["StartRequest"]["properties"]["agent_id"]["default"] == "asst_a"


@pytest.mark.parametrize("agent", ["asst_1", "helper", "helper:7", "helper:x", "helper:", "a b", "../x", "", "x" * 129])
def test_an_agent_is_named_to_the_lists_as_they_read_it(agent: str) -> None:
    described = Description(document())
    _, _, listing = described.operations()["list_runs"]
    [parameter] = [p["schema"] for p in listing["parameters"] if p["name"] == "agent_id"]
    refused = bool(read_filters({"agent_id": agent})[1])
    assert described.validator(parameter).is_valid(agent) is not refused
    body = described.component("BulkCancelRequest")
    assert body.is_valid({"reason": "why", "agent_id": agent}) is not refused


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 300), st.floats(-1, 3).filter(lambda f: f != int(f)), st.text(max_size=5),
    st.just(""), st.just(" "), st.just([]), st.just({}), st.dictionaries(st.text(max_size=3), st.text(max_size=3)),
)  # fmt: skip
FILES = st.sampled_from(["assistant-1", "file-1", "vs_1", "a b", "undefined"]) | ODD


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object with all of the fields, most often; or but for one, or with one more."""
    whole = st.fixed_dictionaries(fields)
    without = st.sampled_from(["colour"] * 2 * len(fields) + [*fields, ""])
    return st.builds(lambda made, gone: {n: v for n, v in {**made, "colour": 1}.items() if n != gone}, whole, without)


def contents() -> st.SearchStrategy[Any]:
    url = (
        st.sampled_from(
            ["https://a/b", "https:///b", "ftp://a", "data:image/png;base64,AA==", "data:image/bmp;base64,AA=="]
        )
        | ODD
    )
    detail = st.sampled_from(["auto", "low", "high", "max"]) | st.none()
    parts = (
        some(type=st.just("text"), text=st.sampled_from(["hi", " ", ""]) | ODD)
        | some(type=st.just("image_file"), image_file=some(file_id=FILES, detail=detail) | ODD)
        | some(type=st.just("image_url"), image_url=some(url=url, detail=detail) | ODD)
        | some(type=st.sampled_from(["image", "input_text"]), text=st.just("hi"))
    )
    return st.lists(parts, max_size=3)


def attachments() -> st.SearchStrategy[Any]:
    tools = st.lists(some(type=st.sampled_from(["file_search", "code_interpreter", "bing"])) | ODD, max_size=3)
    source = some(uri=st.just("azureml://a"), type=st.sampled_from(["uri_asset", "file"]))
    return st.lists(
        some(file_id=FILES, tools=tools | ODD)
        | some(data_source=source | ODD, tools=tools)
        | some(file_id=FILES, data_source=source, tools=tools),
        max_size=2,
    )


def messages() -> st.SearchStrategy[Any]:
    return some(
        role=st.sampled_from(["user", "assistant", "system"]),
        content=st.sampled_from(["hi", " ", ""]) | contents() | ODD,
        attachments=attachments() | st.none(),
        metadata=st.dictionaries(st.sampled_from(["a", *RESERVED_KEYS]), st.text(max_size=2), max_size=2) | st.none(),
    )


def resources() -> st.SearchStrategy[Any]:
    files = st.lists(FILES, max_size=2) | st.just(["assistant-1"] * 21)
    index = some(index_name=st.just("i"), top_k=st.integers(-1, 3), query_type=st.sampled_from(["simple", "full"]))
    return some(
        code_interpreter=some(file_ids=files) | ODD,
        file_search=some(vector_store_ids=st.lists(FILES, max_size=2)) | ODD,
        azure_ai_search=some(indexes=st.lists(index, max_size=2)) | ODD,
    )


OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "additional_instructions": st.just("x" * 256_001) | ODD,
    "instructions": ODD,
    "model": st.just("x" * 257) | ODD,
    "temperature": st.sampled_from([0, 2, 2.1, -0.1]) | ODD,
    "top_p": st.sampled_from([0, 1, 1.1]) | ODD,
    "max_prompt_tokens": st.sampled_from([255, 256]) | ODD,
    "max_completion_tokens": ODD,
    "truncation_strategy": ODD,
    "tool_choice": ODD,
    "response_format": ODD,
    "parallel_tool_calls": ODD,
    "tool_resources": resources() | ODD,
    "additional_messages": st.lists(messages() | ODD, max_size=3) | ODD,
    "include": st.lists(st.sampled_from(get_args(Include)) | ODD, max_size=2) | ODD,
    "stream": st.just(True),
}
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "user_message": st.sampled_from(["hi", " hi\n", "x" * 256_000, "x" * 256_001]),
    "content": contents() | ODD,
    "attachments": attachments() | ODD,
    "delete_thread": st.sampled_from(["never", "on_success", "with_history", "always"]),
    "agent_id": st.sampled_from(["run_abc123", "null", "asst_a", "a" * 128, "a" * 129, "-a", "a b", "a\n"]),
    "thread_id": st.sampled_from(
        ["run_a", "None", "0" * 32, "agent#a#b", "thread_a", "a" * 128, "a" * 129, "../a", "ä"]
    ),
    "timeout_seconds": st.integers(-1, 3),
    "if_thread_busy": st.sampled_from(["wait", "fail", "replace", "Wait"]),
    "idempotency_key": st.sampled_from(["a", "~" * 200, "~" * 201, "a b", "é"]),
    "run_options": st.sampled_from(list(OPTIONS)).flatmap(lambda name: st.fixed_dictionaries({name: OPTIONS[name]}))
    | st.fixed_dictionaries({}, optional=OPTIONS),
    "metadata": st.dictionaries(
        st.sampled_from(["a", "k" * 64, "k" * 65, "", *RESERVED_KEYS]), st.sampled_from(["", "v" * 512, "v" * 513, 1])
    )
    | st.integers(13, 16).map(lambda n: {f"k{i}": "v" for i in range(n)}),
}


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """A good request, but for a field or two."""
    changed = draw(st.lists(st.sampled_from([*FIELDS, "colour"]), max_size=2, unique=True))
    request = {"user_message": "hi", "agent_id": "asst_a"}
    request |= {name: draw(FIELDS.get(name, st.nothing()) | ODD) for name in changed}
    if request.get("colour", ...) is None:
        del request["colour"]  # see the test below
    if draw(st.integers(0, 9)) == 0:
        del request["user_message"]
    return request


@settings(max_examples=800, deadline=None, derandomize=True)
@given(request=requests())
def test_the_schema_of_a_start_and_the_parser_agree(request: dict[str, Any]) -> None:
    wrong = what_is_wrong_with(request)
    assert START.is_valid(request) == (wrong == []), wrong


@settings(max_examples=1200, deadline=None, derandomize=True)
@given(option=st.sampled_from(["tool_resources", "additional_messages"]), data=st.data())
def test_the_schema_of_what_is_nested_and_the_parser_agree(option: str, data: st.DataObject) -> None:
    request = {"user_message": "hi", "run_options": {option: data.draw(OPTIONS[option])}}
    assert START.is_valid(request) == (what_is_wrong_with(request) == []), request


def what_is_wrong_with(request: dict[str, Any]) -> list[FieldError]:
    """Return what the parser finds, but for a message that is missing: which of the fields hold one is told in words,
    since generators of clients drop an operation whose body is a choice.
    """
    try:
        parse_request(request)
    except InvalidRequestError as error:
        return [e for e in error.details if e.code != ErrorCode.REQUIRED]
    return []


START = Description(document()).component("StartRequest")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason": None},
        {"reason": ""},
        {"reason": "x" * 500},
        {"reason": "x" * 501},
        {"reason": 1},
        {"colour": "red"},
    ],
)
def test_the_schema_of_a_cancel_and_its_validator_agree(body: dict[str, Any]) -> None:
    assert Description(document()).component("CancelRequest").is_valid(body) == (cancel_errors(body) == [])


@pytest.mark.parametrize("field", [{"timeout_seconds": 5.0}, {"run_options": {"max_prompt_tokens": 300.0}}])
def test_whole_numbers_written_with_a_fraction_are_taken(field: dict[str, Any]) -> None:
    request = {"user_message": "hi", **field}
    assert START.is_valid(request)
    parse_request(request)


def test_an_unknown_field_is_refused_even_if_it_is_null() -> None:
    request = {"user_message": "hi", "colour": None}
    assert not START.is_valid(request)
    with pytest.raises(InvalidRequestError):
        parse_request(request)
