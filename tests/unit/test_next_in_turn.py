"""Who stays near its turn: for how long, how often it looks, and who does not."""

# ruff: noqa: F811 - fixtures

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from activities import foundry_calls, next_in_turn
from activities.next_in_turn import MOST_STAYS, NEAR, STAY_SECONDS, Stays, TurnSeen
from activities.slots import Slots
from activities.threads import MOST_AT_ONCE
from contracts.activities import ActivityResult, MessageRef, Turn
from contracts.runs import RunState
from contracts.wire import from_wire, to_wire
from ownership.line import Place
from ownership.threads import leave, take_place
from settings import load_settings
from store.documents import StoreError
from tests.unit.test_activities import (  # noqa: F401 - fixtures count
    ME,
    MESSAGE,
    NEW_RUN,
    RUN,
    _given,
    environment,
    function,
    others,
    service,
    store,
)
from tests.unit.test_turns import line, owned_by

STAYING = msgspec.structs.replace(MESSAGE, turn=Turn(stays=True))


@dataclass
class Passing:
    """Time that passes only where somebody sleeps; `happenings` are what happens at a moment."""

    now: float = 0.0
    happenings: dict[float, object] = field(default_factory=dict)
    slots: Slots = field(default_factory=lambda: Slots(1))

    async def sleep(self, seconds):
        assert seconds > 0
        self.now += seconds
        for moment in [m for m in self.happenings if m <= self.now]:
            self.happenings.pop(moment)()

    def stays(self):
        return Stays(self.slots, clock=lambda: self.now, sleep=self.sleep)


@pytest.fixture
def time():
    return Passing()


@pytest.fixture
def post(time, service, others, environment):
    """Run the activity as the worker calls it."""
    for name, value in (
        ("stays_of_worker", time.stays()),
        ("document_store", lambda: _given["open_store"]() if _given["open_store"] else _given["store"]),
        ("agent_service", lambda *_: service),
    ):
        environment.setattr(foundry_calls, name, value)
    service.within = lambda _: service

    async def in_a_thread(work):
        return work()

    environment.setattr(foundry_calls, "in_a_thread", in_a_thread)
    environment.setattr(foundry_calls, "others_by", lambda _: others)

    def run(message=STAYING):
        payload = json.loads(json.dumps(to_wire(message)))
        wire = asyncio.run(function("create_message").client_function(payload=payload, client=None, context=None))
        return from_wire(ActivityResult[MessageRef], json.loads(json.dumps(wire)))

    return run


def long_at_work():
    return msgspec.structs.replace(RUN, created_at=int(datetime.now(UTC).timestamp()) - 60)


def in_line(store, others, *before):
    owned_by(store, *before, ME)
    for instance in before:
        others.add(instance)


def test_the_next_in_turn_stays_and_posts_as_soon_as_the_owner_has_left(time, store, others, post):
    in_line(store, others, "first")
    time.happenings[1.0] = lambda: leave(store, "thread_1", "first")
    assert post().value is not None
    assert time.now == pytest.approx(1.0, abs=next_in_turn.LONGEST_LOOK_SECONDS)
    assert line(store) == [ME]


def test_the_next_in_turn_sees_that_the_owner_has_ended_without_a_word(time, store, others, post):
    in_line(store, others, "first")
    time.happenings[1.0] = lambda: others.add("first", "Terminated")
    assert post().value is not None
    assert time.now < 2.0


def test_who_was_not_seen_near_the_front_before_says_first_what_it_waits_for(time, store, others, post):
    in_line(store, others, "first")
    assert post(MESSAGE).failure.waiting_instance == "first"
    assert time.now == 0.0
    post()
    assert time.now > 0.0


def test_a_stay_is_short_and_looks_at_the_line_more_often_than_at_the_owner(time, service, store, others, post):
    in_line(store, others, "first")
    others.add("first", thread_id="thread_1", run_id="run_x")
    service.run = long_at_work()
    store.requests = 0
    failure = post().failure
    assert (failure.code, failure.position) == ("thread_busy", 1)
    assert STAY_SECONDS - next_in_turn.LONGEST_LOOK_SECONDS <= time.now <= STAY_SECONDS
    assert [c[0] for c in service.calls] == ["get_run"] * 2
    assert store.requests == 5, "two attempts, and a look each second"


@pytest.mark.parametrize(
    ("position", "worked", "seen_for", "pause"),
    [(1, 0, 0, 0.5), (1, 8, 0, 0.8), (1, 0, 8, 0.8), (1, -50, 0, 0.5), (1, 600, 1, 2.0), (2, 0, 0, 2.0)],
)
def test_the_younger_the_owners_run_the_more_often_the_next_in_turn_looks_at_it(position, worked, seen_for, pause):
    seen = TurnSeen()
    seen.turn = next_in_turn.NotItsTurnError("thread_1", Place(position, "first"), worked)
    assert seen.pause_after(seen_for) == pytest.approx(pause)


@pytest.mark.parametrize(
    ("position", "worked", "seen_for", "look"),
    [(1, 0, 0, 0.1), (1, 0, 2, 0.2), (1, 5, 0, 0.5), (1, 60, 1, 1.0), (2, 0, 2, 0.4), (3, 0, 0, 0.3), (3, 0, 9, 1.0)],
)
def test_the_nearer_the_front_and_the_younger_the_owners_run_the_more_often_the_line_is_looked_at(
    position, worked, seen_for, look
):
    seen = TurnSeen()
    seen.turn = next_in_turn.NotItsTurnError("thread_1", Place(position, "first"), worked)
    assert seen.look_after(seen_for) == pytest.approx(look)


@pytest.mark.parametrize(("seconds", "reads"), [(2, 30), (10, 66), (30, 126), (60, 216)])
def test_what_the_looks_of_three_who_stay_cost_the_store(time, store, seconds, reads):
    """While one owner works for so long: docs/operations.md, "Cost"."""
    made = 0
    for position in range(1, NEAR + 1):
        seen, at = TurnSeen(), 0.0
        seen.turn = next_in_turn.NotItsTurnError("thread_1", Place(position, "first"), 0.0)
        while (at := at + seen.look_after(at)) < seconds:
            made += 1
    assert made == reads


@pytest.mark.parametrize("before", range(1, NEAR + 3))
def test_who_stands_far_from_the_front_does_not_stay(time, store, others, post, before):
    in_line(store, others, *(f"before-{n}" for n in range(before)))
    assert post().failure.position == before
    assert (time.now > 0) is (before <= NEAR)


def test_who_comes_nearer_waits_on_for_the_next_owner(time, store, others, post):
    in_line(store, others, "first", "second")
    time.happenings[0.5] = lambda: leave(store, "thread_1", "first")
    time.happenings[1.0] = lambda: leave(store, "thread_1", "second")
    assert post().value is not None
    assert time.now < 1.5


def test_the_deadline_ends_a_stay(time, store, others, post):
    in_line(store, others, "first")
    until = datetime.now(UTC) + timedelta(seconds=2)
    assert post(msgspec.structs.replace(STAYING, until=until)).failure.code == "thread_busy"
    assert 1.0 < time.now <= 2.0


def test_a_store_that_goes_away_ends_a_stay_and_says_so(time, service, store, others, post):
    in_line(store, others, "first")
    others.add("first", thread_id="thread_1", run_id="run_x")
    service.run = long_at_work()

    def away():
        raise StoreError("the storage is away")

    time.happenings[1.0] = lambda: _given.update(open_store=away)
    assert post().failure.code == "store_unavailable"
    assert time.now < 1.5


def test_the_run_has_the_time_that_its_message_has_left(time, service, store, others, post, environment):
    """An activity that exceeds `functionTimeout` costs its worker everything in flight."""
    environment.setenv("FOUNDRY_MAX_LOOKS_PER_SECOND", "0")
    environment.setattr(foundry_calls.host_clock, "seconds", lambda: time.now)
    given, at_once = [], service.create_message
    service.within = lambda seconds: given.append(round(seconds)) or service

    def slow(*message):
        time.now += slow.seconds
        return at_once(*message)

    service.create_message = slow
    run = msgspec.structs.replace(NEW_RUN, turn=None)
    for slow.seconds in (90, 119):
        service.created.clear()
        assert post(msgspec.structs.replace(MESSAGE, run=run)).value.run.value is not None
    assert given == [120, 30, 120, 10]


@pytest.mark.parametrize("if_busy", ["fail", "replace"])
def test_who_does_not_wait_is_told_of_a_run_whose_end_an_earlier_execution_has_seen(
    store, others, post, service, if_busy
):
    run = msgspec.structs.replace(NEW_RUN, turn=None)
    wanted = msgspec.structs.replace(MESSAGE, turn=Turn(if_busy=if_busy, replaces="old"), run=run)
    service.run = msgspec.structs.replace(RUN, state=RunState.COMPLETED)
    service.create_run = lambda *_, **__: service.run
    assert post(wanted).value.run.value.state == RunState.COMPLETED
    take_place(store, "thread_1", "next", lambda _: False)
    others.add("next")
    assert line(store) == ["next"]
    assert post(wanted).failure.code == "thread_busy", "no run bears its stamp"
    wanted = msgspec.structs.replace(wanted, turn=Turn(if_busy=if_busy))
    service.find_run = lambda *_: service.run
    posted = post(wanted).value
    assert (posted.message_id, posted.run.value.state) == ("message_1", RunState.COMPLETED)
    assert line(store) == ["next"]
    assert others.asked == [], "the next one is left alone"


def test_only_a_few_stay_at_once_and_each_gives_its_place_back(time, store, others, post):
    in_line(store, others, "first")
    assert time.slots.take()
    assert post().failure.code == "thread_busy"
    assert time.now == 0.0
    time.slots.give_back()
    post()
    assert time.now > 0.0
    assert time.slots.take(), "whoever has stayed gives its place back"


def test_a_place_is_given_back_where_an_attempt_breaks(time):
    seen = TurnSeen()

    async def attempt():
        return None

    async def breaks():
        raise ZeroDivisionError

    class Near(TurnSeen):
        is_near = True

    seen = Near()
    seen.turn = next_in_turn.NotItsTurnError("thread_1", Place(1, "first"))
    seen.seconds_left = 1.0
    with pytest.raises(ZeroDivisionError):
        asyncio.run(time.stays().until_its_turn(attempt, seen, breaks))
    assert time.slots.take()


def test_those_who_stay_leave_most_activities_to_others():
    assert 0 < MOST_STAYS <= MOST_AT_ONCE // 4


def test_where_nobody_watches_nobody_stays(time, store, others, post, environment):
    environment.setenv("FOUNDRY_MAX_LOOKS_PER_SECOND", "0")
    in_line(store, others, "first")
    assert post().failure.code == "thread_busy"
    assert time.now == 0.0


def test_a_line_that_moved_is_told_by_its_front(store, others, environment):
    seen = TurnSeen()
    in_line(store, others, "first")
    with pytest.raises(next_in_turn.NotItsTurnError):
        seen.noting(lambda *_: raise_turn(store))(load_settings(), MESSAGE)
    assert not seen.has_moved(lambda: store)
    take_place(store, "thread_1", "last", lambda _: False)
    assert not seen.has_moved(lambda: store)
    leave(store, "thread_1", "first")
    assert seen.has_moved(lambda: store)
    leave(store, "thread_1", ME)
    leave(store, "thread_1", "last")
    assert seen.has_moved(lambda: store)


def raise_turn(store):
    raise next_in_turn.NotItsTurnError("thread_1", take_place(store, "thread_1", ME, lambda _: False))
