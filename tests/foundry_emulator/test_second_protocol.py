"""Second generation: exact bodies, refusals, ids and pages, as they were recorded or reported."""

import re
import string

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.foundry_emulator import Agent, FoundryEmulator
from local.foundry_emulator.scripts import End, Script
from local.foundry_emulator.second.service import ROUTES
from tests.foundry_emulator.conftest import Talk, output, text_in

GONE = "conv_0123456789abcdef00ffffffff0000"
MESSAGE = {"type": "message", "role": "user", "content": "hi"}
REFERENCE = {"type": "agent_reference", "name": "history"}


@pytest.fixture
def talk():
    return Talk()


def error(talk, method, path, body=None, *, expect=400, **query):
    return talk(method, path, body, expect=expect, **query)["error"]


# --- agents -----------------------------------------------------------------------------------------------------------


def test_an_agent_has_its_name_for_an_id_and_shows_its_latest_version(talk):
    shown = talk("GET", "/agents/history")
    latest = shown["versions"]["latest"]
    assert shown == {
        "object": "agent",
        "id": "history",
        "name": "history",
        "state": "enabled",
        "versions": {"latest": latest},
    }
    assert (latest["object"], latest["id"], latest["name"], latest["version"]) == (
        "agent.version",
        "history:1",
        "history",
        "1",
    )
    assert latest["definition"] == {
        "kind": "prompt",
        "model": "gpt-4o",
        "instructions": "Answer the user's question in a few sentences.",
        "tools": [],
    }


def test_a_model_is_there_on_prompt_agents_only(talk):
    found = {
        one["name"]: one["versions"]["latest"]["definition"] for one in talk("GET", "/agents", limit="100")["data"]
    }
    kinds = {name: one["kind"] for name, one in found.items()}
    assert (kinds["hosted"], kinds["workflow"], kinds["tool"]) == ("hosted", "workflow", "prompt")
    assert {one["kind"] for one in found.values() if "model" in one} == {"prompt"}
    assert found["tool"]["tools"][0]["name"] == "get_weather"  # flat, not as in classic


def test_agents_come_in_pages_and_by_kind(talk):
    first = talk("GET", "/agents", limit="3", order="asc")
    assert (first["object"], len(first["data"]), first["has_more"]) == ("list", 3, True)
    second = talk("GET", "/agents", limit="3", order="asc", after=first["last_id"])
    assert not {one["id"] for one in first["data"]} & {one["id"] for one in second["data"]}
    assert len(talk("GET", "/agents")["data"]) == 20
    assert [one["id"] for one in talk("GET", "/agents", kind="hosted")["data"]] == ["hosted"]
    assert error(talk, "GET", "/agents", limit="101")["param"] == "limit"


def test_versions_of_one_name_and_the_words_for_what_is_not_there():
    old, new = (Agent(name="mine", id=f"asst_{n * 24}", description=n) for n in "ab")
    talk = Talk(old, new)
    versions = talk("GET", "/agents/mine/versions", order="asc")["data"]
    assert [(one["id"], one["description"]) for one in versions] == [("mine:1", "a"), ("mine:2", "b")]
    assert talk("GET", "/agents/mine/versions/1") == versions[0]
    assert talk("GET", "/agents/mine")["versions"]["latest"] == versions[1]
    for path in ("/agents/gone", "/agents/gone/versions"):
        refused = error(talk, "GET", path, expect=404)
        assert set(refused) == {"code", "message", "type", "details", "additionalInfo"}
        assert (refused["code"], refused["message"]) == ("not_found", "Agent gone doesn't exist")
        assert refused["additionalInfo"]["request_id"]
    assert error(talk, "GET", "/agents/mine/versions/3", expect=404)["code"] == "not_found"


def test_agents_want_the_api_version_v1_and_the_rest_none(talk):
    assert error(talk, "GET", "/agents", **{"api-version": ""})["code"] == "MissingApiVersionParameter"
    assert error(talk, "GET", "/agents", **{"api-version": "2025-05-01"})["code"] == "UnsupportedApiVersionValue"
    for path in ("/openai/v1/responses", "/openai/v1/conversations"):
        assert "not allowed" in error(talk, "GET", path, **{"api-version": "v1"})["message"]
    assert error(talk, "GET", "/openai/responses", expect=501, **{"api-version": "2025-11-15-preview"})
    assert talk("GET", "/openai/v1/nonsense", expect=404)


def test_a_disabled_agent_is_refused_until_it_is_enabled(talk):
    assert talk("GET", "/agents/disabled")["state"] == "disabled"
    refused = talk.respond("disabled", expect=403)["error"]
    assert refused["code"] == "AgentDisabled"
    talk("POST", "/agents/disabled:enable", expect=204)
    talk.respond("disabled")
    talk("POST", "/agents/disabled:disable", expect=204)
    talk.respond("disabled", expect=403)


def test_one_generation_can_be_left_out():
    for left, gone in (("classic", "/agents"), ("responses", "/assistants")):
        with FoundryEmulator(generations=[left]) as emulator:
            service = emulator.service
            talk = Talk()
            talk.service = service
            assert talk("GET", gone, expect=404, **{"api-version": "v1"})
            assert talk("GET", {"/agents": "/assistants"}.get(gone, "/agents"), **{"api-version": "v1"})["data"]


# --- conversations and items ------------------------------------------------------------------------------------------


def test_a_conversation_its_metadata_and_its_end(talk):
    made = talk("POST", "/openai/v1/conversations", {"metadata": {"a": "b"}, "items": [MESSAGE]})
    assert set(made) == {"id", "object", "created_at", "metadata"}
    assert (made["object"], made["created_at"], made["metadata"]) == ("conversation", 1_700_000_000, {"a": "b"})
    path = f"/openai/v1/conversations/{made['id']}"
    assert talk("GET", path) == made
    assert talk("POST", path, {"metadata": {"c": "d"}})["metadata"] == {"c": "d"}  # replaced, not merged
    assert [one["id"] for one in talk("GET", "/openai/v1/conversations")["data"]] == [made["id"], talk.id]
    assert talk("DELETE", path) == {"id": made["id"], "object": "conversation.deleted", "deleted": True}
    assert error(talk, "GET", path, expect=404)["message"] == f"Conversation '{made['id']}' not found"
    assert [one["id"] for one in talk("GET", "/openai/v1/conversations")["data"]] == [talk.id]


def test_conversations_by_agent(talk):
    talk.say()
    talk.respond("instant")
    other = talk("POST", "/openai/v1/conversations", {})["id"]
    for query, found in (
        ({"agent_name": "instant"}, [talk.id]),
        ({"agent_id": "instant:2"}, []),
        ({}, [other, talk.id]),
    ):
        assert [one["id"] for one in talk("GET", "/openai/v1/conversations", **query)["data"]] == found


@pytest.mark.parametrize("identifier", ["thread_abc", "conv_mine", "resp_0123456789abcdef00ffffffff0000"])
def test_ids_that_the_service_has_not_made_are_malformed(talk, identifier):
    words = f"Invalid conversation id '{identifier}', Malformed identifier."
    assert error(talk, "GET", f"/openai/v1/conversations/{identifier}")["message"] == words
    assert talk.respond(conversation=identifier, expect=400)["error"]["message"] == words


def test_an_unknown_conversation_is_the_same_404_everywhere(talk):
    words = f"Conversation '{GONE}' not found"
    for method, tail, body in (("GET", "", None), ("GET", "/items", None), ("POST", "/items", {"items": [MESSAGE]})):
        assert error(talk, method, f"/openai/v1/conversations/{GONE}{tail}", body, expect=404)["message"] == words
    assert talk.respond(conversation=GONE, expect=404)["error"]["message"] == words


def test_items_are_stored_with_ids_and_parts(talk):
    long = {**MESSAGE, "content": [{"type": "input_text", "text": "there"}]}
    added = talk.add(MESSAGE, long)
    first, second = added["data"]
    assert first == {
        "type": "message",
        "role": "user",
        "status": "completed",
        "id": first["id"],
        "content": [{"type": "input_text", "text": "hi"}],
    }
    assert second["content"] == long["content"]
    assert (added["object"], added["has_more"], added["first_id"], added["last_id"]) == (
        "list",
        False,
        first["id"],
        second["id"],
    )
    path = f"/openai/v1/conversations/{talk.id}/items"
    assert [one["id"] for one in talk("GET", path)["data"]] == [second["id"], first["id"]]  # newest first
    assert talk("GET", f"{path}/{first['id']}") == first
    assert talk("DELETE", f"{path}/{second['id']}")["id"] == talk.id  # the conversation, not the item
    assert error(talk, "GET", f"{path}/{second['id']}", expect=404)["code"] == "not_found"
    assert talk.items() == [first]


def test_ids_are_the_services_to_give(talk):
    [stored] = talk.add({**MESSAGE, "id": "msg_mine"})["data"]
    assert stored["id"] != "msg_mine"


@pytest.mark.parametrize(
    "item",
    [
        {"role": "user", "content": "without type"},
        {"type": "nonsense"},
        {"type": "message", "role": "user"},
        {"type": "message", "role": "robot", "content": "hi"},
        {"type": "function_call_output", "call_id": "x"},
        {"type": "mcp_approval_response", "approval_request_id": "x"},
        "text",
    ],
)
def test_items_that_are_none_are_an_invalid_payload(talk, item):
    for refused in (
        talk.add(item, expect=400),
        talk("POST", "/openai/v1/conversations", {"items": [item]}, expect=400),
    ):
        found = refused["error"]
        assert (found["code"], found["param"]) == ("invalid_payload", "/")
        assert found["message"] == "The provided data does not match the expected schema"
    assert talk.items() == []


def test_twenty_items_and_sixteen_pairs_are_the_most(talk):
    assert len(talk.add(*[MESSAGE] * 20)["data"]) == 20
    assert "maximum length 20" in talk.add(*[MESSAGE] * 21, expect=400)["error"]["message"]
    assert talk.add(expect=400)["error"]["code"] == "invalid_payload"
    pairs = {str(n): "x" for n in range(17)}
    for path, body in (
        ("/openai/v1/conversations", {}),
        ("/openai/v1/responses", {"agent_reference": REFERENCE, "input": "hi"}),
    ):
        assert error(talk, "POST", path, {**body, "metadata": pairs})["param"] == "metadata"


def test_items_by_type_and_in_pages(talk):
    talk.asked("tool")
    assert [one["type"] for one in talk.items(item_type="function_call")] == ["function_call"]
    for _ in range(25):
        talk.add(MESSAGE)
    path = f"/openai/v1/conversations/{talk.id}/items"
    page = talk("GET", path)
    assert (len(page["data"]), page["has_more"], page["last_id"]) == (20, True, page["data"][-1]["id"])
    assert len(talk("GET", path, after=page["last_id"])["data"]) == 7


# --- responses --------------------------------------------------------------------------------------------------------


def test_a_background_response_from_queued_to_completed(talk):
    talk.say()
    queued = talk.respond("history:1", metadata={"op": "1"}, store=True)
    assert (queued["status"], queued["output"], queued["background"]) == ("queued", [], True)
    assert not {"usage", "completed_at"} & set(queued)
    working = talk.after(1, queued)
    assert (working["status"], working["output"]) == ("in_progress", [])
    done = talk.after(1, queued)
    assert (done["status"], done["error"], done["incomplete_details"]) == ("completed", None, None)
    assert done["conversation"] == {"id": talk.id}
    assert done["agent_reference"] == {"type": "agent_reference", "name": "history", "version": "1"}
    assert (done["metadata"], done["model"], done["completed_at"]) == ({"op": "1"}, "gpt-4o", 1_700_000_002)
    usage = done["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
    assert usage["input_tokens_details"] == {"cached_tokens": 0}
    [message] = done["output"]
    assert (message["response_id"], message["role"], message["status"]) == (done["id"], "assistant", "completed")
    assert message["agent_reference"] == done["agent_reference"]
    assert "Rayleigh" in text_in(done)


def test_a_list_says_its_usage_otherwise(talk):
    talk.say()
    response = talk.respond("instant")
    [listed] = talk("GET", "/openai/v1/responses", conversation_id=talk.id)["data"]
    assert (listed["id"], listed["output"]) == (response["id"], response["output"])
    assert listed["usage"]["input_tokens_details"] is None
    assert listed["usage"]["input_token_details"] == {"cached_tokens": 0}


def test_ids_share_the_key_of_their_conversation_and_hold_a_time(talk):
    talk.say()
    response = talk.respond("instant")
    shape = re.compile(r"[a-z]+_([0-9a-f]{16}00)([0-9a-f]{8})\w+")
    found = [shape.fullmatch(one) for one in (talk.id, response["id"], *(item["id"] for item in talk.items()))]
    assert len({one[1] for one in found}) == 1
    assert {int(one[2], 16) for one in found} == {1_700_000_000}
    alone = talk.respond("instant", conversation=None, input="hi")
    assert shape.fullmatch(alone["id"])[1] != found[0][1]
    assert "conversation" not in alone


@pytest.mark.parametrize(("agent", "prefix"), [("instant", "resp"), ("workflow", "wfresp"), ("hosted", "caresp")])
def test_kinds_have_ids_of_their_own(talk, agent, prefix):
    talk.say()
    assert talk.respond(agent)["id"].startswith(f"{prefix}_")


def test_items_of_a_response_have_an_author_in_the_conversation_and_others_have_none(talk):
    talk.say()
    response = talk.respond("instant")
    question, answer = talk.items()
    assert not {"created_by", "partition_key", "response_id"} & set(question)
    assert answer["created_by"] == {
        "response_id": response["id"],
        "agent": {"type": "agent_id", "name": "instant", "version": "1"},
    }
    assert answer["id"] == response["output"][0]["id"]
    assert answer["partition_key"] in response["id"]
    assert "response_id" not in answer


def test_input_may_be_a_text_a_list_or_absent_with_a_conversation(talk):
    inputs = ("one", [{"role": "user", "content": "two"}], [MESSAGE])
    texts = [text_in(talk.respond("instant", input=one)) for one in inputs]
    assert [re.search(r'You wrote: "(.*?)"', one)[1] for one in texts] == ["one", "two", "hi"]
    talk.say("three")
    assert '"three"' in text_in(talk.respond("instant"))
    assert len([one for one in talk.items() if one["type"] == "message" and one["role"] == "user"]) == 4
    assert talk.respond("instant", conversation=None, expect=400)["error"]["param"] == "input"


def test_the_conversation_is_a_text_or_an_object(talk):
    talk.say()
    assert talk.respond("instant", conversation={"id": talk.id})["conversation"] == {"id": talk.id}


@pytest.mark.parametrize("field", ["temperature", "tools", "tool_choice", "text", "model", "instructions"])
def test_what_is_the_agents_to_say_is_refused(talk, field):
    refused = talk.respond(**{field: 1}, top_p=0.5, expect=400)["error"]
    assert (refused["code"], refused["message"]) == ("invalid_payload", "Not allowed when agent is specified.")
    assert {one["param"] for one in refused["details"]} == {field, "top_p"}
    assert refused["param"] == refused["details"][0]["param"]
    assert talk.listed() == []


def test_bodies_that_are_refused(talk):
    old = {"conversation": talk.id, "agent": REFERENCE}
    assert error(talk, "POST", "/openai/v1/responses", old)["message"] == (
        "The 'agent' property is deprecated. Use 'agent_reference' instead."
    )
    assert error(talk, "POST", "/openai/v1/responses", {"input": "hi", "model": "gpt-4o"}, expect=501)
    assert talk.respond(stream=True, expect=501)
    assert talk.respond("gone", expect=404)["error"]["message"] == "Agent gone doesn't exist"
    assert talk.respond("history:9", expect=404)["error"]["code"] == "not_found"
    assert talk.respond(store=False, expect=400)["error"]["param"] == "background"
    assert talk.respond(previous_response_id="resp_x", expect=400)["error"]["code"] == "mutually_exclusive_parameters"
    assert talk.respond(nonsense=1, expect=400)["error"]["param"] == "nonsense"


def test_structured_inputs_fill_the_instructions():
    agent = Agent(name="mine", instructions="Speak {{language}} to {{ name }}, {{other}}.")
    talk = Talk(agent)
    talk.say()
    shown = talk.respond("mine", structured_inputs={"language": "Greek", "name": "Ada"})
    assert shown["instructions"] == "Speak Greek to Ada, {{other}}."
    assert talk("GET", "/agents/mine")["versions"]["latest"]["definition"]["instructions"] == agent.instructions


def test_unknown_responses_are_404_with_a_code_of_null(talk):
    for method, tail in (("GET", ""), ("DELETE", ""), ("POST", "/cancel")):
        refused = error(talk, method, f"/openai/v1/responses/resp_x{tail}", expect=404)
        assert refused == {
            "message": "Response with id 'resp_x' not found.",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        }


def test_lists_of_responses_newest_first_by_conversation_and_agent(talk):
    talk.say()
    first = talk.respond("instant")["id"]
    talk.clock.advance(1)
    second = talk.respond("rich")["id"]
    other = talk("POST", "/openai/v1/conversations", {"items": [MESSAGE]})["id"]
    elsewhere = talk.respond("instant", conversation=other)["id"]
    assert talk.listed() == [second, first]
    assert talk.listed(agent_name="instant") == [first]
    assert talk.listed(agent_id="rich:1") == [second]
    assert talk.listed(agent_id="rich:2") == []
    assert talk.listed(limit="1") == [second]
    assert talk.listed(after=second) == [first]
    everywhere = talk("GET", "/openai/v1/responses")["data"]
    assert {one["id"] for one in everywhere} == {first, second, elsewhere}


def test_a_deleted_response_is_gone_from_lists_and_its_items_stay(talk):
    talk.say()
    response = talk.respond("instant")
    path = f"/openai/v1/responses/{response['id']}"
    assert talk("DELETE", path) == {"id": response["id"], "object": "response.deleted", "deleted": True}
    assert talk.listed() == []
    assert talk("GET", path, expect=404)
    assert [one["type"] for one in talk.items()] == ["message", "message"]


def test_what_is_not_stored_cannot_be_found(talk):
    talk.say()
    response = talk.respond("instant", background=False, store=False)
    assert response["status"] == "completed"
    assert talk.get(response, expect=404)
    assert talk.listed() == []


def test_cancel_is_immediate_and_can_be_repeated(talk):
    talk.say()
    response = talk.respond("forever")
    path = f"/openai/v1/responses/{response['id']}/cancel"
    cancelled = talk("POST", path)
    assert (cancelled["status"], cancelled["output"]) == ("cancelled", [])
    assert "completed_at" not in cancelled
    assert talk("POST", path)["status"] == talk.get(response)["status"] == "cancelled"
    assert len(talk.items()) == 1


def test_a_response_can_be_completed_after_its_cancel(talk):
    talk.say()
    response = talk.respond("completesAnyway")
    assert talk("POST", f"/openai/v1/responses/{response['id']}/cancel")["status"] == "cancelled"
    done = talk.after(1, response)
    assert done["status"] == "completed"
    assert "Rayleigh" in text_in(done)


def test_a_chain_without_a_conversation(talk):
    first = talk.respond("instant", conversation=None, input="one")
    second = talk.respond("instant", conversation=None, previous_response_id=first["id"], input="two")
    assert second["previous_response_id"] == first["id"]
    assert "2 user messages" in text_in(second)
    asking = talk.after(10, talk.respond("tool", conversation=None, input="weather?"))
    [call] = asking["output"]
    going_on = talk.respond("tool", conversation=None, previous_response_id=asking["id"], input=[output(call)])
    assert text_in(talk.after(5, going_on)) == "The tools said: rain"
    talk("DELETE", f"/openai/v1/responses/{first['id']}")
    assert talk.respond(conversation=None, previous_response_id=second["id"], input="hi", expect=400)
    lost = talk.respond("tool", conversation=None, previous_response_id="resp_x", input="hi", expect=400)["error"]
    assert (lost["code"], lost["param"]) == ("previous_response_not_found", "previous_response_id")


def test_a_synchronous_response_is_held_until_it_has_ended(talk):
    talk.say()
    body = {"conversation": talk.id, "agent_reference": REFERENCE}
    reply = talk.reply("POST", "/openai/v1/responses", body)
    assert reply.held() is None
    path = f"/openai/v1/responses/{reply.response_id}"
    assert error(talk, "POST", f"{path}/cancel")["message"] == "Cannot cancel a synchronous response."
    talk.clock.advance(2)
    done = reply.held()
    assert (done.status, done.body["status"], done.body["background"]) == (200, "completed", False)
    assert done.body == talk("GET", path)


def test_a_workflow_has_no_model_no_usage_and_perhaps_no_text(talk):
    talk.say()
    done = talk.after(5, talk.respond("silentWorkflow"))
    assert (done["status"], done["model"], done["usage"]["total_tokens"]) == ("completed", "", 0)
    assert done["created_at"] == done["completed_at"]
    assert {one["type"] for one in done["output"]} == {"workflow_action"}
    assert done["output"][1]["previous_action_id"] == done["output"][0]["action_id"]
    assert text_in(done) == ""
    assert text_in(talk.after(5, talk.respond("workflow")))


def test_a_filtered_answer_is_incomplete_and_says_so(talk):
    talk.say()
    done = talk.after(5, talk.respond("contentFilter"))
    assert (done["status"], done["incomplete_details"]) == ("incomplete", {"reason": "content_filter"})
    assert [one["blocked"] for one in done["content_filters"]] == [True]
    short = talk.after(5, talk.respond("incomplete"))
    assert short["incomplete_details"] == {"reason": "max_output_tokens"}
    assert text_in(short) == "The sky is blue because"
    assert [one["blocked"] for one in short["content_filters"]] == [False]


def test_a_failure_is_in_the_response(talk):
    talk.say()
    done = talk.after(5, talk.respond("fails"))
    assert (done["status"], done["output"], done["usage"]) == ("failed", [], None)
    assert done["error"] == {"code": "server_error", "message": "Sorry, something went wrong."}


def test_an_expiry_is_a_failure_here():
    talk = Talk(Agent(name="mine", script=Script(phases=(), end=End(status="expired"))))
    talk.say()
    assert talk.respond("mine")["error"]["code"] == "server_error"


# --- whatever is sent -------------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [
    "items", "metadata", "agent_reference", "conversation", "input", "background", "store", "definition", "name",
    "previous_response_id", "structured_inputs", "temperature", "agent",
]  # fmt: skip
items = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "function_call_output", "function_call", "mcp_approval_response"])},
    optional=dict.fromkeys(("role", "content", "call_id", "output", "approval_request_id", "approve"), json_values),
)
fields = st.dictionaries(st.sampled_from(FIELDS), json_values | st.lists(items, max_size=3), max_size=6)


@settings(max_examples=300, deadline=None)
@given(
    route=st.sampled_from(ROUTES),
    body=json_values | fields | fields.map(lambda one: {"agent_reference": REFERENCE, **one}),
    query=st.dictionaries(
        st.sampled_from(["limit", "order", "after", "before", "kind", "conversation_id", "agent_name", "item_type"]),
        st.text(string.printable, max_size=8),
    ),
)
def test_no_request_makes_a_server_error(route, body, query):
    talk = Talk()
    [call] = talk.asked("tool")
    path = route.path.pattern
    for name, value in (
        ("agent", "history"),
        ("version", "1"),
        ("conversation", talk.id),
        ("item", call["id"]),
        ("response", talk.listed()[0]),
    ):
        path = path.replace(f"(?P<{name}>[^/]+)", value)
    reply = talk.reply(route.method, path, body, **query)
    assert reply.status < 500 or reply.status == 501
    msgspec.json.encode(reply.body)
