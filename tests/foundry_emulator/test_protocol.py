"""What the SDK cannot show: exact bodies, refusals, limits, paging."""

import re
import string

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.foundry_emulator import Agents, FoundryEmulator, ManualClock
from local.foundry_emulator.agents import builtin_agents
from local.foundry_emulator.scripts import File
from local.foundry_emulator.service import OPERATIONS, ROUTES, Request, Service

PROJECT = "/api/projects/demo"


@pytest.fixture
def service():
    return Service(builtin_agents(), ManualClock())


def call(service, method, path, body=None, *, query=None, headers=None, raw=None):
    payload = b"" if body is None else msgspec.json.encode(body)
    reply = service.handle(
        Request(
            method,
            PROJECT + path,
            {"api-version": "v1"} if query is None else query,
            {"authorization": "Bearer t"} if headers is None else headers,
            payload if raw is None else raw,
        )
    )
    return reply.status, reply.body


def good(service, method, path, body=None, **query):
    status, answer = call(service, method, path, body, query={"api-version": "v1", **query})
    assert status == 200, answer
    return answer


def refused(service, path, body, *, param, code=None, method="POST"):
    status, answer = call(service, method, path, body)
    assert status == 400, answer
    error = answer["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["param"]) == ("invalid_request_error", param), error
    if code is not None:
        assert error["code"] == code
    return error["message"]


def new_thread(service, *texts):
    messages = [{"role": "user", "content": text} for text in texts]
    return good(service, "POST", "/threads", {"messages": messages})["id"]


# Credential and api-version


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic eA=="}, {"authorization": "Bearer "}])
def test_no_bearer_token_is_401_in_the_gateways_shape(service, headers):
    status, body = call(service, "GET", "/assistants", headers=headers)
    assert status == 401
    assert body == {
        "statusCode": 401,
        "message": "Unauthorized. Access token is missing, invalid, audience is incorrect "
        "(https://ai.azure.com), or have expired.",
    }


def test_an_api_key_is_401_even_beside_a_token(service):
    headers = {"authorization": "Bearer t", "api-key": "k"}
    status, body = call(service, "GET", "/assistants", headers=headers)
    assert status == 401
    assert body["error"]["code"] == "401"


def test_only_the_wanted_token():
    service = Service(builtin_agents(), ManualClock(), token="right")
    assert call(service, "GET", "/assistants", headers={"authorization": "Bearer right"})[0] == 200
    assert call(service, "GET", "/assistants", headers={"authorization": "Bearer wrong"})[0] == 401


def test_api_version_is_needed_and_known(service):
    status, body = call(service, "GET", "/assistants", query={})
    assert (status, body["error"]["code"]) == (400, "MissingApiVersionParameter")
    status, body = call(service, "GET", "/assistants", query={"api-version": "2024-07-01-preview"})
    assert status == 400
    assert body["error"] == {
        "code": "UnsupportedApiVersionValue",
        "message": "Unsupported api version '2024-07-01-preview'. "
        "The supported versions are 'v1', '2025-05-01', '2025-05-15-preview'",
    }


def test_paths_that_do_not_exist(service):
    assert call(service, "GET", "/nonsense") == (
        404,
        {"error": {"code": "404", "message": "Resource not found"}},
    )
    assert call(service, "PUT", "/threads")[0] == 405
    assert call(service, "DELETE", "/threads/t/messages/m")[0] == 405  # Foundry has no DELETE message
    assert call(service, "POST", "/vector_stores")[0] == 501
    reply = service.handle(Request("GET", "/api/projects/other/assistants"))
    assert (reply.status, reply.body["error"]["message"]) == (404, "The project does not exist.")


# Errors in the service's words


def test_busy_thread(service):
    thread_id = new_thread(service, "hi")
    run = good(service, "POST", f"/threads/{thread_id}/runs", {"assistant_id": Agents.FOREVER})
    expected = {"type": "invalid_request_error", "param": None, "code": None}
    assert call(service, "POST", f"/threads/{thread_id}/messages", {"role": "user", "content": "x"}) == (
        400,
        {
            "error": {
                "message": f"Can't add messages to {thread_id} while a run {run['id']} is active.",
                **expected,
            }
        },
    )
    assert call(service, "POST", f"/threads/{thread_id}/runs", {"assistant_id": Agents.FOREVER}) == (
        400,
        {"error": {"message": f"Thread {thread_id} already has an active run {run['id']}.", **expected}},
    )
    assert len(good(service, "GET", f"/threads/{thread_id}/messages")["data"]) == 1


def test_a_refused_run_leaves_no_additional_message_behind(service):
    thread_id = new_thread(service, "hi")
    path = f"/threads/{thread_id}/runs"
    good(service, "POST", path, {"assistant_id": Agents.FOREVER})
    extra = [{"role": "user", "content": "extra"}]
    body = {"assistant_id": Agents.FOREVER, "additional_messages": extra}
    assert call(service, "POST", path, body)[0] == 400
    assert call(service, "POST", path, {**body, "assistant_id": "asst_gone"})[0] == 404
    assert len(good(service, "GET", f"/threads/{thread_id}/messages")["data"]) == 1


def test_thread_and_run_in_one_call_makes_no_thread_for_an_unknown_agent(service):
    status, body = call(service, "POST", "/threads/runs", {"assistant_id": "asst_gone"})
    assert (status, body["error"]["message"]) == (404, "No assistant found with id 'asst_gone'.")
    assert service.state.threads == {}


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "/assistants/x", "assistant"),
        ("DELETE", "/assistants/x", "assistant"),
        ("GET", "/threads/x", "thread"),
        ("GET", "/threads/x/messages", "thread"),
        ("GET", "/threads/{t}/messages/x", "message"),
        ("GET", "/threads/{t}/runs/x", "run"),
        ("POST", "/threads/{t}/runs/x/cancel", "run"),
        ("GET", "/threads/{t}/runs/{r}/steps/x", "run step"),
    ],
)
def test_unknown_ids(service, method, path, kind):
    thread_id = new_thread(service)
    run = good(service, "POST", f"/threads/{thread_id}/runs", {"assistant_id": Agents.INSTANT})
    status, body = call(service, method, path.format(t=thread_id, r=run["id"]))
    assert status == 404
    assert body == {
        "error": {
            "message": f"No {kind} found with id 'x'.",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        }
    }


def test_a_run_belongs_to_its_thread(service):
    first, second = new_thread(service), new_thread(service)
    run = good(service, "POST", f"/threads/{first}/runs", {"assistant_id": Agents.INSTANT})
    assert call(service, "GET", f"/threads/{second}/runs/{run['id']}")[0] == 404


def test_cancel_of_a_completed_run(service):
    thread_id = new_thread(service)
    run = good(service, "POST", f"/threads/{thread_id}/runs", {"assistant_id": Agents.INSTANT})
    status, body = call(service, "POST", f"/threads/{thread_id}/runs/{run['id']}/cancel")
    assert (status, body["error"]["message"]) == (400, "Cannot cancel run with status 'completed'.")


def test_a_deleted_agent_lets_its_run_go_on(service):
    thread_id = new_thread(service, "hi")
    run = good(service, "POST", f"/threads/{thread_id}/runs", {"assistant_id": Agents.HISTORY})
    assert good(service, "DELETE", f"/assistants/{Agents.HISTORY}") == {
        "id": Agents.HISTORY,
        "object": "assistant.deleted",
        "deleted": True,
    }
    service.state.clock.advance(2)
    assert good(service, "GET", f"/threads/{thread_id}/runs/{run['id']}")["status"] == "completed"
    assert call(service, "POST", f"/threads/{thread_id}/runs", {"assistant_id": Agents.HISTORY})[0] == 404


# Bodies


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"content": "x"}, "role", "missing_required_parameter"),
        ({"role": "user"}, "content", "missing_required_parameter"),
        ({"role": "user", "content": None}, "content", "missing_required_parameter"),
        ({"role": "robot", "content": "x"}, "role", "invalid_value"),
        ({"role": "user", "content": ""}, "content", None),
        ({"role": "user", "content": []}, "content", "empty_array"),
        ({"role": "user", "content": 7}, "content", "invalid_type"),
        ({"role": "user", "content": [{"type": "sound"}]}, "content[0].type", "invalid_value"),
        (
            {"role": "user", "content": [{"type": "text"}]},
            "content",
            None,
        ),
        (
            {"role": "user", "content": [{"type": "image_file", "image_file": {}}]},
            "content[0].image_file.file_id",
            "missing_required_parameter",
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "a.png"}}]},
            "content[0].image_url.url",
            "invalid_value",
        ),
        ({"role": "user", "content": "x", "attachments": [{"file_id": "a"}]}, "attachments[0].tools", None),
        (
            {"role": "user", "content": "x", "attachments": [{"file_id": "a", "tools": [{"type": "mcp"}]}]},
            "attachments[0].tools[0].type",
            "invalid_value",
        ),
        ({"role": "user", "content": "x", "attachments": [{"tools": []}]}, "attachments[0]", None),
        ({"role": "user", "content": "x", "attachments": ["a"]}, "attachments[0]", "invalid_type"),
        ({"role": "user", "content": "x" * 1_500_001}, "content", "content_size_exceeded"),
        ({"role": "user", "content": "x", "color": "red"}, "color", "unknown_parameter"),
        ({"role": "user", "content": "x", "metadata": {"k": 1}}, "metadata.k", "invalid_type"),
        ({"role": "user", "content": "x", "metadata": []}, "metadata", "invalid_type"),
        ([], "body", "invalid_type"),
    ],
)
def test_messages_that_are_refused(service, body, param, code):
    thread_id = new_thread(service)
    refused(service, f"/threads/{thread_id}/messages", body, param=param, code=code)
    assert service.state.threads[thread_id].messages == []


ATTACHED = {"file_id": "assistant-1", "tools": [{"type": "file_search"}]}
PICTURE = {"type": "image_file", "image_file": {"file_id": "assistant-1"}}
RESOURCES = {"code_interpreter": {"file_ids": ["assistant-1"]}}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/threads/{}/messages", {"role": "user", "content": "x", "attachments": [ATTACHED]}),
        ("/threads/{}/messages", {"role": "user", "content": [PICTURE]}),
        ("/threads", {"messages": [{"role": "user", "content": [PICTURE]}]}),
        ("/threads", {"tool_resources": RESOURCES}),
        ("/threads/{}", {"tool_resources": RESOURCES}),
        (
            "/threads/{}/runs",
            {
                "assistant_id": Agents.INSTANT,
                "additional_messages": [{"role": "user", "content": "x", "attachments": [ATTACHED]}],
            },
        ),
        ("/threads/{}/runs", {"assistant_id": Agents.INSTANT, "tool_resources": RESOURCES}),
        (
            "/threads/runs",
            {"assistant_id": Agents.INSTANT, "thread": {"messages": [{"role": "user", "content": [PICTURE]}]}},
        ),
        ("/assistants", {"model": "m", "tool_resources": RESOURCES}),
    ],
)
def test_files_that_are_named_must_be_there(service, path, body):
    path = path.format(new_thread(service))
    before = (len(service.state.threads), len(service.state.runs), len(service.state.assistants))
    status, answer = call(service, "POST", path, body)
    assert (status, answer["error"]["message"]) == (404, "No file found with id 'assistant-1'.")
    assert (len(service.state.threads), len(service.state.runs), len(service.state.assistants)) == before
    service.state.add_file(File(filename="a.png", id="assistant-1"))
    answer = good(service, "POST", path, body)
    for name in ("attachments", "tool_resources"):
        assert name not in body or answer[name] == body[name]


@pytest.mark.parametrize(
    ("resources", "param", "code"),
    [
        ([], "tool_resources", "invalid_type"),
        ({"code_interpreter": {"file_ids": "a"}}, "tool_resources.code_interpreter.file_ids", "invalid_type"),
        ({"code_interpreter": {"file_ids": ["a"] * 21}}, "tool_resources.code_interpreter.file_ids", None),
        ({"file_search": {"vector_store_ids": ["a", "b"]}}, "tool_resources.file_search.vector_store_ids", None),
        ({"file_search": {"files": []}}, "tool_resources.file_search.files", "unknown_parameter"),
        ({"browser": {}}, "tool_resources.browser", "unknown_parameter"),
        ({"mcp": [{"server_label": "a", "headers": {"k": 1}}]}, "tool_resources.mcp[0].headers.k", "invalid_type"),
    ],
)
def test_tool_resources_that_are_refused(service, resources, param, code):
    refused(service, "/threads", {"tool_resources": resources}, param=param, code=code)


def test_headers_of_a_run_are_not_shown(service):
    mcp = [{"server_label": "shop", "headers": {"Authorization": "planted-secret"}}]
    body = {"assistant_id": Agents.INSTANT, "tool_resources": {"mcp": mcp}, "tools": [{"type": "mcp", **mcp[0]}]}
    run = good(service, "POST", f"/threads/{new_thread(service)}/runs", body)
    assert run["tool_resources"]["mcp"][0]["server_label"] == "shop"
    good(service, "POST", "/assistants", {"model": "m", "tools": body["tools"]})
    assert "planted-secret" not in repr(run) + repr(service.state.runs) + repr(service.state.assistants)


def test_a_functions_schema_may_speak_of_headers(service):
    parameters = {"type": "object", "properties": {"headers": {"type": "object"}}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
    assert good(service, "POST", "/assistants", {"model": "m", "tools": tools})["tools"] == tools


def test_a_deleted_thread_is_gone_with_all_that_is_on_it(service):
    thread_id = new_thread(service, "hi")
    run = good(service, "POST", f"/threads/{thread_id}/runs", {"assistant_id": Agents.TOOL})
    [message] = good(service, "GET", f"/threads/{thread_id}/messages")["data"]
    assert good(service, "DELETE", f"/threads/{thread_id}") == {
        "id": thread_id,
        "object": "thread.deleted",
        "deleted": True,
    }
    ids = {"thread": thread_id, "run": run["id"], "message": message["id"], "step": "step_x"}
    said = {"role": "user", "content": "x", "attachments": [ATTACHED]}  # that file is not there either
    bodies = {"create_message": said, "create_run": {"assistant_id": Agents.TOOL}}
    named = [route for route in ROUTES if "thread" in route.path.groupindex]
    assert len(named) > 12
    for route in named:
        path = re.sub(r"\(\?P<(\w+)>[^)]*\)", lambda found: ids[found[1]], route.path.pattern)
        status, answer = call(service, route.method, path, bodies.get(route.name))
        assert (status, answer["error"]["message"]) == (404, f"No thread found with id '{thread_id}'."), route.name
    assert thread_id not in {one["id"] for one in good(service, "GET", "/threads")["data"]}


def test_message_content_takes_blocks(service):
    thread_id = new_thread(service)
    service.state.add_file(File(filename="a.png", id="assistant-1"))
    blocks = [
        {"type": "text", "text": "look"},
        {"type": "image_file", "image_file": {"file_id": "assistant-1", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
    ]
    message = good(service, "POST", f"/threads/{thread_id}/messages", {"role": "assistant", "content": blocks})
    assert message["content"] == [{"type": "text", "text": {"value": "look", "annotations": []}}, *blocks[1:]]
    assert (message["run_id"], message["assistant_id"]) == (None, None)
    assert not {"status", "completed_at", "incomplete_details"} & set(message)  # as recorded


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"assistant_id": None}, "assistant_id", "missing_required_parameter"),
        ({"agent_id": "asst_x"}, "agent_id", "unknown_parameter"),
        ({"temperature": 3}, "temperature", "decimal_above_max_value"),
        ({"temperature": -1}, "temperature", "decimal_below_min_value"),
        ({"temperature": "hot"}, "temperature", "invalid_type"),
        ({"max_prompt_tokens": 255}, "max_prompt_tokens", "integer_below_min_value"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens", "invalid_type"),
        ({"truncation_strategy": {"type": "some"}}, "truncation_strategy.type", "invalid_value"),
        ({"parallel_tool_calls": "yes"}, "parallel_tool_calls", "invalid_type"),
        ({"tools": [{}]}, "tools[0].type", "missing_required_parameter"),
        ({"tools": [{"type": "function"}] * 129}, "tools", "tool_limit_exceeded"),
        ({"additional_messages": [{"role": "user"}]}, "additional_messages[0].content", None),
        ({"instructions": "x" * 256_001}, "instructions", "string_above_max_length"),
        ({"metadata": {str(n): "v" for n in range(17)}}, "metadata", "object_above_max_properties"),
        ({"metadata": {"k" * 65: "v"}}, f"metadata.{'k' * 65}", "string_above_max_length"),
        ({"metadata": {"k": "v" * 513}}, "metadata.k", "string_above_max_length"),
    ],
)
def test_runs_that_are_refused(service, fields, param, code):
    thread_id = new_thread(service)
    body = {"assistant_id": Agents.HISTORY, **fields}
    refused(service, f"/threads/{thread_id}/runs", body, param=param, code=code)
    assert service.state.threads[thread_id].runs == []


def test_metadata_at_its_limits_is_kept(service):
    metadata = {f"{n:064}": "v" * 512 for n in range(16)}
    thread_id = new_thread(service)
    run = good(
        service,
        "POST",
        f"/threads/{thread_id}/runs",
        {"assistant_id": Agents.INSTANT, "metadata": metadata},
    )
    assert run["metadata"] == metadata


def test_run_options_override_the_agent(service):
    thread_id = new_thread(service)
    options = {
        "model": "gpt-5",
        "instructions": "Be brief.",
        "additional_instructions": "Very.",
        "temperature": 0.2,
        "top_p": 0.5,
        "max_prompt_tokens": 500,
        "max_completion_tokens": 600,
        "truncation_strategy": {"type": "last_messages", "last_messages": 3},
        "tool_choice": "none",
        "response_format": {"type": "json_object"},
        "parallel_tool_calls": False,
    }
    body = {"assistant_id": Agents.INSTANT, **options}
    run = good(service, "POST", f"/threads/{thread_id}/runs", body)
    expected = {**options, "instructions": "Be brief. Very."}
    del expected["additional_instructions"]
    assert {name: run[name] for name in expected} == expected


def test_streaming_and_unknown_includes_are_refused_honestly(service):
    thread_id = new_thread(service)
    path = f"/threads/{thread_id}/runs"
    assert call(service, "POST", path, {"assistant_id": Agents.HISTORY, "stream": True})[0] == 501
    status, body = call(
        service,
        "POST",
        path,
        {"assistant_id": Agents.HISTORY},
        query={"api-version": "v1", "include[]": "everything"},
    )
    assert (status, body["error"]["param"]) == (400, "include[]")


def test_not_json(service):
    status, body = call(service, "POST", "/threads", raw=b"{'a': 1}")
    assert (status, body["error"]["type"]) == (400, "invalid_request_error")


def test_the_message_limit():
    service = Service(builtin_agents(), ManualClock(), message_limit=2)
    thread_id = new_thread(service, "1", "2")
    body = {"role": "user", "content": "3"}
    refused(service, f"/threads/{thread_id}/messages", body, param=None, code="message_limit_exceeded")
    status, _ = call(service, "POST", "/threads", {"messages": [body] * 3})
    assert status == 400


def test_an_agent_made_by_a_client_follows_the_script_it_names(service):
    body = {"model": "gpt-4o", "metadata": {"emulator_script": "fails"}}
    agent = good(service, "POST", "/assistants", body)
    thread_id = new_thread(service)
    run = good(service, "POST", f"/threads/{thread_id}/runs", {"assistant_id": agent["id"]})
    service.state.clock.advance(2)
    assert good(service, "GET", f"/threads/{thread_id}/runs/{run['id']}")["status"] == "failed"
    body["metadata"]["emulator_script"] = "nobody"
    refused(service, "/assistants", body, param="metadata.emulator_script")


# Lists


def test_an_empty_page_ends_the_list(service):
    thread_id = new_thread(service)
    assert good(service, "GET", f"/threads/{thread_id}/messages") == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }


@given(
    count=st.integers(0, 30),
    limit=st.integers(1, 100),
    order=st.sampled_from(["asc", "desc"]),
)
def test_pages_joined_are_the_whole_list_in_order(count, limit, order):
    service = Service(builtin_agents(), ManualClock())
    thread_id = new_thread(service, *map(str, range(count)) if count else ())
    expected = [str(n) for n in range(count)]
    if order == "desc":
        expected.reverse()
    seen, ids, after = [], [], {}
    while True:
        page = good(service, "GET", f"/threads/{thread_id}/messages", limit=str(limit), order=order, **after)
        assert len(page["data"]) <= limit
        seen += [message["content"][0]["text"]["value"] for message in page["data"]]
        ids += [message["id"] for message in page["data"]]
        assert page["has_more"] is (len(seen) < count)
        if not page["has_more"]:
            break
        after = {"after": page["last_id"]}
    assert seen == expected
    if count > 2:  # one page back from the last one
        page = good(service, "GET", f"/threads/{thread_id}/messages", limit="2", order=order, before=ids[-1])
        assert [message["id"] for message in page["data"]] == ids[-3:-1]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"order": "up"}, "order"),
        ({"after": "asst_gone"}, "after"),
        ({"before": "asst_gone"}, "before"),
    ],
)
def test_bad_paging_is_refused(service, query, param):
    status, body = call(service, "GET", "/assistants", query={"api-version": "v1", **query})
    assert (status, body["error"]["param"]) == (400, param)


def test_messages_of_one_run_only(service):
    thread_id = new_thread(service, "hi")
    runs = [
        good(service, "POST", f"/threads/{thread_id}/runs", {"assistant_id": Agents.INSTANT})["id"] for _ in range(2)
    ]
    for run_id in runs:
        [message] = good(service, "GET", f"/threads/{thread_id}/messages", run_id=run_id)["data"]
        assert message["run_id"] == run_id
    assert len(good(service, "GET", f"/threads/{thread_id}/messages")["data"]) == 3


# No input is a server error

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KNOWN_FIELDS = sorted({name for route in ROUTES if route.body is not None for name in route.body.fields})
bodies = json_values | st.dictionaries(st.sampled_from(KNOWN_FIELDS), json_values, max_size=6)


@settings(max_examples=300)
@given(
    route=st.sampled_from(ROUTES),
    body=bodies,
    query=st.dictionaries(
        st.sampled_from(["limit", "order", "after", "before", "run_id", "include[]"]),
        st.text(string.printable, max_size=8),
    ),
)
def test_no_request_makes_a_server_error(route, body, query):
    service = Service(builtin_agents(), ManualClock())
    thread_id = new_thread(service, "hi")
    run = good(service, "POST", f"/threads/{thread_id}/runs", {"assistant_id": Agents.TOOL})
    service.state.clock.advance(2)
    path = route.path.pattern
    for name, value in (
        ("thread", thread_id),
        ("run", run["id"]),
        ("assistant", str(Agents.TOOL)),
        ("message", "msg_x"),
        ("step", "step_x"),
    ):
        path = path.replace(f"(?P<{name}>[^/]+)", value)
    status, answer = call(service, route.method, path, body, query={"api-version": "v1", **query})
    assert status < 500 or status == 501
    msgspec.json.encode(answer)


def test_operations_are_named():
    assert "create_message" in OPERATIONS
    assert len(set(OPERATIONS)) == len(OPERATIONS)


# Over real HTTP


def test_answers_carry_request_ids_and_json(http):
    answer = http("GET", "/assistants")
    assert answer.headers["x-request-id"] == answer.headers["apim-request-id"]
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


def test_ids_cannot_change_the_path(http):
    answer = http("GET", "/threads/x%2F..%2F..%2Fassistants")
    assert answer.status_code == 404
    assert "No thread found" in answer.json()["error"]["message"]


def test_a_large_message_gets_through_and_a_huge_body_does_not(http):
    thread_id = http.thread()
    assert http.say(thread_id, "x" * 1_500_000)["content"][0]["text"]["value"] == "x" * 1_500_000
    assert http("POST", "/threads", data=b" " * (33 * 1024 * 1024)).status_code == 413


def test_latency_is_added(http, emulator):
    emulator.latency = 0.2
    assert http("GET", "/assistants").elapsed.total_seconds() >= 0.2


def test_only_loopback_is_bound(emulator):
    assert emulator.endpoint.startswith("http://127.0.0.1:")
    assert emulator.endpoint.endswith("/api/projects/demo")


def test_two_emulators_do_not_share_anything(emulator, http):
    with FoundryEmulator() as other:
        http.thread("hi")
        assert other.ledger().threads == {}
        assert other.port != emulator.port
