"""Answers to tool calls: passed on once, whatever is lost."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.runs import RunState, ToolAnswer, ToolApproval
from foundry import errors
from foundry.second.calls import NOBODY_ANSWERED
from local.foundry_emulator import FoundryEmulator, ManualClock
from local.foundry_emulator.scripts import Agent, Answer, Call, Phase, Script
from tests.second.conftest import LONG, World, outputs, service_at


def until(world, seconds=30.0):
    """Until when there is doubt, so many seconds from now."""
    return datetime.fromtimestamp(world.clock.now(), UTC) + timedelta(seconds=seconds)


def asking(world, agent="tool"):
    thread_id = world.thread()
    return thread_id, world.ended(thread_id, agent)


def given(world, thread_id):
    """How often each call was answered in the conversation."""
    answers = [
        item["call"]
        for item in world.held(thread_id)["items"]
        if item["type"].endswith(("_output", "_approval_response"))
    ]
    return {call: answers.count(call) for call in answers}


def test_an_answer_is_a_new_response_that_goes_on(world):
    thread_id, run = asking(world)
    answered = world.answer(thread_id, run, outputs(run, "sunny"))
    assert answered.run_id != run.run_id
    assert world.responses(thread_id)[1]["continues"] == run.run_id
    assert world.responses(thread_id)[1]["metadata"] == {"tag": "x", **world.stamp("answer-0").as_metadata()}
    world.clock.advance(LONG)
    seen = world.service.get_run(thread_id, answered.run_id)
    assert seen.state is RunState.COMPLETED
    assert "sunny" in seen.answer.text


@pytest.mark.parametrize("unknowns", [{}, {"p8": "at_once"}, {"p12": "appended"}, {"p5": "broken"}, {"p3": "conflict"}])
def test_several_rounds_are_answered_one_after_the_other(world, unknowns):
    world.emulator.set_unknowns(**unknowns)
    thread_id, run = asking(world, "twoToolRounds")
    for number in range(2):
        answered = world.answer(thread_id, run, outputs(run), f"answer-{number}", agent="twoToolRounds")
        world.clock.advance(LONG)
        run = world.service.get_run(thread_id, answered.run_id)
    assert run.state is RunState.COMPLETED
    assert set(given(world, thread_id).values()) == {1}


@pytest.mark.parametrize("approve", [True, False])
def test_an_approval_is_passed_on(world, approve):
    thread_id, run = asking(world, "mcpApproval")
    [call] = run.pending_calls
    assert (call.kind, call.server_label, call.name) == ("approval", "github", "search_issues")
    answer = ToolAnswer(approvals=[ToolApproval(tool_call_id=call.id, approve=approve)])
    answered = world.answer(thread_id, run, answer, agent="mcpApproval")
    world.clock.advance(LONG)
    world.service.get_run(thread_id, answered.run_id)
    done = [step.type for step in world.service.list_steps(thread_id, answered.run_id).steps]
    assert ("mcp_call" in done) is approve


def test_a_consent_is_answered_with_nothing(world):
    thread_id, run = asking(world, "consent")
    [call] = run.pending_calls
    assert (call.kind, call.link) == ("consent", "https://example.com")
    answered = world.answer(thread_id, run, outputs(run), agent="consent")
    world.clock.advance(LONG)
    assert world.service.get_run(thread_id, answered.run_id).state is RunState.COMPLETED
    assert given(world, thread_id) == {}


def test_a_consent_is_sent_beside_what_else_is_answered():
    calls = (Call(name="f"), Call(type="oauth_consent_request", server_label="mail"))
    mixed = Agent(name="mixed", script=Script(phases=(Phase(calls=calls),), answer=Answer(kind="tools")))
    clock = ManualClock()
    with FoundryEmulator(clock=clock, agents=[mixed]) as emulator:
        world = World(emulator, clock, service_at(emulator, clock))
        thread_id, run = asking(world, "mixed")
        assert {call.kind for call in run.pending_calls} == {"function", "consent"}
        world.answer(thread_id, run, outputs(run), agent="mixed")
        world.clock.advance(LONG)
        assert len(given(world, thread_id)) == 1


def test_a_consent_cannot_be_declined(world):
    thread_id, run = asking(world, "consent")
    answer = ToolAnswer(approvals=[ToolApproval(tool_call_id=run.pending_calls[0].id, approve=False)])
    with pytest.raises(errors.AnswerRefusedError, match="cancel the run"):
        world.answer(thread_id, run, answer)
    assert len(world.responses(thread_id)) == 1


def test_headers_have_no_counterpart(world):
    thread_id, run = asking(world, "mcpApproval")
    secret = {run.pending_calls[0].id: {"Authorization": "Bearer very-secret-header"}}
    with pytest.raises(errors.AnswerRefusedError, match="headers_ref") as refused:
        world.answer(thread_id, run, outputs(run), headers=secret)
    assert "very-secret" not in str(refused.value)
    assert world.count("create_response") == 1


# --- lost answers -----------------------------------------------------------------------------------------------------

SHOWN = ("echoed", "empty")


@pytest.mark.parametrize("in_list", SHOWN)
@pytest.mark.parametrize("in_get", SHOWN)
@pytest.mark.parametrize("p2", ["listed", "hidden"])
@pytest.mark.parametrize("p3", ["locked", "allowed"])
@pytest.mark.parametrize("p8", ["at_end", "at_once"])
@pytest.mark.parametrize("p12", ["refused", "appended"])
def test_an_answer_whose_answer_was_lost_is_not_passed_on_again(world, in_list, in_get, p2, p3, p8, p12):
    world.emulator.set_unknowns(
        response_metadata_list=in_list, response_metadata_get=in_get, p2=p2, p3=p3, p8=p8, p12=p12
    )
    thread_id, run = asking(world)
    world.lose("create_response")
    with pytest.raises(errors.ConnectionFailedError):
        world.answer(thread_id, run, outputs(run))
    doubt = until(world)
    try:
        answered = world.answer(thread_id, run, outputs(run), doubt=doubt)
    except errors.MayHaveHappenedError:
        assert p2 == "hidden"
        world.clock.advance(LONG)
        answered = world.answer(thread_id, run, outputs(run), doubt=doubt)
    assert answered.run_id == world.responses(thread_id)[1]["id"]
    assert len(world.responses(thread_id)) == 2
    world.clock.advance(LONG)
    assert given(world, thread_id) == {run.pending_calls[0].id: 1}


def test_an_answer_that_never_arrived_is_passed_on_once_the_grace_is_over(world):
    thread_id, run = asking(world)
    world.lose("create_response", "none")
    with pytest.raises(errors.ConnectionFailedError):
        world.answer(thread_id, run, outputs(run))
    for left in (30, 1):
        with pytest.raises(errors.MayHaveHappenedError) as doubt:
            world.answer(thread_id, run, outputs(run), doubt=until(world, left))
        assert doubt.value.retryable
    assert len(world.responses(thread_id)) == 1
    world.answer(thread_id, run, outputs(run), doubt=until(world, -1))
    assert len(world.responses(thread_id)) == 2


def test_answers_that_stand_in_the_conversation_are_gone_on_from_without_them(world):
    """The response that took them along is gone."""
    thread_id, run = asking(world)
    sent = [{"type": "function_call_output", "call_id": run.pending_calls[0].id, "output": "42"}]
    world.service._transport.post(f"/openai/v1/conversations/{thread_id}/items", {"items": sent})
    for doubt in (None, until(world)):
        with pytest.raises(errors.MayHaveHappenedError):
            world.answer(thread_id, run, outputs(run), doubt=doubt)
    answered = world.answer(thread_id, run, outputs(run), doubt=until(world, -1))
    world.clock.advance(LONG)
    assert "42" in world.service.get_run(thread_id, answered.run_id).answer.text
    assert given(world, thread_id) == {run.pending_calls[0].id: 1}


def test_a_call_that_the_service_no_longer_knows_may_have_been_answered(world):
    thread_id, run = asking(world)
    world.emulator.faults.add("status", operation="create_response", says="no_tool_call")
    with pytest.raises(errors.MayHaveHappenedError):
        world.answer(thread_id, run, outputs(run))


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_an_answer_that_is_refused_may_be_given_otherwise(world):
    thread_id, run = asking(world, "picky")
    with pytest.raises(errors.AnswerRefusedError, match="shorter one") as refused:
        world.answer(thread_id, run, outputs(run, "a secret output"), agent="picky")
    assert "a secret output" not in refused.value.message
    answered = world.answer(thread_id, run, outputs(run, "short"), agent="picky")
    world.clock.advance(LONG)
    assert world.service.get_run(thread_id, answered.run_id).state is RunState.COMPLETED


@pytest.mark.parametrize(
    ("says", "kind"),
    [
        ("prompt_filtered", errors.AnswerRefusedError),
        ("bad_request", errors.AnswerRefusedError),
        ("empty", errors.UnreadableRefusalError),
        ("conflict", errors.RefusedForNowError),
        ("conversation_locked", errors.ThreadBusyError),
        ("gateway_timeout", errors.UnavailableError),
        ("role_lacking", errors.PermissionDeniedError),
    ],
)
def test_what_refusals_mean(world, says, kind):
    thread_id, run = asking(world)
    world.emulator.faults.add("status", operation="create_response", says=says)
    with pytest.raises(kind):
        world.answer(thread_id, run, outputs(run))
    assert len(world.responses(thread_id)) == 1


def test_a_busy_conversation_behind_a_lost_answer_is_most_likely_our_own(world):
    thread_id, run = asking(world)
    world.emulator.faults.add("status", operation="create_response", says="conversation_locked")
    with pytest.raises(errors.MayHaveHappenedError):
        world.answer(thread_id, run, outputs(run), doubt=until(world, -1))


def test_an_answer_to_some_of_the_calls_only_is_refused(world):
    thread_id, run = asking(world, "twoToolRounds")
    some = outputs(run)
    some = ToolAnswer(tool_outputs=some.tool_outputs[:1])
    with pytest.raises(errors.AnswerRefusedError):
        world.answer(thread_id, run, some)


def test_outputs_that_are_missed_although_sent_are_sent_once_more(world):
    thread_id, run = asking(world)
    world.emulator.faults.add("status", operation="create_response", says="no_tool_output")
    assert world.answer(thread_id, run, outputs(run)).state is RunState.ACTIVE
    assert len(world.responses(thread_id)) == 2


def test_outputs_that_are_missed_for_ever_make_the_conversation_unusable(world):
    thread_id, run = asking(world)
    world.emulator.faults.add("status", operation="create_response", says="no_tool_output", times=None)
    with pytest.raises(errors.ConversationUnusableError, match="start a new one"):
        world.answer(thread_id, run, outputs(run))


def test_somebody_elses_call_that_came_meanwhile_is_named(world):
    thread_id, run = asking(world)
    call = {"type": "function_call", "call_id": "call_x", "name": "f", "arguments": "{}"}
    world.service._transport.post(f"/openai/v1/conversations/{thread_id}/items", {"items": [call]})
    with pytest.raises(errors.WaitsForToolError, match="call_x"):
        world.answer(thread_id, run, outputs(run))


def test_a_call_that_was_closed_meanwhile_is_not_answered_over_it(world):
    thread_id, run = asking(world)
    world.service.cancel_run(thread_id, run.run_id)
    with pytest.raises(errors.MayHaveHappenedError):
        world.answer(thread_id, run, outputs(run))
    assert [item["text"] for item in world.held(thread_id)["items"] if item["call"]][-1] == NOBODY_ANSWERED


def test_a_response_that_is_gone_is_not_answered(world):
    thread_id, run = asking(world)
    world.service._transport.delete(f"/openai/v1/responses/{run.run_id}")
    with pytest.raises(errors.NotFoundError) as gone:
        world.answer(thread_id, run, outputs(run))
    assert gone.value.names_it
