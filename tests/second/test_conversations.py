"""Conversations and messages: created once, found again, taken back."""

import pytest

from contracts.activities import NewMessage
from contracts.messages import ImageUrl, ImageUrlPart, TextPart
from foundry import errors
from tests.second.conftest import HI, LONG

IMAGE = ImageUrlPart(image_url=ImageUrl(url="https://example.com/sky.png", detail="low"))
PARTS = NewMessage(content=[TextPart(text="what is this?"), IMAGE])


@pytest.mark.parametrize("message", [None, HI, PARTS])
def test_a_conversation_takes_its_first_message_along(world, message):
    thread_id = world.thread(message)
    held = world.held(thread_id)
    assert held["user_messages"] == (0 if message is None else 1)
    assert held["metadata"] == world.stamp("thread").as_metadata()
    assert world.count("add_items") == 0


@pytest.mark.parametrize("effect", ["first", "none"])
def test_a_conversation_whose_answer_was_lost_is_found_by_its_stamp(world, effect):
    world.thread(instance="another")
    world.lose("create_conversation", effect)
    with pytest.raises(errors.ConnectionFailedError):
        world.thread()
    found = world.service.find_thread(world.stamp("thread"))
    assert (found is not None) is (effect == "first")
    if found:
        assert world.held(found.thread_id)["metadata"] == world.stamp("thread").as_metadata()
        assert world.service.threads_of_instance("i-1") == [found.thread_id]
    assert world.service.find_thread(world.stamp("another operation")) is None


def test_where_lists_show_no_stamps_no_conversation_is_found(world):
    world.emulator.set_unknowns(conversation_metadata_list="empty")
    world.thread()
    assert world.service.find_thread(world.stamp("thread")) is None
    assert world.service.threads_of_instance("i-1") == []


@pytest.mark.parametrize("message", [HI, PARTS])
@pytest.mark.parametrize("effect", ["first", "none"])
def test_a_message_whose_answer_was_lost_is_found_by_its_content(world, effect, message):
    thread_id = world.thread()
    world.ended(thread_id)
    world.lose("add_items", effect)
    with pytest.raises(errors.ConnectionFailedError):
        world.service.create_message(thread_id, message, world.stamp())
    found = world.service.find_message(thread_id, message, world.stamp())
    assert (found is not None) is (effect == "first")
    if found:
        assert found == world.held(thread_id)["items"][-1]["id"]
    other = NewMessage(content="what else?")
    assert world.service.find_message(thread_id, other, world.stamp()) is None


def test_a_message_that_was_answered_is_not_found_again(world):
    thread_id = world.thread()
    assert world.service.find_message(thread_id, HI, world.stamp())
    world.ended(thread_id)
    assert world.service.find_message(thread_id, HI, world.stamp()) is None
    posted = world.service.create_message(thread_id, HI, world.stamp())
    assert world.service.find_message(thread_id, HI, world.stamp()) == posted


def test_the_output_of_a_tool_does_not_hide_a_message(world):
    thread_id = world.thread()
    world.ended(thread_id, "tool")
    world.service.take_over(thread_id, "i-2")  # closes the call: an item that no agent has made
    posted = world.service.create_message(thread_id, HI, world.stamp())
    assert world.service.find_message(thread_id, HI, world.stamp()) == posted


def test_parts_have_their_counterparts(world):
    thread_id = world.thread(None)
    world.service.create_message(thread_id, PARTS, world.stamp())
    [item] = world.service._transport.get(f"/openai/v1/conversations/{thread_id}/items")["data"]
    assert item["role"] == "user"
    assert item["content"] == [
        {"type": "input_text", "text": "what is this?"},
        {"type": "input_image", "image_url": "https://example.com/sky.png", "detail": "low"},
    ]


def test_a_message_while_a_response_runs_is_taken_or_the_conversation_is_busy(world):
    thread_id = world.thread()
    world.run(thread_id, "slow")
    assert world.service.create_message(thread_id, HI, world.stamp())
    world.emulator.set_unknowns(p4="refused")
    with pytest.raises(errors.ThreadBusyError):
        world.service.create_message(thread_id, HI, world.stamp())


def test_a_message_is_taken_back_once_and_may_be_gone(world):
    thread_id = world.thread()
    posted = world.service.create_message(thread_id, NewMessage(content="no, wait"), world.stamp())
    for _ in range(2):
        world.service.take_back_message(thread_id, posted)
    assert world.held(thread_id)["user_messages"] == 1
    world.service.take_back_message("conv_0123456789abcdef0012345678", posted)  # no conversation: no message


def test_what_a_gateway_does_not_find_may_still_be_there(world):
    thread_id = world.thread()
    world.emulator.faults.add("status", operation="delete_item", says="resource_not_found")
    with pytest.raises(errors.NotFoundError):
        world.service.take_back_message(thread_id, "msg_1")


# --- whose turn it is -------------------------------------------------------------------------------------------------


def test_a_message_that_no_response_has_answered_awaits_one(world):
    thread_id = world.thread()
    assert world.service.awaits_answer(thread_id, "i-1")
    world.ended(thread_id)
    assert not world.service.awaits_answer(thread_id, "i-1")
    world.service.create_message(thread_id, HI, world.stamp())
    assert not world.service.awaits_answer(thread_id, "i-1")  # it has had its run
    assert world.service.awaits_answer(thread_id, "i-2")


def test_a_message_whose_run_lacked_quota_awaits_one(world):
    thread_id = world.thread()
    assert world.ended(thread_id, "rateLimitedOnce").rate_limited
    assert world.service.awaits_answer(thread_id, "i-1")


def test_where_no_response_shows_a_stamp_nothing_awaits_one(world):
    thread_id = world.thread()
    world.ended(thread_id)
    world.service.create_message(thread_id, HI, world.stamp())
    world.emulator.set_unknowns(response_metadata_list="empty")
    assert not world.service.awaits_answer(thread_id, "i-2")


# --- deletion ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("listed", ["echoed", "empty"])
def test_an_own_conversation_is_deleted_and_may_be_gone(world, listed):
    world.emulator.set_unknowns(response_metadata_list=listed)
    thread_id = world.thread()
    world.ended(thread_id)
    for _ in range(2):
        assert world.service.delete_thread(thread_id, "i-1")
    assert world.held(thread_id)["deleted"]


def test_a_conversation_without_a_run_is_deleted_by_its_creator(world):
    thread_id = world.thread()
    assert not world.service.delete_thread(thread_id, "i-2")
    assert world.service.delete_thread(thread_id, "i-1")


def test_a_conversation_whose_run_was_cancelled_is_deleted_with_its_message(world):
    thread_id = world.thread()
    world.service.cancel_run(thread_id, world.run(thread_id, "slow").run_id)
    assert world.service.delete_thread(thread_id, "i-1")


@pytest.mark.parametrize(
    "use",
    [
        lambda world, thread_id: world.ended(thread_id, instance="i-2"),
        lambda world, thread_id: world.foreign(thread_id, "history"),
        lambda world, thread_id: world.run(thread_id, "slow"),
        lambda world, thread_id: world.service.create_message(thread_id, HI, world.stamp(instance="i-2")),
    ],
    ids=["another instance", "somebody else", "a run goes on", "a message waits"],
)
def test_a_conversation_that_others_use_is_left(world, use):
    thread_id = world.thread()
    world.ended(thread_id)
    use(world, thread_id)
    assert not world.service.delete_thread(thread_id, "i-1")
    assert not world.held(thread_id)["deleted"]


def test_a_conversation_of_unknown_origin_or_users_is_left(world):
    foreign = world.service._transport.post("/openai/v1/conversations", {})["id"]
    assert not world.service.delete_thread(foreign, "i-1")
    thread_id = world.thread()
    world.ended(thread_id)
    world.emulator.set_unknowns(response_metadata_list="empty", response_metadata_get="empty")
    assert not world.service.delete_thread(thread_id, "i-1")


def test_time_moves_only_where_a_test_moves_it(world):
    thread_id = world.thread()
    run = world.run(thread_id)
    assert world.service.get_run(thread_id, run.run_id).raw_status == "queued"
    world.clock.advance(LONG)
    assert world.service.get_run(thread_id, run.run_id).raw_status == "completed"


# --- a look at calls that are open ---


def test_a_call_of_somebody_else_that_is_open_is_told_and_nothing_is_changed(world):
    thread_id = world.thread()
    world.service.refuse_open_calls(thread_id)
    world.foreign(thread_id)
    before = world.held(thread_id)
    with pytest.raises(errors.WaitsForToolError, match="get_weather"):
        world.service.refuse_open_calls(thread_id)
    assert world.held(thread_id) == before


def test_a_call_of_this_app_that_is_open_keeps_nobody_away(world):
    thread_id = world.thread()
    world.ended(thread_id, "tool")
    world.service.refuse_open_calls(thread_id)
