"""Whose turn it is on a thread, through the activities: one owner, a line behind it, nobody who holds it for ever."""

# ruff: noqa: F811 - fixtures

from __future__ import annotations

import asyncio
import json
import threading

import msgspec
import pytest

from activities import threads, turns
from activities.others import others_by
from contracts.activities import (
    CancelledRun,
    CancelRun,
    CreateThread,
    DeleteThread,
    MessageRef,
    SubmitToolOutputs,
    ThreadDeletion,
    ThreadRef,
    Turn,
)
from contracts.generations import CAPABILITIES
from contracts.runs import Effect, RunSnapshot, RunState, ToolAnswer
from foundry import errors
from ownership.instances import InstanceNotSeenError
from ownership.threads import document_of, former_of, leave, take_place
from store.documents import StoreError
from tests.contract.project import ROOT
from tests.unit.scripted import STAMP
from tests.unit.test_activities import (  # noqa: F401 - fixtures count
    ME,
    MESSAGE,
    NEW_RUN,
    REF,
    RUN,
    _given,
    environment,
    others,
    run,
    service,
    store,
)

ENDED = [s for s in RunState if s.is_ended]


def line(store, thread_id="thread_1"):
    found = store.read(document_of(thread_id))
    return found.value["line"] if found else None


def owned_by(store, *instances, thread_id="thread_1"):
    for instance in instances:
        take_place(store, thread_id, instance, lambda _: False)


def post(**turn):
    return run("create_message", msgspec.structs.replace(MESSAGE, turn=Turn(**turn)), MessageRef)


def start(turn):
    return run("create_run", msgspec.structs.replace(NEW_RUN, turn=turn), RunSnapshot)


# --- taking a turn ----------------------------------------------------------------------------------------------------


def test_a_new_thread_is_its_creators_before_anybody_learns_of_it(store):
    thread_id = run("create_thread", CreateThread(runs_as=ME, stamp=STAMP), ThreadRef).value.thread_id
    assert line(store, thread_id) == [ME]


def test_a_new_thread_takes_one_request_to_the_store_and_its_message_another(store, others):
    run("create_thread", CreateThread(runs_as=ME, stamp=STAMP), ThreadRef)
    assert store.requests == 1
    assert post().value is not None
    assert store.requests == 2
    assert others.looked_at == []


def test_a_thread_that_is_found_again_keeps_its_line(service, store):
    service.created["thread", STAMP] = "thread_1"
    owned_by(store, "other")
    run("create_thread", CreateThread(runs_as=ME, stamp=STAMP, repeated=True), ThreadRef)
    assert line(store) == ["other", ME]


def test_the_message_is_posted_by_the_owner_only(service, store, others):
    owned_by(store, "other")
    others.add("other")
    failure = post().failure
    assert (failure.code, failure.waiting_instance, failure.position) == ("thread_busy", "other", 1)
    assert (failure.retryable, failure.message) == (
        False,
        "instance other uses thread thread_1, and 1 come before this run",
    )
    assert service.calls == [], "Foundry is not asked for those who wait"
    assert line(store) == ["other", ME]
    leave(store, "thread_1", "other")
    assert post().value is not None


def test_a_message_that_is_there_is_not_posted_again_by_its_owner(service, store):
    assert post().value == post().value
    assert len(service.posted("message")) == 1


@pytest.mark.parametrize("status", ["Completed", "Failed", "Terminated", None])
def test_whoever_has_ended_or_is_gone_is_passed_over(store, others, status):
    owned_by(store, "first", "second")
    for instance in ("first", "second"):
        if status:
            others.add(instance, status)
    assert post().value is not None
    assert line(store) == [ME]


@pytest.mark.parametrize("status", ["Running", "Pending", "Suspended", "ContinuedAsNew"])
def test_whoever_goes_on_is_waited_for(store, others, status):
    owned_by(store, "first")
    others.add("first", status)
    assert post().failure.waiting_instance == "first"


def test_an_instance_that_is_brought_back_goes_on(store, others):
    owned_by(store, "first")
    others.add("first", "Failed")
    others.known["first"]["output"] = "One or more errors occurred. (x exited with code 137 (0x89))"
    assert post().failure.waiting_instance == "first"


def test_a_platform_that_does_not_say_is_asked_again(service, store, others):
    owned_by(store, "first")
    others.known["first"] = InstanceNotSeenError("no answer")
    failure = post().failure
    assert (failure.code, failure.retryable) == ("instance_not_seen", True)
    assert service.calls == []


def test_looks_at_many_who_have_ended_end_in_time(store, others, monkeypatch):
    owned_by(store, *(f"i{n:02}" for n in range(20)))
    times = iter(range(1000))
    monkeypatch.setattr(turns, "monotonic", lambda: next(times) * 10)
    assert post().failure.code == "thread_busy"
    left = line(store)
    assert 0 < len(left) - 1 < 20, "what was found is kept"
    assert left[-1] == ME


# --- an owner whose run has ended -------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", list(RunState))
def test_the_next_in_turn_sees_the_end_of_the_owners_run_before_the_owner_does(service, store, others, state):
    owned_by(store, "first")
    others.add("first", thread_id="thread_1", run_id="run_x")
    service.run = msgspec.structs.replace(RUN, run_id="run_x", state=state)
    result = post()
    assert (result.value is not None) is state.is_ended
    assert line(store) == ([ME] if state.is_ended else ["first", ME])
    leave(store, "thread_1", "first")  # as its own orchestration does, later
    assert line(store) == [ME]


@pytest.mark.parametrize("generation", ["classic", "responses"])
def test_what_the_owner_has_left_is_noted_where_lists_do_not_tell_it(service, store, others, generation):
    service.capabilities = CAPABILITIES[generation]
    owned_by(store, "first")
    others.add("first", thread_id="thread_1", run_id="run_x")
    service.run = msgspec.structs.replace(RUN, run_id="run_x", state=RunState.COMPLETED, shows_items=True)
    assert post().value is not None
    former = former_of(store, "thread_1")
    if generation == "classic":
        assert former is None
    else:
        assert (former.run_ids, former.shows_items) == (("run_x",), True)
        assert service.former == former
    service.run = msgspec.structs.replace(RUN, run_id="run_y", closed_by=("run_z",), state=RunState.CANCELLED)
    run("get_run", REF, RunSnapshot)
    former = former_of(store, "thread_1")
    assert (former and (former.run_ids, former.shows_items)) == (
        None if generation == "classic" else (("run_y", "run_z"), False)
    )


def test_the_runs_that_a_run_went_on_behind_are_noted_too(service, store):
    """Their calls may look open for as long as the answers to them do not show."""
    service.capabilities = CAPABILITIES["responses"]
    owned_by(store, ME)
    service.run = msgspec.structs.replace(RUN, run_id="run_y", state=RunState.COMPLETED)
    run("get_run", msgspec.structs.replace(REF, earlier_runs=("run_w", "run_x")), RunSnapshot)
    assert former_of(store, "thread_1").run_ids == ("run_w", "run_x", "run_y")


def test_an_owner_that_has_ended_is_known_by_the_run_that_it_shows(service, store, others):
    service.capabilities = CAPABILITIES["responses"]
    owned_by(store, "first")
    others.add("first", "Completed", thread_id="thread_1", run_id="run_x", run_state="completed")
    assert post().value is not None
    former = former_of(store, "thread_1")
    assert (former.run_ids, former.shows_items) == (("run_x",), True)


def test_an_owner_that_waits_for_quota_keeps_its_thread(service, store, others):
    owned_by(store, "first")
    others.add("first", thread_id="thread_1", run_id="run_x")
    service.run = msgspec.structs.replace(RUN, state=RunState.FAILED, rate_limited=True)
    assert post().failure.waiting_instance == "first"


def test_only_the_next_in_turn_looks_at_the_run(service, store, others):
    owned_by(store, "first", "second")
    others.add("first", thread_id="thread_1", run_id="run_x")
    service.run = msgspec.structs.replace(RUN, state=RunState.COMPLETED)
    assert post().failure.position == 2
    assert service.calls == []


@pytest.mark.parametrize("custom", [{}, {"thread_id": "thread_2", "run_id": "run_x"}, {"thread_id": "thread_1"}])
def test_an_owner_that_shows_no_run_on_the_thread_keeps_it(service, store, others, custom):
    owned_by(store, "first")
    others.add("first", **custom)
    service.run = msgspec.structs.replace(RUN, state=RunState.COMPLETED)
    assert post().failure.waiting_instance == "first"


def test_a_look_that_fails_lets_the_owner_keep_the_thread(service, store, others):
    owned_by(store, "first")
    others.add("first", thread_id="thread_1", run_id="run_x")
    service.faults = {"get_run": errors.UnavailableError("503")}
    assert post().failure.waiting_instance == "first"


# --- fail and replace -------------------------------------------------------------------------------------------------


def test_who_does_not_want_to_wait_takes_no_place(store, others):
    owned_by(store, "first")
    others.add("first")
    failure = post(if_busy="fail").failure
    assert (failure.code, failure.waiting_instance) == ("thread_busy", "first")
    assert line(store) == ["first"]
    assert others.asked == []
    others.add("first", "Completed")
    assert post(if_busy="fail").value is not None


def test_who_replaces_is_next_and_asks_the_owner_again_and_again(store, others):
    owned_by(store, "first", "second")
    others.add("first")
    for _ in range(2):
        assert post(if_busy="replace").failure.position == 1
    assert line(store) == ["first", ME, "second"]
    assert others.asked == [("first", f"replaced by instance {ME}")] * 2
    others.add("first", "Terminated")
    assert post(if_busy="replace", replaces="first").value is not None


def test_an_owner_that_cancels_already_is_not_asked(store, others):
    owned_by(store, "first")
    others.add("first", status="Running")
    others.known["first"]["customStatus"] = {"status": "Cancelling"}
    assert post(if_busy="replace").failure is not None
    assert others.asked == []


def test_who_came_later_to_replace_is_not_asked_by_whom_it_has_overtaken(store, others):
    owned_by(store, "first")
    others.add("first")
    others.add("later")
    post(if_busy="replace")
    take_place(store, "thread_1", "later", lambda _: False, next_in_turn=True)
    assert line(store) == ["first", "later", ME]
    leave(store, "thread_1", "first")
    others.asked.clear()
    assert post(if_busy="replace", replaces="first").failure.waiting_instance == "later"
    assert others.asked == []
    assert line(store) == ["later", ME]


# --- runs -------------------------------------------------------------------------------------------------------------


def test_a_run_whose_message_is_posted_takes_no_turn(store, others):
    owned_by(store, "other")
    others.add("other")
    assert start(None).value is not None


def test_a_run_without_a_message_takes_its_turn(service, store, others):
    owned_by(store, "other")
    others.add("other")
    assert start(Turn()).failure.waiting_instance == "other"
    assert service.calls == []
    leave(store, "thread_1", "other")
    assert start(Turn()).value is not None
    assert line(store) == [ME]


# --- leaving ----------------------------------------------------------------------------------------------------------


def ended_calls(state, **fields):
    seen = msgspec.structs.replace(RUN, state=state, **fields)
    cancel = CancelRun(runs_as=ME, thread_id="thread_1", run_id="run_1", effect=Effect(stamp=STAMP))
    submit = SubmitToolOutputs(
        runs_as=ME,
        thread_id="thread_1",
        run_id="run_1",
        answer=ToolAnswer(),
        agent_id="asst_1",
        effect=Effect(stamp=STAMP),
    )
    return seen, [
        ("get_run", "get_run", REF, RunSnapshot),
        ("create_run", "create_run", NEW_RUN, RunSnapshot),
        ("create_run", "find_run", NEW_RUN, RunSnapshot),
        ("cancel_run", "cancel_run", cancel, CancelledRun),
        ("submit_tool_outputs", "submit_tool_outputs", submit, RunSnapshot),
    ]


@pytest.mark.parametrize("state", list(RunState))
@pytest.mark.parametrize("which", range(5))
def test_whoever_sees_the_runs_end_leaves_the_line(service, store, which, state):
    seen, calls = ended_calls(state)
    name, method, message, kind = calls[which]
    setattr(service, method, lambda *_, **__: seen)
    owned_by(store, ME, "next")
    assert run(name, message, kind).failure is None
    assert line(store) == (["next"] if state.is_ended else [ME, "next"])


@pytest.mark.parametrize("which", range(5))
def test_a_run_that_lacked_quota_keeps_its_thread(service, store, which):
    seen, calls = ended_calls(RunState.FAILED, rate_limited=True)
    name, method, message, kind = calls[which]
    setattr(service, method, lambda *_, **__: seen)
    owned_by(store, ME)
    run(name, message, kind)
    assert line(store) == [ME]


def test_the_last_one_leaves_nothing_behind(service, store):
    owned_by(store, ME)
    service.run = msgspec.structs.replace(RUN, state=RunState.COMPLETED)
    run("get_run", REF, RunSnapshot)
    assert store.documents == {}


def test_a_thread_for_which_somebody_waits_is_not_deleted(service, store):
    owned_by(store, ME, "next")
    wanted = DeleteThread(thread_id="thread_1", instance_id=ME)
    assert run("delete_thread", wanted, ThreadDeletion).value.deleted is False
    assert service.calls == []
    leave(store, "thread_1", "next")
    assert run("delete_thread", wanted, ThreadDeletion).value.deleted is True


def away():
    raise StoreError("the storage is away")


@pytest.mark.parametrize("state", ENDED)
def test_a_store_that_is_away_does_not_keep_a_run_from_its_end(service, store, caplog, state):
    service.run = msgspec.structs.replace(RUN, state=state)
    store.faults = ["lost"]
    with caplog.at_level("INFO"):
        assert run("get_run", REF, RunSnapshot).failure is None
        _given["open_store"] = away
        assert run("get_run", REF, RunSnapshot).failure is None
    assert [m.split()[0] for m in caplog.messages].count("agent_run.thread_not_left") == 2


@pytest.mark.parametrize("retryable", [True, False])
@pytest.mark.parametrize(
    ("name", "message", "kind"),
    [
        ("create_thread", CreateThread(runs_as=ME, stamp=STAMP), ThreadRef),
        ("create_message", MESSAGE, MessageRef),
        ("create_run", msgspec.structs.replace(NEW_RUN, turn=Turn()), RunSnapshot),
    ],
)
def test_a_store_that_is_away_is_a_failure_that_says_so(service, caplog, name, message, kind, retryable):
    def fail():
        raise StoreError("the storage is away", retryable=retryable)

    _given["open_store"] = fail
    with caplog.at_level("INFO"):
        failure = run(name, message, kind).failure
    assert (failure.code, failure.message, failure.retryable) == ("store_unavailable", "the storage is away", retryable)
    [said] = [m for m in caplog.messages if m.startswith("agent_run.store_error ")]
    assert json.loads(said.split(" ", 1)[1])["activity"] == name
    assert service.posted("message") == service.posted("run") == []


# --- the platform's client, from a thread -----------------------------------------------------------------------------


class Client:
    def __init__(self):
        self.asked = []

    async def get_status(self, instance_id):
        self.asked.append((instance_id, threading.current_thread().name))

    async def raise_event(self, instance_id, event, data):
        if instance_id == "ended":
            raise RuntimeError("410")
        self.asked.append((instance_id, event, data))


async def asked_in_a_thread(client, work):
    platform = others_by(client)
    return await threads.in_a_thread(lambda: work(platform))


def test_what_blocks_in_a_thread_asks_the_platform_on_the_loop(caplog):
    client = Client()

    def work(platform):
        assert threading.current_thread().name.startswith("activity")
        assert platform.status_of("a b/c") is None
        platform.ask_to_cancel("ended", "why")
        platform.ask_to_cancel("i1", "why")
        return "done"

    with caplog.at_level("INFO"):
        assert asyncio.run(asked_in_a_thread(client, work)) == "done"
    assert client.asked == [("a%20b%2Fc", threading.main_thread().name), ("i1", "cancel", {"reason": "why"})]
    assert [m.split()[0] for m in caplog.messages] == ["agent_run.not_asked_to_cancel"]


def test_a_platform_that_fails_is_said_so():
    class Broken:
        async def get_status(self, instance_id):
            raise RuntimeError("500")

    with pytest.raises(InstanceNotSeenError):
        asyncio.run(asked_in_a_thread(Broken(), lambda platform: platform.status_of("i1")))


def test_there_are_as_many_threads_as_the_platform_hands_out_activities():
    host = json.loads((ROOT / "host.json").read_text("utf-8"))
    assert host["extensions"]["durableTask"]["maxConcurrentActivityFunctions"] == threads.MOST_AT_ONCE
    assert threads._threads._max_workers == threads.MOST_AT_ONCE


# --- a place that is lost while the activity is under way -----------------------------------------------------------


def passed_over_by(store, service, newcomer):
    """Let the platform say, while Foundry is asked for the message, that this run was terminated: who waits goes on."""
    look = service.find_message

    def find_message(*given):
        take_place(store, "thread_1", newcomer, lambda _: True)
        return look(*given)

    service.find_message = find_message


def test_who_was_terminated_and_passed_over_meanwhile_posts_no_message(store, service, others):
    owned_by(store, ME, "next")
    passed_over_by(store, service, "next")
    failure = post().failure
    assert (failure.code, failure.waiting_instance) == ("thread_busy", "next")
    assert "create_message" not in [name for name, *_ in service.calls]
    assert line(store) == ["next"]


def test_who_has_lost_a_place_that_is_free_again_asks_once_more(store, service, others):
    owned_by(store, ME, "next")
    passed_over_by(store, service, "next")
    look = service.find_message

    def find_message(*given):
        found = look(*given)
        leave(store, "thread_1", "next")
        return found

    service.find_message = find_message
    assert post().failure.code == "thread_busy"
    service.find_message = type(service).find_message.__get__(service)
    assert post().value is not None


def test_the_ticket_is_looked_at_only_where_somebody_waits(store, others):
    owned_by(store, ME)
    store.requests = 0
    assert post().value is not None
    assert store.requests == 1
    owned_by(store, "next")
    store.requests = 0
    run(
        "create_message",
        msgspec.structs.replace(MESSAGE, stamp=msgspec.structs.replace(STAMP, operation_id="op-2:message")),
        MessageRef,
    )
    assert store.requests == 2
