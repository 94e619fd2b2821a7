"""The official clients of the second generation drive the emulator: so the emulator is honest."""

import threading
import time
from contextlib import contextmanager

import openai
import pytest
from azure.ai.projects import AIProjectClient, models
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from local.foundry_emulator import FoundryEmulator, ManualClock
from tests.foundry_emulator.conftest import AllowHttp, FakeCredential

ENDED = {"completed", "failed", "cancelled", "incomplete"}


@contextmanager
def clients(emulator):
    with (
        AIProjectClient(emulator.endpoint, FakeCredential(), per_call_policies=[AllowHttp()], retry_total=0) as project,
        project.get_openai_client(max_retries=0) as client,
    ):
        yield project, client


@pytest.fixture
def project(emulator):
    with clients(emulator) as (project, _):
        yield project


@pytest.fixture
def client(emulator):
    with clients(emulator) as (_, client):
        yield client


def agent(name, **fields):
    return {"agent_reference": {"type": "agent_reference", "name": name, **fields}}


def ended(client, response):
    """Poll, as clients do."""
    until = time.monotonic() + 10
    while response.status not in ENDED:
        assert time.monotonic() < until, f"still {response.status}"
        response = client.responses.retrieve(response.id)
    return response


def ask(client, name, text="Why is the sky blue?"):
    conversation = client.conversations.create(
        items=[{"type": "message", "role": "user", "content": text}], metadata={"op": "1"}
    )
    return conversation, respond(client, conversation, name)


def respond(client, conversation, name, **fields):
    body = {"conversation": conversation.id, "background": True, "store": True, **fields}
    return ended(client, client.responses.create(**body, extra_body=agent(name)))


def test_a_background_response_to_its_end(client, emulator):
    conversation, response = ask(client, "history")
    assert (response.status, response.conversation.id) == ("completed", conversation.id)
    assert "Rayleigh" in response.output_text
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    assert client.conversations.retrieve(conversation.id).metadata == {"op": "1"}
    assert emulator.ledger().user_messages == 1
    assert [one["status"] for one in emulator.ledger().responses] == ["completed"]


def test_a_synchronous_response(client):
    response = client.responses.create(input="Why is the sky blue?", extra_body=agent("history"))
    assert response.status == "completed"
    assert "Rayleigh" in response.output_text


def test_a_round_of_tools(client):
    conversation, asking = ask(client, "twoToolRounds")
    calls = [one for one in asking.output if one.type == "function_call"]
    assert [one.name for one in calls] == ["get_weather", "get_time"]
    outputs = [{"type": "function_call_output", "call_id": one.call_id, "output": one.name} for one in calls]
    asking = respond(client, conversation, "twoToolRounds", input=outputs)
    [call] = [one for one in asking.output if one.type == "function_call"]
    client.conversations.items.create(
        conversation.id, items=[{"type": "function_call_output", "call_id": call.call_id, "output": "booked"}]
    )
    done = respond(client, conversation, "twoToolRounds")
    assert done.output_text == "The tools said: get_weather; get_time; booked"


def test_an_approval(client):
    conversation, asking = ask(client, "mcpApproval")
    [asked] = [one for one in asking.output if one.type == "mcp_approval_request"]
    answer = {"type": "mcp_approval_response", "approval_request_id": asked.id, "approve": True}
    done = respond(client, conversation, "mcpApproval", input=[answer])
    assert done.output_text == "The tools said: approved"


def test_items_of_a_conversation(client):
    conversation, response = ask(client, "instant")
    answer, question = client.conversations.items.list(conversation.id)
    assert (question.role, question.content[0].text) == ("user", "Why is the sky blue?")
    assert (answer.role, answer.content[0].text) == ("assistant", response.output_text)
    assert answer.created_by["response_id"] == response.id
    assert client.conversations.items.retrieve(question.id, conversation_id=conversation.id) == question
    assert client.conversations.items.delete(question.id, conversation_id=conversation.id).id == conversation.id
    assert [one.id for one in client.conversations.items.list(conversation.id)] == [answer.id]
    many = [{"type": "message", "role": "user", "content": str(n)} for n in range(20)]
    for _ in range(3):
        client.conversations.items.create(conversation.id, items=many)
    assert len(list(client.conversations.items.list(conversation.id, limit=7))) == 61


def test_cancel_and_delete(client):
    conversation = client.conversations.create()
    running = client.responses.create(
        conversation=conversation.id, input="hi", background=True, extra_body=agent("forever")
    )
    assert client.responses.cancel(running.id).status == "cancelled"
    client.responses.delete(running.id)
    with pytest.raises(openai.NotFoundError, match=f"Response with id '{running.id}' not found"):
        client.responses.retrieve(running.id)
    assert client.conversations.delete(conversation.id).deleted
    with pytest.raises(openai.NotFoundError, match="not found"):
        client.conversations.retrieve(conversation.id)


def test_refusals_are_the_exceptions_of_the_client(client, emulator):
    conversation = client.conversations.create()
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(conversation=conversation.id, temperature=0.5, extra_body=agent("history"))
    assert (refused.value.code, refused.value.param) == ("invalid_payload", "temperature")
    with pytest.raises(openai.PermissionDeniedError) as disabled:
        client.responses.create(input="hi", extra_body=agent("disabled"))
    assert disabled.value.code == "AgentDisabled"
    client.responses.create(conversation=conversation.id, input="hi", background=True, extra_body=agent("forever"))
    emulator.set_unknowns(p3="conflict")
    with pytest.raises(openai.ConflictError) as busy:
        client.responses.create(conversation=conversation.id, background=True, extra_body=agent("history"))
    assert busy.value.code == "conversation_locked"


def test_the_gateway_cuts_a_synchronous_response():
    clock = ManualClock()
    with FoundryEmulator(clock=clock) as emulator, clients(emulator) as (_, client):
        failures = []

        def post():
            try:
                client.responses.create(input="hi", extra_body=agent("forever"))
            except openai.APIStatusError as error:
                failures.append((error.status_code, error.code))

        waiting = threading.Thread(target=post)
        waiting.start()
        while not emulator.ledger().responses:  # it has arrived
            assert waiting.is_alive()
        clock.advance(120)
        waiting.join(timeout=10)
        assert failures == [(408, "Timeout")]
        assert [one["status"] for one in emulator.ledger().responses] == ["in_progress"]


def test_agents(project, client):
    names = {one.name for one in project.agents.list(limit=10)}
    assert {"history", "tool", "workflow", "hosted", "disabled"} <= names
    assert [one.name for one in project.agents.list(kind="workflow")] == ["silentWorkflow", "workflow"]
    history = project.agents.get("history")
    assert (history.id, history.state, history.versions.latest.version) == ("history", "enabled", "1")
    assert isinstance(history.versions.latest.definition, models.PromptAgentDefinition)
    made = project.agents.create_version(
        "mine",
        definition=models.PromptAgentDefinition(model="gpt-4o", instructions="Speak {{language}}."),
        metadata={"emulator_script": "instant"},
    )
    second = project.agents.create_version("mine", definition=models.PromptAgentDefinition(model="gpt-5"))
    assert (made.id, second.id) == ("mine:1", "mine:2")
    assert [one.version for one in project.agents.list_versions("mine")] == ["2", "1"]
    assert project.agents.get_version("mine", "1").definition.model == "gpt-4o"
    pinned = client.responses.create(
        input="hi", extra_body={**agent("mine", version="1"), "structured_inputs": {"language": "Greek"}}
    )
    assert (pinned.model, pinned.instructions) == ("gpt-4o", "Speak Greek.")
    assert client.responses.create(input="hi", extra_body=agent("mine")).model == "gpt-5"
    project.agents.disable("mine")
    with pytest.raises(openai.PermissionDeniedError):
        client.responses.create(input="hi", extra_body=agent("mine"))
    project.agents.enable("mine")
    assert project.agents.delete_version("mine", "2").deleted
    assert project.agents.get("mine").versions.latest.version == "1"
    assert project.agents.delete("mine").deleted
    with pytest.raises(ResourceNotFoundError, match="Agent mine doesn't exist"):
        project.agents.get("mine")


def test_a_version_number_is_never_given_twice(project):
    definition = models.PromptAgentDefinition(model="gpt-4o")
    for _ in "ab":
        project.agents.create_version("mine", definition=definition)
    project.agents.delete_version("mine", "2")
    assert project.agents.create_version("mine", definition=definition).version == "3"
    with pytest.raises(HttpResponseError, match="No emulated agent is called 'gone'"):
        project.agents.create_version("mine", definition=definition, metadata={"emulator_script": "gone"})
