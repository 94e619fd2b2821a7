"""What a response has made: its messages, files and steps, and whose message it answers."""

import pytest

from contracts.activities import NewMessage
from contracts.runs import Attachment, PostedMessage
from foundry import errors
from local.foundry_emulator.scripts import Agent, Answer, Call, Phase, Script
from tests.second.conftest import HI, LONG, outputs

CALL = Call(name="get_weather", arguments={"city": "Oslo"})
AGENTS = [
    Agent(
        name="speaks",
        script=Script(
            phases=(Phase(says="I look.", calls=(CALL,)), Phase(says="And once more.", calls=(CALL,))),
            answer=Answer(kind="tools"),
        ),
    )
]


def asked_for(world, message_id):
    return PostedMessage(stamp=world.stamp(), message_id=message_id)


def test_text_and_citations_come_as_in_the_first_generation(world):
    run = world.ended(world.thread(), "rich")
    [message] = run.answer.messages
    assert "\u3010" not in message.text
    assert {annotation["type"] for annotation in message.annotations} >= {"url_citation", "file_citation"}
    for annotation in message.annotations:
        if annotation["start_index"] is not None:
            assert 0 <= annotation["start_index"] <= annotation["end_index"] <= len(message.text)


def test_all_messages_are_there_oldest_first_with_the_files_that_were_made(world):
    run = world.ended(thread_id := world.thread(), "chart")
    assert len(run.answer.messages) > 1
    files = [a for message in run.answer.messages for a in message.attachments]
    assert {a.kind for a in files} == {"container_file_citation"}
    assert world.service.get_answer(thread_id, run.run_id) == run.answer
    for attachment in files:
        assert world.service.has_produced(thread_id, run.run_id, attachment.id)
    assert not world.service.has_produced(thread_id, run.run_id, "assistant-other")


def test_a_file_lies_in_a_container_and_is_not_fetched(world):
    with pytest.raises(errors.OutOfReachError, match="container_id"):
        world.service.get_file("cfile_1", 1000)
    assert world.emulator.ledger().requests == []


def test_a_refusal_is_an_answer(world):
    [message] = world.ended(world.thread(), "refuses").answer.messages
    assert message.refusal
    assert message.text == "I'm sorry, I can't help with that."


def test_an_image_is_an_answer(world):
    [message] = world.ended(world.thread(), "imageOnly").answer.messages
    assert [type(a) for a in message.attachments] == [Attachment]
    assert message.text == ""


def test_an_incomplete_answer_can_be_had(world):
    thread_id = world.thread()
    run = world.ended(thread_id, "incomplete")
    assert world.service.get_answer(thread_id, run.run_id).text


def test_a_foreign_message_between_ours_and_the_answer_is_told(world):
    thread_id = world.thread()
    world.ended(thread_id, operation="earlier")
    ours = world.service.create_message(thread_id, HI, world.stamp())
    world.clock.advance(1)
    world.service.create_message(thread_id, NewMessage(content="and I?"), world.stamp(instance="i-2"))
    run = world.ended(thread_id)
    assert world.service.get_answer(thread_id, run.run_id, asked_for(world, ours)).of_another_message
    assert not world.service.get_answer(thread_id, run.run_id, asked_for(world, None)).of_another_message
    assert world.count("list_items") == 1  # only where there is a message to look for


@pytest.mark.parametrize("later", [True, False])
def test_messages_elsewhere_are_no_matter(world, later):
    thread_id = world.thread()
    world.ended(thread_id, operation="earlier")
    if not later:
        world.service.create_message(thread_id, NewMessage(content="before"), world.stamp(instance="i-2"))
        world.clock.advance(1)
    ours = world.service.create_message(thread_id, HI, world.stamp())
    run = world.ended(thread_id)
    if later:
        world.clock.advance(1)
        world.service.create_message(thread_id, NewMessage(content="after"), world.stamp(instance="i-2"))
    answer = world.service.get_answer(thread_id, run.run_id, asked_for(world, ours))
    assert answer.found
    assert not answer.of_another_message


def test_rounds_of_tools_are_no_messages_between(world):
    thread_id = world.thread()
    world.ended(thread_id, operation="earlier")
    ours = world.service.create_message(thread_id, HI, world.stamp())
    run = world.ended(thread_id, "tool")
    answered = world.answer(thread_id, run, outputs(run))
    world.clock.advance(LONG)
    answer = world.service.get_answer(thread_id, answered.run_id, asked_for(world, ours))
    assert answer.found
    assert not answer.of_another_message


# --- steps ------------------------------------------------------------------------------------------------------------


def test_steps_are_the_items_of_the_output(world):
    thread_id = world.thread()
    run = world.ended(thread_id, "searches")
    found = world.service.list_steps(thread_id, run.run_id)
    assert found.run_id == run.run_id
    assert not found.truncated
    kinds = [step.type for step in found.steps]
    assert kinds[-1] == "message"
    assert found.steps[-1].message_id == run.answer.messages[0].id
    [bing] = [call for step in found.steps for call in step.tool_calls if call.type == "bing_grounding"]
    assert bing.query_url.startswith("https://www.bing.com/search?q=")
    assert {step.status for step in found.steps} == {"completed"}


def test_a_call_is_a_step_without_what_was_said_to_it(world):
    thread_id = world.thread()
    run = world.ended(thread_id, "mcpApproval")
    [step] = world.service.list_steps(thread_id, run.run_id).steps
    [call] = step.tool_calls
    assert (call.type, call.name, call.server_label) == ("mcp_approval_request", "search_issues", "github")
    assert "sky" not in str(step)


def test_a_running_response_has_no_steps_yet(world):
    thread_id = world.thread()
    run = world.run(thread_id)
    assert world.service.list_steps(thread_id, run.run_id).steps == []


def two_rounds(world, thread_id):
    """Let an agent speak and call twice; return its three responses."""
    runs = [world.ended(thread_id, "speaks")]
    for number in range(2):
        answered = world.answer(thread_id, runs[-1], outputs(runs[-1]), f"e-1:answer-{number}", agent="speaks")
        world.clock.advance(LONG)
        runs.append(world.service.get_run(thread_id, answered.run_id))
    return runs


def kinds_of(steps):
    return [[call.name for call in step.tool_calls] or step.type for step in steps.steps]


def test_the_steps_of_a_run_are_those_of_all_its_responses(world):
    thread_id = world.thread()
    world.ended(thread_id, "searches", operation="e-0:run-0")  # another execution's
    asked = world.ended(thread_id, "tool", operation="e-1:run-0")
    other = world.answer(thread_id, asked, outputs(asked), "close:x")  # what closes calls is none of the run's
    world.clock.advance(LONG)
    first = world.ended(thread_id, "tool", operation="e-1:run-1")
    last = world.answer(thread_id, first, outputs(first), "e-1:answer-1")
    world.clock.advance(LONG)
    found = world.service.list_steps(thread_id, last.run_id)
    assert found.run_id == last.run_id
    assert kinds_of(found) == [["get_weather"], ["get_weather"], "message"]
    assert other.run_id not in str(found)


def test_where_no_stamps_show_the_steps_are_those_of_the_last_response(world):
    world.emulator.set_unknowns(response_metadata_get="empty", response_metadata_list="empty")
    thread_id = world.thread()
    run = world.ended(thread_id, "tool", operation="e-1:run-0")
    last = world.answer(thread_id, run, outputs(run), "e-1:answer-0")
    world.clock.advance(LONG)
    assert kinds_of(world.service.list_steps(thread_id, last.run_id)) == ["message"]


@pytest.mark.parametrize("listed", [True, False])
def test_what_was_written_before_a_call_belongs_to_the_answer(world, listed):
    world.emulator.set_unknowns(list_lag=0.0 if listed else 1000.0)
    thread_id = world.thread()
    asked, again, last = two_rounds(world, thread_id)
    earlier = (asked.run_id, again.run_id)
    answer = world.service.get_answer(thread_id, last.run_id, None, earlier)
    assert [message.text for message in answer.messages] == ["I look.", "And once more.", "The tools said: 42; 42"]
    assert answer.text == last.answer.text


def test_what_was_deleted_meanwhile_is_left_out_of_the_answer(world):
    thread_id = world.thread()
    asked, again, last = two_rounds(world, thread_id)
    world.service._transport.delete(f"/openai/v1/responses/{asked.run_id}")
    answer = world.service.get_answer(thread_id, last.run_id, None, (asked.run_id, again.run_id))
    assert [message.text for message in answer.messages] == ["And once more.", "The tools said: 42; 42"]


def test_files_of_earlier_responses_are_the_runs(world):
    thread_id = world.thread()
    drawn = world.ended(thread_id, "chart", operation="e-1:run-0")
    last = world.ended(thread_id, operation="e-1:run-1")
    [file, *_] = [a.id for message in drawn.answer.messages for a in message.attachments]
    assert world.service.has_produced(thread_id, last.run_id, file)
