"""Responses as runs: started once, looked at, listed, found again."""

import threading

import pytest

from contracts.codes import ErrorCode
from contracts.runs import RunState, Stamp, Tokens
from foundry import errors
from foundry.credential import FixedToken
from foundry.second import ResponsesAgentService
from foundry.second.background import ForegroundAgents
from foundry.transport import Transport
from local.foundry_emulator import FoundryEmulator
from tests.second.conftest import HI, LONG

# --- start ------------------------------------------------------------------------------------------------------------


def test_a_response_is_started_in_the_background_without_input(world):
    thread_id = world.thread()
    run = world.service.create_run(
        thread_id, "history", {"structured_inputs": {"city": "Oslo"}}, {"job": "7"}, world.stamp(), agent_version="1"
    )
    assert (run.state, run.raw_status, run.thread_id) == (RunState.ACTIVE, "queued", thread_id)
    [response] = world.responses(thread_id)
    assert response["background"]
    assert response["agent"] == "history:1"
    assert response["metadata"] == {"job": "7", **world.stamp().as_metadata()}
    assert run.instance_id == "i-1"
    world.clock.advance(LONG)
    assert world.held(thread_id)["user_messages"] == 1


@pytest.mark.parametrize(
    ("agent_id", "version", "runs"),
    [("two", None, "two:2"), ("two:1", None, "two:1"), ("two:1", "2", "two:2"), ("two", "1", "two:1")],
)
def test_the_version_is_that_of_the_start_or_else_of_the_id(world, agent_id, version, runs):
    for _ in range(2):
        body = {"name": "two", "definition": {"kind": "prompt", "model": "m"}}
        world.service._agents.post("/agents", body)
    thread_id = world.thread()
    world.run(thread_id, agent_id, agent_version=version)
    assert world.responses(thread_id)[0]["agent"] == runs


@pytest.mark.parametrize("shape", ["locked", "in_progress", "conflict"])
def test_a_conversation_on_which_a_response_runs_is_busy(world, shape):
    world.emulator.set_unknowns(p3=shape)
    thread_id = world.thread()
    world.run(thread_id, "slow")
    with pytest.raises(errors.ThreadBusyError) as busy:
        world.run(thread_id, operation="run-1")
    assert busy.value.code == ErrorCode.THREAD_BUSY


@pytest.mark.parametrize("agent", ["workflow", "hosted"])
def test_other_kinds_are_busy_in_shapes_of_their_own(world, agent):
    thread_id = world.thread()
    world.run(thread_id, agent)
    with pytest.raises(errors.ThreadBusyError):
        world.run(thread_id, agent, operation="run-1")


def test_a_disabled_agent_is_refused_for_good(world):
    with pytest.raises(errors.InvalidInputError, match="enable it") as refused:
        world.run(world.thread(), "disabled")
    assert refused.value.code == "AgentDisabled"
    assert not refused.value.retryable


def test_an_unknown_agent_and_an_unknown_conversation_are_told_apart(world):
    with pytest.raises(errors.NotFoundError, match="no such agent"):
        world.run(world.thread(), "nobody")
    with pytest.raises(errors.NotFoundError, match="no such conversation"):
        world.run("conv_0123456789abcdef0012345678")
    with pytest.raises(errors.InvalidInputError, match="no such conversation"):
        world.run("conv_x")


# --- background -------------------------------------------------------------------------------------------------------


def test_an_agent_that_refuses_the_background_is_asked_while_one_waits(world):
    world.emulator.set_unknowns(p16="all")
    thread_id = world.thread()
    run = world.run(thread_id, "instant")
    assert run.state is RunState.COMPLETED
    assert run.answer.found
    assert world.count("create_response") == 2
    assert [one["background"] for one in world.responses(thread_id)] == [False]
    world.service.create_message(thread_id, HI, world.stamp())
    world.service.within(60).create_run(thread_id, "instant", {}, {}, world.stamp("run-1"))
    assert world.count("create_response") == 3  # remembered, whoever asks within a time of his own


def test_other_agents_are_asked_in_the_background_still(world):
    world.emulator.set_unknowns(p16="all")
    world.run(world.thread(), "instant")
    world.emulator.set_unknowns(p16="accepted")
    assert world.run(world.thread(), "history").state is RunState.ACTIVE


def test_a_quoted_word_is_no_refusal_of_the_background(world):
    thread_id, asked = world.thread(), {"picture": "paint the background red"}
    body = {"error": {"message": f"Invalid input: {asked['picture']}", "type": "invalid_request_error"}}
    world.emulator.faults.add("status", operation="create_response", status=400, body=body)
    with pytest.raises(errors.InvalidInputError) as refused:
        world.service.create_run(thread_id, "instant", {"structured_inputs": asked}, {}, world.stamp())
    assert type(refused.value) is errors.InvalidInputError
    assert "the background" not in refused.value.message
    assert world.count("create_response") == 1


def test_what_the_gateway_cuts_may_have_happened(world):
    world.emulator.faults.add("status", operation="create_response", says="gateway_timeout", effect="first")
    with pytest.raises(errors.UnavailableError, match="two minutes") as cut:
        world.run(world.thread(), "instant")
    assert cut.value.retryable


def test_a_synchronous_request_waits_longer_than_others_but_ends_in_its_time():
    """The emulator answers after real time here: a read of others gives up before."""
    with FoundryEmulator(unknowns={"p16": "all"}, clock_speed=2) as emulator:
        transport = Transport(emulator.endpoint, "v1", FixedToken("token-of-the-tests"), timeouts=(5.0, 0.2))
        service = ResponsesAgentService(transport)
        stamp = Stamp(instance_id="i-1", operation_id="run-0")
        run = service.create_run(service.create_thread(stamp, HI).thread_id, "history", {}, {}, stamp)
        assert run.state is RunState.COMPLETED
        with pytest.raises(errors.ConnectionFailedError):
            service.within(0.3).create_run(service.create_thread(stamp, HI).thread_id, "forever", {}, {}, stamp)


def test_so_many_agents_are_remembered_and_the_oldest_are_forgotten():
    known = ForegroundAgents(most=2)
    for name in ("a", "b", "a", "c"):
        known.add(name)
    assert [name in known for name in ("a", "b", "c")] == [True, False, True]


def test_agents_are_remembered_from_several_threads():
    known = ForegroundAgents(most=50)
    threads = [
        threading.Thread(target=lambda number=number: [known.add(f"{number}-{i}") for i in range(200)])
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(f"{number}-{i}" in known for number in range(8) for i in range(200)) == 50


# --- look -------------------------------------------------------------------------------------------------------------


def test_a_completed_response_comes_with_its_answer_and_its_usage(world):
    thread_id = world.thread()
    run = world.ended(thread_id)
    assert run.state is RunState.COMPLETED
    assert run.answer.text.startswith('You wrote: "hi".')
    assert run.tokens == Tokens(input=13, output=25, total=38, cached=0)
    assert run.usage["input_tokens_details"] == {"cached_tokens": 0}
    assert run.completed_at >= run.created_at
    assert run.model == "gpt-4o"
    assert world.count("get_response") == 1
    [listed] = world.service.list_runs(thread_id)
    assert listed.tokens == run.tokens  # under other names


@pytest.mark.parametrize(
    ("agent", "state", "code"),
    [
        ("fails", RunState.FAILED, "server_error"),
        ("incomplete", RunState.INCOMPLETE, "max_output_tokens"),
        ("contentFilter", RunState.INCOMPLETE, "content_filter"),
        ("unknownStatus", RunState.ACTIVE, None),
    ],
)
def test_how_responses_end(world, agent, state, code):
    run = world.run(thread_id := world.thread(), agent)
    world.clock.advance(3 if agent == "unknownStatus" else LONG)
    run = world.service.get_run(thread_id, run.run_id)
    assert (run.state, run.error_code) == (state, code)
    assert run.answer is None


def test_a_lack_of_quota_says_how_long_to_wait(world):
    run = world.ended(world.thread(), "rateLimitedOnce")
    assert run.rate_limited
    assert run.retry_after_seconds > 0


@pytest.mark.parametrize("agent", ["silent", "silentWorkflow"])
def test_an_answer_may_be_none(world, agent):
    run = world.ended(world.thread(), agent)
    assert run.state is RunState.COMPLETED
    assert run.answer.messages == []


def test_instructions_are_nowhere_in_what_is_returned(world):
    body = {"kind": "prompt", "model": "m", "instructions": "Speak of {{animal}} only."}
    world.service._agents.post("/agents", {"name": "secretive", "definition": body})
    thread_id = world.thread()
    options = {"structured_inputs": {"animal": "marmots"}}
    run = world.service.create_run(thread_id, "secretive", options, {}, world.stamp())
    shown = world.service._transport.get(f"/openai/v1/responses/{run.run_id}")
    assert "marmots" in str(shown)
    assert "marmots" not in str(world.service.get_run(thread_id, run.run_id))


def test_a_response_of_another_conversation_is_refused(world):
    one, other = world.thread(), world.thread()
    run = world.run(one)
    with pytest.raises(errors.BadResponseError, match="another response"):
        world.service.get_run(other, run.run_id)


def test_an_unknown_response_is_gone(world):
    with pytest.raises(errors.NotFoundError) as gone:
        world.service.get_run(world.thread(), "resp_0123456789abcdef0012345678")
    assert gone.value.names_it


@pytest.mark.parametrize("call", ["get_run", "cancel_run"])
def test_an_id_that_would_change_the_path_is_refused(world, call):
    with pytest.raises(errors.InvalidInputError, match="malformed"):
        getattr(world.service, call)("conv_1", "../agents")
    assert world.emulator.ledger().requests == []


# --- list -------------------------------------------------------------------------------------------------------------


def test_responses_are_listed_newest_first(world):
    thread_id = world.thread()
    first = world.ended(thread_id)
    world.clock.advance(1)
    second = world.run(thread_id, operation="run-1", instance="i-2")
    runs = world.service.list_runs(thread_id)
    assert [run.run_id for run in runs] == [second.run_id, first.run_id]
    assert [run.instance_id for run in runs] == ["i-2", "i-1"]
    assert [run.state for run in runs] == [RunState.ACTIVE, RunState.COMPLETED]


# --- find -------------------------------------------------------------------------------------------------------------

SHOWN = ("echoed", "empty")


@pytest.mark.parametrize("in_list", SHOWN)
@pytest.mark.parametrize("in_get", SHOWN)
@pytest.mark.parametrize("p2", ["listed", "hidden"])
@pytest.mark.parametrize("ended", [True, False])
def test_a_response_whose_answer_was_lost_is_found_as_soon_as_it_shows(world, in_list, in_get, p2, ended):
    world.emulator.set_unknowns(response_metadata_list=in_list, response_metadata_get=in_get, p2=p2)
    thread_id = world.thread()
    before = world.ended(thread_id, operation="earlier")
    known = world.service.take_over(thread_id, "i-1")
    assert known == (before.run_id,)
    world.service.create_message(thread_id, HI, world.stamp())
    world.lose("create_response")
    with pytest.raises(errors.ConnectionFailedError):
        world.run(thread_id)
    world.clock.advance(LONG if ended else 0.1)
    found = world.service.find_run(thread_id, world.effect(known=known))
    if p2 == "hidden" and not ended:
        assert found is None
    else:
        assert found.run_id == world.responses(thread_id)[-1]["id"]


@pytest.mark.parametrize("in_list", SHOWN)
@pytest.mark.parametrize("in_get", SHOWN)
def test_a_response_that_never_was_is_not_found(world, in_list, in_get):
    world.emulator.set_unknowns(response_metadata_list=in_list, response_metadata_get=in_get)
    thread_id = world.thread()
    world.ended(thread_id, operation="earlier")
    known = world.service.take_over(thread_id, "i-1")
    world.lose("create_response", "none")
    with pytest.raises(errors.ConnectionFailedError):
        world.run(thread_id)
    assert world.service.find_run(thread_id, world.effect(known=known)) is None


def test_what_a_lagging_list_does_not_show_is_the_author_of_an_item(world):
    world.emulator.set_unknowns(list_lag=1000)
    thread_id = world.thread()
    run = world.ended(thread_id)
    assert world.service.list_runs(thread_id) == []
    assert world.service.find_run(thread_id, world.effect()).run_id == run.run_id


@pytest.mark.parametrize("in_list", SHOWN)
def test_a_lagging_list_does_not_pass_off_an_earlier_response(world, in_list):
    world.emulator.set_unknowns(response_metadata_list=in_list, response_metadata_get=in_list)
    thread_id = world.thread()
    world.emulator.set_unknowns(list_lag=1000)
    earlier = world.ended(thread_id, operation="earlier")
    known = world.service.take_over(thread_id, "i-1")
    assert known == (earlier.run_id,)  # by its items
    world.emulator.set_unknowns(list_lag=0)
    world.clock.advance(2000)
    assert world.service.find_run(thread_id, world.effect(known=known)) is None


def test_where_stamps_show_somebody_elses_response_is_not_taken(world):
    thread_id = world.thread()
    world.ended(thread_id, operation="earlier")
    known = world.service.take_over(thread_id, "i-1")
    world.foreign(thread_id, "history")
    assert world.service.find_run(thread_id, world.effect(known=known)) is None


@pytest.mark.parametrize("apart", [0, 2])
def test_of_two_that_fit_the_earlier_one_counts_and_the_other_is_logged(world, caplog, apart):
    world.emulator.set_unknowns(p3="allowed")
    thread_id = world.thread()
    first = world.run(thread_id)
    world.clock.advance(apart)
    second = world.run(thread_id)
    caplog.set_level("INFO")
    assert world.service.find_run(thread_id, world.effect()).run_id == first.run_id
    [line] = [message for message in caplog.messages if message.startswith("agent_run.other_response ")]
    assert second.run_id in line


# --- a conversation that misses an output -----------------------------------------------------------------------------


def test_an_output_that_is_missed_once_is_asked_for_once_more(world):
    thread_id = world.thread()
    world.emulator.faults.add("status", operation="create_response", says="no_tool_output")
    assert world.run(thread_id).state is RunState.ACTIVE
    assert world.count("create_response") == 2


def test_an_output_that_is_missed_for_ever_makes_the_conversation_unusable(world):
    world.emulator.faults.add("status", operation="create_response", says="no_tool_output", times=None)
    with pytest.raises(errors.ConversationUnusableError, match="start a new one") as unusable:
        world.run(world.thread())
    assert unusable.value.code == ErrorCode.CONVERSATION_UNUSABLE
    assert world.count("create_response") == 2


def test_a_broken_conversation_fails_its_responses_and_says_so(world):
    thread_id = world.thread()
    world.emulator.break_conversation(thread_id)
    run = world.ended(thread_id)
    assert run.state is RunState.FAILED
    assert run.error_code == ErrorCode.CONVERSATION_UNUSABLE
    assert "start a new one" in run.error_advice


def test_a_foreign_call_that_came_meanwhile_stops_a_start(world):
    thread_id = world.thread()
    world.foreign(thread_id)
    with pytest.raises(errors.WaitsForToolError):
        world.run(thread_id)
    assert len(world.responses(thread_id)) == 1


def test_a_message_is_posted_once_more_where_an_output_is_missed(world):
    thread_id = world.thread()
    world.emulator.faults.add("status", operation="add_items", says="no_tool_output")
    world.service.create_message(thread_id, HI, world.stamp())
    assert world.held(thread_id)["user_messages"] == 2
    world.emulator.faults.add("status", operation="add_items", says="no_tool_output", times=None)
    with pytest.raises(errors.ConversationUnusableError):
        world.service.create_message(thread_id, HI, world.stamp())
