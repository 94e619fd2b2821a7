"""Calls that nobody has answered: whatever way a response ends, the conversation works afterwards."""

import pytest

from contracts.runs import FormerRun, RunState
from foundry import errors
from foundry.second.calls import NOBODY_ANSWERED
from local.foundry_emulator import FoundryEmulator, ManualClock
from local.foundry_emulator.scripts import Agent, Answer, Call, End, Phase, Script
from tests.second.conftest import HI, LONG, World, outputs, service_at

ASKING = ("tool", "twoToolRounds", "mcpApproval", "manyCalls", "computer")


def assert_works(world, thread_id):
    """The next run on the conversation, of another instance, answers."""
    assert world.held(thread_id)["open_calls"] == []
    world.service.create_message(thread_id, HI, world.stamp(instance="i-9"))
    assert world.ended(thread_id, instance="i-9", operation="next").state is RunState.COMPLETED


def outputs_in(world, thread_id):
    items = world.held(thread_id)["items"]
    return [item["text"] for item in items if item["type"].endswith("_output")]


# --- what our own runs have left --------------------------------------------------------------------------------------


@pytest.mark.parametrize("agent", ASKING)
@pytest.mark.parametrize("p5", ["refused", "failed", "broken", "ignored"])
def test_what_a_run_of_this_app_has_left_open_is_closed(world, agent, p5):
    world.emulator.set_unknowns(p5=p5)
    thread_id = world.thread()
    left = world.ended(thread_id, agent)
    assert left.state is RunState.REQUIRES_ACTION
    known = world.service.take_over(thread_id, "i-2")
    assert known == (left.run_id,)
    assert set(outputs_in(world, thread_id)) <= {NOBODY_ANSWERED}
    assert world.count("create_response") == 1  # nothing was paid for
    assert_works(world, thread_id)


@pytest.mark.parametrize("agent", ASKING)
@pytest.mark.parametrize("p16", ["accepted", "all"])
def test_where_answers_are_no_items_a_response_closes_them(agent, p16):
    clock = ManualClock()
    quick = Agent(name="quick", script=Script(phases=(Phase(calls=(Call(name="f"),)),), answer=Answer(kind="tools")))
    with FoundryEmulator(clock=clock, agents=[quick], unknowns={"p7": "refused"}) as emulator:
        world = World(emulator, clock, service_at(emulator, clock))
        if p16 == "all":  # what is waited for must need no time, on a clock that stands still
            agent = "quick"
        thread_id = world.thread()
        left = world.ended(thread_id, agent)
        emulator.set_unknowns(p16=p16)
        known = world.service.take_over(thread_id, "i-2")
        assert known[0] == left.run_id
        assert known[1:] == tuple(one["id"] for one in world.responses(thread_id)[1:])
        assert {one["metadata"]["durable_instance_id"] for one in world.responses(thread_id)[1:]} == {"i-2"}
        emulator.set_unknowns(p16="accepted")
        assert_works(world, thread_id)


@pytest.mark.parametrize("p7", ["accepted", "refused"])
def test_an_approval_that_is_closed_is_a_no(world, p7):
    world.emulator.set_unknowns(p7=p7)
    thread_id = world.thread()
    world.ended(thread_id, "mcpApproval")
    world.service.take_over(thread_id, "i-2")
    shown = world.service._transport.get(f"/openai/v1/conversations/{thread_id}/items")["data"]
    [no] = [item for item in shown if item["type"] == "mcp_approval_response"]
    assert (no["approve"], no["reason"]) == (False, NOBODY_ANSWERED)
    assert "mcp_call" not in {item["type"] for item in shown}


def test_a_response_that_closes_is_waited_for_once_though_an_attempt_ran_out_of_time(world):
    world.emulator.set_unknowns(p7="refused")
    thread_id = world.thread()
    world.ended(thread_id, "tool")
    world.emulator.faults.add("reset", operation="get_response", effect="none")
    with pytest.raises(errors.ConnectionFailedError):
        world.service.take_over(thread_id, "i-2")
    world.service.take_over(thread_id, "i-2")
    assert len(world.responses(thread_id)) == 2
    assert_works(world, thread_id)


def test_calls_that_a_hidden_response_answers_are_closed_by_it(world):
    """Its input shows at its end only, and nothing locks the conversation."""
    world.emulator.set_unknowns(p7="refused", p2="hidden", p3="allowed")
    thread_id = world.thread()
    run = world.ended(thread_id, "tool")
    world.answer(thread_id, run, outputs(run))
    assert world.service.take_over(thread_id, "i-2") == (run.run_id,)
    assert len(world.responses(thread_id)) == 2


def test_an_agent_that_calls_for_ever_makes_the_conversation_unusable():
    clock = ManualClock()
    again = (Phase(calls=(Call(name="f"),)),) * 9
    with FoundryEmulator(
        clock=clock, agents=[Agent(name="again", script=Script(phases=again))], unknowns={"p7": "refused"}
    ) as emulator:
        world = World(emulator, clock, service_at(emulator, clock))
        thread_id = world.thread()
        world.ended(thread_id, "again")
        with pytest.raises(errors.ConversationUnusableError, match="again and again"):
            world.service.take_over(thread_id, "i-2")
        assert len(world.responses(thread_id)) == 4


@pytest.mark.parametrize("echo", ["echoed", "empty"])
def test_an_agent_that_fails_again_and_again_is_not_asked_for_ever(echo):
    """Each of these responses is paid for."""
    clock = ManualClock()
    fails = Script(phases=(Phase(calls=(Call(name="f"),)),), end=End(status="failed", code="server_error", message="x"))
    unknowns = {"p7": "refused", "response_metadata_get": echo, "response_metadata_list": echo}
    with FoundryEmulator(clock=clock, agents=[Agent(name="fails-then", script=fails)], unknowns=unknowns) as emulator:
        world = World(emulator, clock, service_at(emulator, clock))
        thread_id = world.thread()
        left = world.ended(thread_id, "fails-then")
        former = FormerRun(run_ids=(left.run_id,), left_at=world.service._now(), shows_items=True)
        clock.advance(4 * LONG)  # what answers to an open call would show by then

        def take_over(instance):
            with pytest.raises(errors.FoundryError) as refused:
                world.service.take_over(thread_id, instance, former)
            return refused.type

        seen = [take_over("i-2") for _ in range(5)]
        assert seen == [errors.UnavailableError] * 3 + [errors.ConversationUnusableError] * 2
        assert len(world.responses(thread_id)) == 1 + 3
        later = take_over("i-3")
        assert later is (errors.UnavailableError if echo == "echoed" else errors.ConversationUnusableError)


def test_what_cannot_be_closed_makes_the_conversation_unusable(world):
    world.emulator.set_unknowns(p7="refused")
    thread_id = world.thread()
    world.ended(thread_id, "tool")
    world.emulator.faults.add("status", operation="create_response", says="bad_request", times=None)
    with pytest.raises(errors.ConversationUnusableError, match="start a new one"):
        world.service.take_over(thread_id, "i-2")


def test_a_response_that_fails_to_close_is_tried_again(world):
    world.emulator.set_unknowns(p7="refused")
    thread_id = world.thread()
    world.ended(thread_id, "tool")
    real = world.emulator.state

    def fail_it(seconds):
        with real.lock:
            running = list(real.responses.values())[-1].id
        world.emulator.cancel_response(running)

    world.service._closer._pause = fail_it
    with pytest.raises(errors.UnavailableError, match="ended as cancelled") as failed:
        world.service.take_over(thread_id, "i-2")
    assert failed.value.retryable
    world.service._closer._pause = world.clock.advance
    world.service.take_over(thread_id, "i-2")
    assert_works(world, thread_id)


# --- what is somebody else's ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p7", ["accepted", "refused"])
def test_a_call_of_somebody_elses_response_is_left_and_named(world, p7):
    world.emulator.set_unknowns(p7=p7)
    thread_id = world.thread()
    world.foreign(thread_id)
    before = world.held(thread_id)
    with pytest.raises(errors.WaitsForToolError, match=r"get_weather \(call_") as waits:
        world.service.take_over(thread_id, "i-2")
    assert "get_weather" not in waits.value.summary
    assert world.held(thread_id) == before


@pytest.mark.parametrize("in_list", ["echoed", "empty"])
@pytest.mark.parametrize("in_get", ["echoed", "empty"])
def test_a_call_is_ours_where_any_look_shows_a_stamp(world, in_list, in_get):
    thread_id = world.thread()
    world.ended(thread_id, "tool")
    world.emulator.set_unknowns(response_metadata_list=in_list, response_metadata_get=in_get)
    if in_list == in_get == "empty":
        with pytest.raises(errors.WaitsForToolError):
            world.service.take_over(thread_id, "i-2")
    else:
        world.service.take_over(thread_id, "i-2")
        assert_works(world, thread_id)


def test_a_call_that_somebody_has_added_as_an_item_is_nobodys_of_ours(world):
    thread_id = world.thread()
    call = {"type": "function_call", "call_id": "call_x", "name": "f", "arguments": "{}"}
    world.service._transport.post(f"/openai/v1/conversations/{thread_id}/items", {"items": [call]})
    with pytest.raises(errors.WaitsForToolError, match="call_x"):
        world.service.take_over(thread_id, "i-2")


def test_many_foreign_calls_are_named_by_the_first_few(world):
    thread_id = world.thread()
    world.foreign(thread_id, "manyCalls")
    with pytest.raises(errors.WaitsForToolError, match=r"and 7 more\.") as waits:
        world.service.take_over(thread_id, "i-2")
    assert len(waits.value.message) < 1000


# --- take over --------------------------------------------------------------------------------------------------------


def test_known_are_all_responses_that_the_list_or_an_item_tells_of(world):
    thread_id = world.thread()
    assert world.service.take_over(thread_id, "i-1") == ()
    world.emulator.set_unknowns(list_lag=1000)
    hidden = world.ended(thread_id)
    world.emulator.set_unknowns(list_lag=0)
    foreign = world.foreign(thread_id, "history")
    assert set(world.service.take_over(thread_id, "i-1")) == {hidden.run_id, foreign}


@pytest.mark.parametrize("p12", ["refused", "ignored", "appended"])
def test_an_answer_that_does_not_show_yet_is_no_open_call(world, p12):
    """Items lag: the call is shown, and its output is not."""
    thread_id = world.thread()
    run = world.ended(thread_id, "tool")
    world.emulator.set_unknowns(item_lag=1000, p12=p12)
    world.answer(thread_id, run, outputs(run))
    world.clock.advance(LONG)
    world.service.take_over(thread_id, "i-2")
    world.clock.advance(2000)
    assert world.held(thread_id)["open_calls"] == []


def test_of_several_calls_the_answered_ones_stay_as_they_are(world):
    thread_id = world.thread()
    run = world.ended(thread_id, "twoToolRounds")
    one = {"type": "function_call_output", "call_id": run.pending_calls[0].id, "output": "sun"}
    world.emulator.set_unknowns(item_lag=1000)
    world.service._transport.post(f"/openai/v1/conversations/{thread_id}/items", {"items": [one]})
    world.service.take_over(thread_id, "i-2")
    assert outputs_in(world, thread_id) == ["sun", NOBODY_ANSWERED]


def test_a_busy_conversation_is_not_closed(world):
    world.emulator.set_unknowns(p3="allowed", p4="refused", p5="ignored")
    thread_id = world.thread()
    world.ended(thread_id, "tool")
    world.run(thread_id, "slow", operation="run-1")
    with pytest.raises(errors.ThreadBusyError):
        world.service.take_over(thread_id, "i-2")


# --- cancel -----------------------------------------------------------------------------------------------------------


def test_a_running_response_is_cancelled_at_once(world):
    thread_id = world.thread()
    run = world.run(thread_id, "slow")
    assert world.service.cancel_run(thread_id, run.run_id).state is RunState.CANCELLED
    assert_works(world, thread_id)


@pytest.mark.parametrize("p9", ["refused", "returned"])
@pytest.mark.parametrize("agent", ["history", "fails", "incomplete"])
def test_the_real_end_of_a_response_is_the_answer_to_a_cancel(world, agent, p9):
    world.emulator.set_unknowns(p9=p9)
    thread_id = world.thread()
    run = world.ended(thread_id, agent)
    assert world.service.cancel_run(thread_id, run.run_id) == run


@pytest.mark.parametrize("p9", ["refused", "returned"])
@pytest.mark.parametrize("p7", ["accepted", "refused"])
@pytest.mark.parametrize("agent", ASKING)
def test_a_response_that_waits_is_cancelled_by_closing_its_calls(world, agent, p7, p9):
    world.emulator.set_unknowns(p7=p7, p9=p9)
    thread_id = world.thread()
    run = world.ended(thread_id, agent)
    for _ in range(2):
        cancelled = world.service.cancel_run(thread_id, run.run_id)
        assert not cancelled.pending_calls
        assert cancelled.state.is_ended
        assert cancelled.run_id == run.run_id
    assert_works(world, thread_id)


def test_a_consent_needs_no_closing(world):
    thread_id = world.thread()
    run = world.ended(thread_id, "consent")
    assert world.service.cancel_run(thread_id, run.run_id).state is RunState.CANCELLED
    assert world.count("add_items") == 0
    assert_works(world, thread_id)


def test_calls_that_the_items_do_not_show_yet_are_closed_all_the_same(world):
    world.emulator.set_unknowns(item_lag=1000)
    thread_id = world.thread()
    run = world.ended(thread_id, "tool")
    assert world.service.cancel_run(thread_id, run.run_id).state is RunState.CANCELLED
    assert world.held(thread_id)["open_calls"] == []


def test_a_cancel_that_comes_too_late_is_made_up_for(world):
    """Reported: GET says cancelled, and completed later, with calls in its output."""
    thread_id = world.thread()
    run = world.ended(thread_id, "tool")
    body = world.service._transport.get(f"/openai/v1/responses/{run.run_id}") | {"status": "cancelled", "output": []}
    world.emulator.faults.add("status", operation="cancel_response", status=200, body=body)
    assert world.service.cancel_run(thread_id, run.run_id).state is RunState.CANCELLED
    assert_works(world, thread_id)


def test_a_response_that_is_waited_for_cannot_be_cancelled_now(world):
    thread_id = world.thread()
    run = world.run(thread_id, "slow")
    body = {"error": {"message": "Cannot cancel a synchronous response.", "type": "invalid_request_error"}}
    world.emulator.faults.add("status", operation="cancel_response", status=400, body=body)
    with pytest.raises(errors.RefusedForNowError) as refused:
        world.service.cancel_run(thread_id, run.run_id)
    assert refused.value.retryable


def test_a_closing_that_works_already_is_waited_for_by_a_cancel(world):
    """P2 hides what an earlier attempt has started; the conversation is locked by it."""
    world.emulator.set_unknowns(p7="refused", p2="hidden")
    thread_id = world.thread()
    run = world.ended(thread_id, "tool")
    world.lose("get_response", "none", skip=1)
    with pytest.raises(errors.ConnectionFailedError):
        world.service.cancel_run(thread_id, run.run_id)
    with pytest.raises(errors.RefusedForNowError):
        world.service.cancel_run(thread_id, run.run_id)
    world.clock.advance(LONG)
    assert world.service.cancel_run(thread_id, run.run_id).state.is_ended
    assert len(world.responses(thread_id)) == 2


@pytest.mark.parametrize("agent", ASKING)
@pytest.mark.parametrize("p7", ["accepted", "refused"])
def test_a_cancel_that_is_repeated_after_it_has_closed_the_calls_is_a_cancel(world, agent, p7):
    world.emulator.set_unknowns(p7=p7)
    thread_id = world.thread()
    run = world.ended(thread_id, agent)
    for _ in range(2):
        assert world.service.cancel_run(thread_id, run.run_id).state is RunState.CANCELLED


def test_a_response_that_was_answered_is_not_closed_over(world):
    world.emulator.set_unknowns(p12="appended")
    thread_id = world.thread()
    run = world.ended(thread_id, "tool")
    world.answer(thread_id, run, outputs(run, "sun"))
    world.clock.advance(LONG)
    assert world.service.cancel_run(thread_id, run.run_id).state is RunState.COMPLETED
    assert outputs_in(world, thread_id) == ["sun"]


def test_a_lost_cancel_is_repeated(world):
    thread_id = world.thread()
    run = world.run(thread_id, "slow")
    world.lose("cancel_response")
    with pytest.raises(errors.ConnectionFailedError):
        world.service.cancel_run(thread_id, run.run_id)
    assert world.service.cancel_run(thread_id, run.run_id).state is RunState.CANCELLED


def test_an_unknown_response_cannot_be_cancelled(world):
    with pytest.raises(errors.NotFoundError):
        world.service.cancel_run(world.thread(), "resp_0123456789abcdef0012345678")


# --- lists ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("agent", ["tool", "mcpApproval", "consent"])
def test_a_response_asks_until_it_is_answered_or_closed(world, agent):
    thread_id = world.thread()
    run = world.ended(thread_id, agent)
    [asking] = world.service.list_runs(thread_id)
    assert asking.state is RunState.REQUIRES_ACTION
    assert asking.pending_calls == run.pending_calls
    world.service.cancel_run(thread_id, run.run_id)
    world.clock.advance(1)
    world.service.create_message(thread_id, HI, world.stamp())
    world.ended(thread_id, operation="next")
    assert [one.state for one in world.service.list_runs(thread_id)] == [RunState.COMPLETED] * 2


def test_the_newest_response_asks_though_the_items_lag(world):
    world.emulator.set_unknowns(item_lag=1000)
    thread_id = world.thread()
    world.ended(thread_id, "tool")
    assert world.service.list_runs(thread_id)[0].state is RunState.REQUIRES_ACTION
