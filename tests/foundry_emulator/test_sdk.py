"""The official SDK drives the emulator: so the emulator is honest."""

import time

import pytest
from azure.ai.agents import models
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError

from local.foundry_emulator import Agent, Agents, FoundryEmulator, ManualClock
from local.foundry_emulator.scripts import Phase, Script
from tests.foundry_emulator.conftest import SPEED, sdk_client

POLL = 0.02


def wait_for(sdk, run, *statuses, seconds=5):
    """Poll by hand, as a client without `create_and_process` does."""
    until = time.monotonic() + seconds
    while run.status not in statuses:
        assert time.monotonic() < until, f"still {run.status}"
        time.sleep(POLL)
        run = sdk.runs.get(run.thread_id, run.id)
    return run


def texts(sdk, thread_id, **filters):
    return [part.text.value for message in sdk.messages.list(thread_id, **filters) for part in message.text_messages]


def test_create_agent_thread_message_run_and_list(sdk, emulator):
    agent = sdk.create_agent(model="gpt-4o", name="joker", instructions="Tell jokes.", metadata={"team": "a"})
    thread = sdk.threads.create(metadata={"op": "1"})
    message = sdk.messages.create(thread.id, role="user", content="Tell me a joke", metadata={"op": "1:m"})
    run = sdk.runs.create_and_process(
        thread_id=thread.id, agent_id=agent.id, polling_interval=POLL, metadata={"op": "1:r"}
    )
    assert run.status == models.RunStatus.COMPLETED
    assert (run.agent_id, run.thread_id, run.model, run.instructions) == (
        agent.id,
        thread.id,
        "gpt-4o",
        "Tell jokes.",
    )
    assert run.usage.total_tokens == run.usage.prompt_tokens + run.usage.completion_tokens
    assert run.expires_at is None
    assert run.created_at <= run.started_at <= run.completed_at
    answer, question = sdk.messages.list(thread.id)
    assert question.id == message.id
    assert question.metadata == {"op": "1:m"}
    assert (answer.role, answer.run_id, answer.agent_id) == (models.MessageRole.AGENT, run.id, agent.id)
    assert "photon" in answer.text_messages[0].text.value
    for kind, identifier in (("asst", agent.id), ("thread", thread.id), ("msg", message.id), ("run", run.id)):
        prefix, _, rest = identifier.partition("_")
        assert prefix == kind
        assert len(rest) == 24
        assert rest.isalnum()
    assert emulator.ledger().user_messages == 1


def test_poll_by_hand_sees_every_status_in_order():
    clock = ManualClock()
    with FoundryEmulator(clock=clock) as emulator, sdk_client(emulator) as sdk:
        thread = sdk.threads.create()
        sdk.messages.create(thread.id, role="user", content="hi")
        run = sdk.runs.create(thread_id=thread.id, agent_id=Agents.HISTORY)
        assert (run.expires_at - run.created_at).total_seconds() == 600
        assert run.started_at is None
        seen = [run.status]
        for _ in range(8):
            clock.advance(0.4)
            run = sdk.runs.get(thread.id, run.id)
            seen.append(run.status)
        assert seen == ["queued"] * 2 + ["in_progress"] * 3 + ["completed"] * 4
        assert run.expires_at is None
        assert (run.completed_at - run.created_at).total_seconds() == 2


def test_a_second_run_knows_the_first(sdk):
    thread = sdk.threads.create()
    for question in ("Why is the sky blue?", "And why are sunsets red?"):
        sdk.messages.create(thread.id, role="user", content=question)
        run = sdk.runs.create_and_process(thread_id=thread.id, agent_id=Agents.HISTORY, polling_interval=POLL)
    [answer] = texts(sdk, thread.id, run_id=run.id)
    assert "2 user messages" in answer
    assert '"Why is the sky blue?"' in answer
    assert "sunset" in answer


def test_create_thread_and_process_run(sdk):
    run = sdk.create_thread_and_process_run(
        agent_id=Agents.HISTORY,
        thread=models.AgentThreadCreationOptions(
            messages=[models.ThreadMessageOptions(role="user", content="Why is the sky blue?")]
        ),
        polling_interval=POLL,
    )
    assert run.status == "completed"
    assert "Rayleigh" in texts(sdk, run.thread_id, run_id=run.id)[0]


def test_additional_messages_go_into_the_thread_with_the_run(sdk, emulator):
    thread = sdk.threads.create()
    run = sdk.runs.create_and_process(
        thread_id=thread.id,
        agent_id=Agents.HISTORY,
        additional_messages=[models.ThreadMessageOptions(role="user", content="Why is the sky blue?")],
        additional_instructions="Be kind.",
        temperature=0.5,
        max_completion_tokens=1000,
        include=["step_details.tool_calls[*].file_search.results[*].content"],
        polling_interval=POLL,
    )
    assert run.instructions.endswith("Be kind.")
    assert (run.temperature, run.max_completion_tokens) == (0.5, 1000)
    assert emulator.ledger().threads[thread.id]["user_messages"] == 1


def test_cancel(sdk):
    thread = sdk.threads.create()
    sdk.messages.create(thread.id, role="user", content="hi")
    run = sdk.runs.create(thread_id=thread.id, agent_id=Agents.SLOW_CANCEL)
    cancelled = sdk.runs.cancel(thread.id, run.id)
    assert cancelled.status == "cancelling"
    with pytest.raises(HttpResponseError, match=f"Can't add messages to {thread.id} while a run {run.id}"):
        sdk.messages.create(thread.id, role="user", content="too early")
    run = wait_for(sdk, run, "cancelled")
    assert run.cancelled_at is not None
    with pytest.raises(HttpResponseError, match="Cannot cancel run with status 'cancelled'"):
        sdk.runs.cancel(thread.id, run.id)
    sdk.messages.create(thread.id, role="user", content="now it is free")


def test_tool_outputs_by_hand_in_two_rounds(sdk):
    thread = sdk.threads.create()
    run = sdk.runs.create(thread_id=thread.id, agent_id=Agents.TWO_TOOL_ROUNDS)
    run = wait_for(sdk, run, "requires_action")
    action = run.required_action
    assert isinstance(action, models.SubmitToolOutputsAction)
    calls = action.submit_tool_outputs.tool_calls
    assert [call.function.name for call in calls] == ["get_weather", "get_time"]
    with pytest.raises(HttpResponseError, match="Expected tool outputs for call_ids"):
        sdk.runs.submit_tool_outputs(
            thread.id, run.id, tool_outputs=[models.ToolOutput(tool_call_id=calls[0].id, output="rain")]
        )
    run = sdk.runs.submit_tool_outputs(
        thread.id,
        run.id,
        tool_outputs=[
            models.ToolOutput(tool_call_id=call.id, output=text)
            for call, text in zip(calls, ("rain", "noon"), strict=True)
        ],
    )
    assert run.status == "queued"
    with pytest.raises(HttpResponseError, match=r'Runs in status "(queued|in_progress)" do not accept'):
        sdk.runs.submit_tool_outputs(
            thread.id, run.id, tool_outputs=[models.ToolOutput(tool_call_id=calls[0].id, output="again")]
        )
    run = wait_for(sdk, run, "requires_action")
    [call] = run.required_action.submit_tool_outputs.tool_calls
    assert call.function.name == "book_table"
    assert call.id not in {one.id for one in calls}
    sdk.runs.submit_tool_outputs(
        thread.id, run.id, tool_outputs=[models.ToolOutput(tool_call_id=call.id, output="booked")]
    )
    run = wait_for(sdk, run, "completed")
    answer, remark = texts(sdk, thread.id, run_id=run.id)
    assert answer == "The tools said: rain; noon; booked"
    assert "let me book" in remark
    steps = list(sdk.run_steps.list(thread.id, run.id, order="asc"))
    assert [step.type for step in steps] == [
        "tool_calls",
        "message_creation",
        "tool_calls",
        "message_creation",
    ]
    assert all(step.status == "completed" for step in steps)
    assert steps[0].step_details.tool_calls[1].function["output"] == "noon"
    assert sdk.run_steps.get(thread.id, run.id, steps[2].id).id == steps[2].id


def test_the_sdk_calls_our_functions(sdk):
    def get_weather(city: str) -> str:
        """Tell the weather.

        :param city: where
        """
        return f"snow in {city}"

    functions = models.FunctionTool({get_weather})
    sdk.enable_auto_function_calls({get_weather})
    agent = sdk.create_agent(
        model="gpt-4o",
        name="weatherman",
        tools=functions.definitions,
        metadata={"emulator_script": "tool"},
    )
    thread = sdk.threads.create()
    run = sdk.runs.create_and_process(thread_id=thread.id, agent_id=agent.id, polling_interval=POLL)
    assert run.status == "completed"
    assert texts(sdk, thread.id, run_id=run.id) == ["The tools said: snow in Oslo"]


def test_an_approval_arrives_as_an_action_this_sdk_does_not_know(sdk):
    thread = sdk.threads.create()
    run = sdk.runs.create(thread_id=thread.id, agent_id=Agents.MCP_APPROVAL)
    run = wait_for(sdk, run, "requires_action")
    assert not isinstance(run.required_action, models.SubmitToolOutputsAction)
    [call] = run.required_action["submit_tool_approval"]["tool_calls"]
    assert (call["type"], call["server_label"], call["name"]) == ("mcp", "github", "search_issues")
    sdk.runs.submit_tool_outputs(thread.id, run.id, {"tool_approvals": [{"tool_call_id": call["id"], "approve": True}]})
    wait_for(sdk, run, "completed")
    assert texts(sdk, thread.id, run_id=run.id) == ["The tools said: approved"]


def test_all_pages_of_agents():
    with (
        FoundryEmulator(clock_speed=SPEED, filler_agents=45) as emulator,
        sdk_client(emulator) as sdk,
    ):
        agents = list(sdk.list_agents())
        assert len({agent.id for agent in agents}) == len(agents) == 45 + len(Agents)
        requests = [entry.query for entry in emulator.ledger().of("list_agents")]
        assert len(requests) == -(-len(agents) // 20) + 1  # the SDK asks until a page is empty
        assert next(iter(sdk.list_agents(limit=100, order="asc"))).name == "history"


def test_messages_are_paged_both_ways(sdk):
    thread = sdk.threads.create()
    for number in range(7):
        sdk.messages.create(thread.id, role="user", content=str(number))
    assert texts(sdk, thread.id, limit=2) == list("6543210")
    assert texts(sdk, thread.id, limit=3, order="asc") == list("0123456")


def test_the_sdk_accepts_each_api_version(emulator):
    for version in ("v1", "2025-05-01", "2025-05-15-preview"):
        with sdk_client(emulator, api_version=version) as sdk:
            sdk.threads.create()
    with (
        sdk_client(emulator, api_version="2024-07-01-preview") as sdk,
        pytest.raises(HttpResponseError, match="Unsupported api version '2024-07-01-preview'"),
    ):
        sdk.threads.create()


def test_errors_become_the_sdks_exceptions(emulator):
    with sdk_client(emulator) as sdk:
        with pytest.raises(ResourceNotFoundError, match="No assistant found with id 'asst_gone'"):
            sdk.get_agent("asst_gone")
        thread = sdk.threads.create()
        with pytest.raises(ResourceNotFoundError, match="No assistant found with id 'asst_gone'"):
            sdk.runs.create(thread_id=thread.id, agent_id="asst_gone")
        with pytest.raises(ResourceNotFoundError, match="No thread found with id 'thread_gone'"):
            sdk.messages.create("thread_gone", role="user", content="hi")
        run = sdk.runs.create(thread_id=thread.id, agent_id=Agents.FOREVER)
        with pytest.raises(HttpResponseError, match="already has an active run") as refused:
            sdk.runs.create(thread_id=thread.id, agent_id=Agents.FOREVER)
        assert refused.value.status_code == 400
        assert refused.value.model.error.message == (f"Thread {thread.id} already has an active run {run.id}.")


def test_a_wrong_token_is_an_authentication_error():
    with (
        FoundryEmulator(token="secret") as emulator,
        sdk_client(emulator) as sdk,
        pytest.raises(ClientAuthenticationError),
    ):
        sdk.threads.create()


def test_update_and_delete(sdk):
    agent = sdk.create_agent(model="gpt-4o", name="before")
    assert sdk.update_agent(agent.id, name="after").name == "after"
    sdk.delete_agent(agent.id)
    with pytest.raises(ResourceNotFoundError):
        sdk.get_agent(agent.id)
    thread = sdk.threads.create()
    assert sdk.threads.update(thread.id, metadata={"a": "b"}).metadata == {"a": "b"}
    message = sdk.messages.create(thread.id, role="user", content="hi")
    assert sdk.messages.update(thread.id, message.id, metadata={"c": "d"}).metadata == {"c": "d"}
    assert sdk.messages.get(thread.id, message.id).metadata == {"c": "d"}
    run = sdk.runs.create_and_process(thread_id=thread.id, agent_id=Agents.INSTANT, polling_interval=POLL)
    assert sdk.runs.update(thread.id, run.id, metadata={"e": "f"}).metadata == {"e": "f"}
    assert [one.id for one in sdk.runs.list(thread.id)] == [run.id]
    assert thread.id in {one.id for one in sdk.threads.list()}
    sdk.threads.delete(thread.id)
    with pytest.raises(ResourceNotFoundError):
        sdk.threads.get(thread.id)


def test_files(sdk, tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"a;b\r\n\x00\xff")
    by_path = sdk.files.upload_and_poll(file_path=str(path), purpose=models.FilePurpose.AGENTS)
    by_content = sdk.files.upload(file=b"seen", purpose="vision", filename="seen.png")
    assert (by_path.filename, by_path.bytes, by_path.purpose) == ("table.csv", 7, models.FilePurpose.AGENTS)
    assert b"".join(sdk.files.get_content(by_path.id)) == b"a;b\r\n\x00\xff"
    assert b"".join(sdk.files.get_content(by_content.id)) == b"seen"
    assert sdk.files.get(by_content.id) == by_content
    assert [file.id for file in sdk.files.list(purpose="vision").data] == [by_content.id]
    sdk.files.delete(by_path.id)
    with pytest.raises(ResourceNotFoundError, match=f"No file found with id '{by_path.id}'"):
        sdk.files.get(by_path.id)


def test_steps_of_the_services_tools():
    image = {"type": "image", "image": {"file_id": "assistant-1"}}
    results = [{"file_id": "a", "file_name": "a.txt", "score": 0.9, "content": [{"type": "text", "text": "Blue."}]}]
    calls = (
        {"type": "code_interpreter", "code_interpreter": {"input": "plot()", "outputs": [image]}},
        {"type": "bing_grounding", "bing_grounding": {"requesturl": "https://api.bing.microsoft.com/?q=sky"}},
        {"type": "file_search", "file_search": {"results": results}},
    )
    agent = Agent(name="worker", script=Script(phases=(Phase(seconds=0, does=calls),)))
    with FoundryEmulator(agents=[agent]) as emulator, sdk_client(emulator) as sdk:
        run = sdk.runs.create(thread_id=sdk.threads.create().id, agent_id=agent.id)
        content = models.RunAdditionalFieldList.FILE_SEARCH_CONTENTS
        step, message = sdk.run_steps.list(run.thread_id, run.id, order="asc", include=[content])
        assert isinstance(step.step_details, models.RunStepToolCallDetails)
        python, bing, search = step.step_details.tool_calls
        assert python.code_interpreter.outputs[0].image.file_id == "assistant-1"
        assert bing.bing_grounding["requesturl"].endswith("q=sky")
        assert search.file_search.results[0].content[0].text == "Blue."
        assert message.step_details.message_creation.message_id
        step = sdk.run_steps.get(run.thread_id, run.id, step.id)
        assert step.step_details.tool_calls[2].file_search.results[0].content is None


def test_messages_with_files_and_images(sdk):
    file = sdk.files.upload(file=b"seen", purpose="vision", filename="seen.png")
    tools = models.CodeInterpreterTool(file_ids=[file.id])
    thread = sdk.threads.create(tool_resources=tools.resources)
    assert thread.tool_resources.code_interpreter.file_ids == [file.id]
    message = sdk.messages.create(
        thread.id,
        role="user",
        content=[
            models.MessageInputTextBlock(text="What is this?"),
            models.MessageInputImageFileBlock(image_file=models.MessageImageFileParam(file_id=file.id, detail="low")),
            models.MessageInputImageUrlBlock(image_url=models.MessageImageUrlParam(url="https://example.com/a.png")),
        ],
        attachments=[models.MessageAttachment(file_id=file.id, tools=tools.definitions)],
    )
    assert [part.type for part in message.content] == ["text", "image_file", "image_url"]
    assert message.attachments[0].file_id == file.id
    with pytest.raises(ResourceNotFoundError, match="No file found with id 'assistant-gone'"):
        sdk.messages.create(
            thread.id,
            role="user",
            content="this",
            attachments=[models.MessageAttachment(file_id="assistant-gone", tools=tools.definitions)],
        )


def test_the_answers_of_a_chart_and_its_files(sdk):
    run = sdk.runs.create_and_process(thread_id=sdk.threads.create().id, agent_id=Agents.CHART, polling_interval=POLL)
    question, answer = sdk.messages.list(run.thread_id, run_id=run.id)
    assert question.text_messages[0].text.value == "Shall I add violet?"
    [picture], [link] = answer.image_contents, answer.file_path_annotations
    assert b"".join(sdk.files.get_content(picture.image_file.file_id)).startswith(b"\x89PNG")
    assert b"".join(sdk.files.get_content(link.file_path.file_id)).startswith(b"colour;nm")


def test_a_quota_ends_runs_as_failed():
    clock = ManualClock()
    with FoundryEmulator(clock=clock) as emulator, sdk_client(emulator) as sdk:
        runs = [sdk.create_thread_and_run(agent_id=Agents.BUSY) for _ in range(4)]
        assert [run.status for run in runs] == ["completed"] * 3 + ["queued"]
        clock.advance(1)
        failed = sdk.runs.get(runs[3].thread_id, runs[3].id)
        assert (failed.status, failed.last_error.code) == ("failed", "rate_limit_exceeded")
        assert failed.last_error.message == "Rate limit is exceeded. Try again in 6 seconds."
