"""What a lost POST comes to where a service is slower than the grace, or hides what works: the four situations in which
the second generation cannot be exactly once (foundry-responses.md, section 5.2), and their neighbours, in which it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from contracts.generations import CAPABILITIES, Generation
from local.foundry_emulator import Agent
from local.foundry_emulator.scripts import Answer, Call, Phase, Quota, Script
from local.foundry_emulator.second.unknowns import Unknowns
from tests.e2e.world import World
from tests.faults.caller import Caller, mentioned_by, new_thread, shown
from tests.faults.lost_posts import HOST, wrong_with

ONLY: Generation = "responses"

pytestmark = pytest.mark.e2e

GRACE = CAPABILITIES["responses"].grace_seconds
LONGER = Agent(name="longer", description="Works longer than the grace.", script=Script(phases=(Phase(seconds=50),)))
WAITED_FOR = msgspec.structs.replace(LONGER, name="waitedFor", id="")
"""Of its own, since the app remembers who refuses to work in the background."""

SCARCE = Agent(
    name="scarce",
    description="Asks for a call; has quota for one response in 40 s.",
    script=Script(
        phases=(Phase(seconds=1), Phase(calls=(Call(name="get_weather"),)), Phase(seconds=1)),
        answer=Answer(kind="tools"),
        quota=Quota(runs=1, seconds=40),
    ),
)


@pytest.fixture(scope="module")
def one_world(generation: Generation) -> Iterator[World]:
    with World(speed=20, env=HOST, emulator={"agents": [LONGER, WAITED_FOR, SCARCE]}) as made:
        yield made


@pytest.fixture
def world(one_world: World) -> World:
    one_world.emulator.faults.clear()
    one_world.emulator.set_unknowns(**msgspec.to_builtins(Unknowns()))
    return one_world


def lose(world: World, operation: str, agent: str, thread_id: str, *, skip: int = 0, **unknowns: Any) -> dict[str, Any]:
    """Run the agent, with the answer to one request lost after its effect; return the conversation in the end."""
    world.emulator.set_unknowns(**unknowns)
    about = mentioned_by(thread_id)
    world.emulator.faults.add("reset", operation=operation, effect="first", skip=skip, mentions=about)
    caller = Caller(world, patience=120)
    message = f"{operation}-of-{agent}-on-{thread_id}"
    document = caller.end(caller.start(agent, message, thread_id=thread_id, timeout_seconds=1000))
    assert document["status"] == "Success", shown(document)
    assert f'You wrote: "{message}"' in document["response"]
    caller.until_true(lambda: not working(world, thread_id))
    return dict(world.emulator.ledger().conversations[thread_id])


def working(world: World, thread_id: str) -> list[str]:
    responses = world.emulator.ledger().conversations[thread_id]["responses"]
    return [one["id"] for one in responses if one["status"] in {"queued", "in_progress"}]


def counts(conversation: dict[str, Any]) -> tuple[int, int]:
    """How many user messages and responses the conversation has."""
    return conversation["user_messages"], len(conversation["responses"])


def one_stamp(conversation: dict[str, Any]) -> bool:
    """Whether all responses are of one and the same request, as the ledger tells."""
    return len({str(one["metadata"]) for one in conversation["responses"]}) == 1


# --- the four situations ---------------------------------------------------------------------------------------------


def test_situation_a_a_lost_post_takes_effect_later_than_the_grace(world: World) -> None:
    conversation = lose(world, "create_response", "history", new_thread(world), late_effect=2 * GRACE, p3="allowed")
    caller = Caller(world)
    thread_id = next(i for i, c in world.emulator.ledger().conversations.items() if c["items"] == conversation["items"])
    caller.until_true(lambda: len(world.emulator.ledger().conversations[thread_id]["responses"]) == 2)
    caller.until_true(lambda: not working(world, thread_id))
    conversation = world.emulator.ledger().conversations[thread_id]
    assert counts(conversation) == (1, 2)
    assert one_stamp(conversation)


@pytest.mark.parametrize("unknowns", [{"p2": "hidden"}, {"list_lag": 2 * GRACE, "item_lag": 2 * GRACE}])
def test_situation_b_a_run_longer_than_the_grace_is_hidden_and_nothing_is_locked(
    world: World, unknowns: dict[str, Any]
) -> None:
    conversation = lose(world, "create_response", "longer", new_thread(world), p3="allowed", **unknowns)
    assert counts(conversation) == (1, 2)
    assert one_stamp(conversation)


def test_situation_c_items_lag_longer_than_the_grace(world: World) -> None:
    conversation = lose(world, "add_items", "history", new_thread(world), item_lag=2 * GRACE)
    assert counts(conversation) == (2, 1)
    assert len({item["text"] for item in conversation["items"] if item["role"] == "user"}) == 1


def test_situation_d_a_hidden_run_ends_between_the_last_look_and_the_repetition(world: World) -> None:
    thread_id = new_thread(world)
    # What is sent again is on its way for so long that the run, which locks the conversation, has ended before.
    world.emulator.faults.add(
        "delay", operation="create_response", effect="last", seconds=2.5, skip=1, mentions=mentioned_by(thread_id)
    )
    conversation = lose(world, "create_response", "longer", thread_id, p2="hidden", p3="locked")
    assert counts(conversation) == (1, 2)
    assert one_stamp(conversation)


# --- and right beside them -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p3", ["locked", "in_progress", "conflict"])
def test_with_a_lock_a_hidden_run_longer_than_the_grace_is_waited_for(world: World, p3: str) -> None:
    """Its end falls between a look and a repetition now and then, which is situation (d): then once more."""
    for _ in range(3):
        conversation = lose(world, "create_response", "longer", new_thread(world), p2="hidden", p3=p3)
        if counts(conversation) != (1, 2):
            break
        assert one_stamp(conversation)
    assert counts(conversation) == (1, 1)
    assert len(world.emulator.ledger().of("create_response")) > 1


def test_a_run_longer_than_the_grace_is_found_where_lists_show_it(world: World) -> None:
    conversation = lose(world, "create_response", "longer", new_thread(world), p3="allowed", list_lag=GRACE / 2)
    assert counts(conversation) == (1, 1)


def test_a_request_that_waits_for_its_answer_is_not_repeated_before_its_gateway_has_given_it_up(world: World) -> None:
    """Longer than the grace of others, without a lock, and hidden: situation (b), but for the longer grace."""
    unknowns = {"p16": "all", "p2": "hidden", "p3": "allowed"}
    conversation = lose(world, "create_response", "waitedFor", new_thread(world), skip=1, **unknowns)
    assert counts(conversation) == (1, 1)
    assert conversation["responses"][0]["background"] is False


@pytest.mark.parametrize("lag", [0.0, GRACE / 2])
def test_the_same_words_twice_are_two_messages(world: World, lag: float) -> None:
    """The second one comes when items show the first one's message, and not its answer yet."""
    world.emulator.set_unknowns(item_lag=lag, list_lag=lag)
    thread_id, caller = new_thread(world), Caller(world)
    ended = [caller.end(world.start("slow", "yes", thread_id=thread_id)) for _ in range(2)]
    assert [one["status"] for one in ended] == ["Success"] * 2
    conversation = world.emulator.ledger().conversations[thread_id]
    assert not [*wrong_with(conversation, ["yes"] * 2, {one["instanceId"]: 1 for one in ended})]


@pytest.mark.parametrize("p11", ["dropped", "kept"])
def test_an_answer_whose_response_lacks_quota_reaches_the_agent(world: World, p11: str) -> None:
    world.emulator.set_unknowns(p11=p11)
    caller = Caller(world, patience=120)
    document = caller.answer_until_ended(caller.start("scarce", f"quota-{p11}", timeout_seconds=1000))
    assert (document["status"], document["response"]) == ("Success", "The tools said: get_weather"), shown(document)
    conversation = world.emulator.ledger().conversations[document["thread_id"]]
    # The first one may have lacked quota, too: the agent's other run has it.
    assert [one["status"] for one in conversation["responses"]][-3:] == ["completed", "failed", "completed"]
    assert conversation["open_calls"] == []
