"""Conversations of the second generation over real HTTP, under every answer to what no source says about the service,
as far as a caller sees it (docs/foundry-responses.md, section 11).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest

from contracts.generations import Generation
from local.foundry_emulator.scripts import Agent, Answer, Call, Phase, Script
from local.foundry_emulator.second.unknowns import Unknowns
from tests.e2e.generations import NOWHERE
from tests.e2e.somebody import asked, new_thread, say, start_run
from tests.e2e.world import World, classic_agent, one_message_one_run, until

pytestmark = pytest.mark.e2e
ONLY: Generation = "responses"

ROUNDS = 8
CONSENT = Call(type="oauth_consent_request", name="consent", server_label="github")
CALL = Call(name="get_weather", arguments={"city": "Oslo"})
ASKS = Script(phases=(Phase(seconds=0.1), Phase(calls=(CALL,)), Phase(seconds=0.1)), answer=Answer(kind="tools"))
AGENTS = (
    Agent(name="clicks", script=Script(phases=(Phase(calls=(Call(type="computer_use_preview"),)),))),
    Agent(name="consents", script=Script(phases=(Phase(calls=(CONSENT,)), Phase(seconds=0.1)))),
    Agent(name="hostedTool", kind="hosted", script=ASKS),
    Agent(name="pinned", script=ASKS),
    Agent(
        name="insists",
        script=Script(phases=(Phase(seconds=0.1), Phase(calls=(CALL,))) * ROUNDS, answer=Answer(kind="tools")),
    ),
    Agent(name="threeMinutes", script=Script(phases=(Phase(seconds=180),))),
)
METADATA_IS_HIDDEN = {name: "empty" for name in Unknowns.__struct_fields__ if "_metadata_" in name}


def values_of(unknown: str) -> tuple[Any, ...]:
    """Every possibility of something that no source says."""
    return get_args(Unknowns.__annotations__[unknown])


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(emulator={"agents": AGENTS}) as made:
        yield made


@pytest.fixture(autouse=True)
def as_at_first(world: World) -> Iterator[None]:
    """Every test finds the service as it is by default."""
    yield
    world.emulator.faults.clear()
    world.emulator.set_unknowns(**msgspec.to_builtins(Unknowns()))


def question_of(world: World, instance: str, event: str = "") -> dict[str, Any]:
    """Wait for a question, for this one where it is named."""

    def asks(document: dict[str, Any]) -> bool:
        question = document["required_action"]
        return question is not None and event in {"", question["event"]}

    return dict(world.until(instance, asks)["required_action"])


def answer(world: World, instance: str, question: dict[str, Any], output: str = "18 degrees") -> Any:
    outputs = [{"tool_call_id": call["id"], "output": output} for call in question["calls"]]
    return world.post(f"/api/runs/{instance}/tool_outputs", {"tool_outputs": outputs})


def texts_of_user(world: World, thread_id: str) -> list[str]:
    items = world.thread(thread_id)["items"]
    return [item["text"] for item in items if item["role"] == "user"]


def foreign_call(world: World) -> str:
    """A conversation in which somebody else's response waits for the output of a tool."""
    thread_id = new_thread(world)
    say(world, thread_id, "how warm is it?")
    start_run(world, "tool", thread_id)
    until(lambda: world.thread(thread_id)["open_calls"])
    return thread_id


# --- open calls: however a run ends, the next one on its conversation works ---


def cancelled(world: World, name: str) -> str:
    instance = world.start(name)
    question_of(world, instance)
    assert world.post(f"/api/runs/{instance}/cancel", None).status == 202
    return instance


def terminated(world: World, name: str) -> str:
    instance = world.start(name)
    question_of(world, instance)
    path = f"{world.host.webhook}/instances/{instance}/terminate?reason=outside"
    assert world.host.request("POST", path, b"").status == 202
    return instance


def too_late(world: World, name: str) -> str:
    return world.start(name, timeout_seconds=10)


ENDS = {
    terminated: ("Cancelled", "cancelled"),
    cancelled: ("Cancelled", "cancelled"),
    too_late: ("Failed", "timeout"),
}


@pytest.mark.parametrize("p7", values_of("p7"))
@pytest.mark.parametrize("p5", values_of("p5"))
def test_however_a_run_ends_the_next_one_on_its_conversation_works(world: World, p5: str, p7: str) -> None:
    world.emulator.set_unknowns(p5=p5, p7=p7)
    begun = {way: way(world, "tool") for way in ENDS if way is not terminated}
    for way, (status, code) in ENDS.items():
        # What was terminated is followed at once, before the scan for orphans has closed anything.
        document = world.end(begun[way] if way in begun else way(world, "tool"))
        assert (document["status"], document["error"] and document["error"]["code"]) == (status, code), way
        goes_on(world, document["thread_id"], p7)


def goes_on(world: World, thread_id: str, p7: str) -> None:
    """Assert that the next run on the conversation works."""
    following = world.run("instant", "and now?", thread_id=thread_id)
    assert following["status"] == "Success", following["error"]
    assert 'You wrote: "and now?"' in following["response"]
    conversation = world.thread(thread_id)
    assert (conversation["open_calls"], conversation["broken"]) == ([], False)
    assert texts_of_user(world, thread_id) == ["hello", "and now?"]
    # Where the service takes no outputs as items, a response takes them, which is paid for.
    assert len(conversation["responses"]) == (2 if p7 == "accepted" else 3)


@pytest.mark.slow
@pytest.mark.parametrize("p7", values_of("p7"))
def test_a_run_that_fails_and_cannot_close_its_calls_has_them_closed_by_the_next_one(world: World, p7: str) -> None:
    world.emulator.set_unknowns(p5="broken", p7=p7)
    instance = world.start("tool")
    question_of(world, instance)
    fault = world.emulator.faults.add("status", operation="get_response", status=400, times=None)
    document = world.end(instance)
    assert document["error"]["code"] == "invalid_request"
    assert world.thread(document["thread_id"])["open_calls"]
    assert world.emulator.faults.remove(fault.id)
    goes_on(world, document["thread_id"], p7)


@pytest.mark.slow
@pytest.mark.parametrize("p7", values_of("p7"))
def test_a_call_that_nobody_here_can_answer_is_closed_too(world: World, p7: str) -> None:
    world.emulator.set_unknowns(p7=p7)
    document = world.run("clicks")
    assert document["error"]["code"] == "unsupported_action"
    goes_on(world, document["thread_id"], p7)


def test_a_hosted_agent_whose_conversation_breaks_for_good_is_kept_from_that(world: World) -> None:
    ended = world.end(cancelled(world, "hostedTool"))
    following = world.run("hosted", "and now?", thread_id=ended["thread_id"])
    assert following["status"] == "Success", following["error"]
    assert not world.thread(ended["thread_id"])["broken"]


@pytest.mark.parametrize("p7", values_of("p7"))
def test_a_call_of_somebody_else_is_left_alone_and_told_at_the_start_and_in_the_run(world: World, p7: str) -> None:
    world.emulator.set_unknowns(p7=p7)
    thread_id = foreign_call(world)
    before = world.thread(thread_id)
    body = {"agent_id": "instant", "user_message": "and me?", "thread_id": thread_id}
    refused = world.post("/api/run_agent", body)
    assert (refused.status, refused.json["error"]["code"]) == (409, "conversation_waits_for_tool")
    in_the_run = world.end(world.host.launch("agent_run", f"waits-{p7}", body))
    assert (in_the_run["status"], in_the_run["error"]["code"]) == ("Failed", "conversation_waits_for_tool")
    for message in (refused.json["error"]["message"], in_the_run["error"]["message"]):
        assert before["open_calls"][0] in message
        assert "without thread_id" in message
    assert world.thread(thread_id) == before, "nothing was sent"


def test_a_conversation_that_the_service_has_broken_is_told_with_what_to_do(world: World) -> None:
    thread_id = world.run("instant")["thread_id"]
    world.emulator.break_conversation(thread_id)
    document = world.run("instant", "and now?", thread_id=thread_id)
    assert (document["status"], document["error"]["code"]) == ("Failed", "conversation_unusable")
    assert "without thread_id" in document["error"]["message"]


# --- nothing half done: a message that no run answers is taken back ---


def occupied(world: World, p3: str) -> str:
    """A conversation in which somebody else's response works, and none else can begin."""
    world.emulator.set_unknowns(p3=p3)
    thread_id = new_thread(world)
    say(world, thread_id, "a long story")
    start_run(world, "forever", thread_id)
    return thread_id


LOCKS = tuple(p3 for p3 in values_of("p3") if p3 != "allowed")


@pytest.mark.parametrize("p3", LOCKS)
def test_who_is_cancelled_while_he_waits_leaves_no_message(world: World, p3: str) -> None:
    thread_id = occupied(world, p3)
    instance = world.start("instant", "me too", thread_id=thread_id)
    world.until(instance, lambda d: (d["customStatus"] or {}).get("retrying") == "thread_busy")
    assert texts_of_user(world, thread_id) == ["a long story", "me too"]
    assert world.post(f"/api/runs/{instance}/cancel", None).status == 202
    assert world.end(instance)["status"] == "Cancelled"
    assert texts_of_user(world, thread_id) == ["a long story"]


def test_whose_time_is_over_while_he_waits_leaves_no_message(world: World) -> None:
    thread_id = occupied(world, "locked")
    document = world.run("instant", "me too", thread_id=thread_id, timeout_seconds=10)
    assert document["error"]["code"] == "timeout"
    assert texts_of_user(world, thread_id) == ["a long story"]


@pytest.mark.parametrize("p3", LOCKS)
def test_who_does_not_want_to_wait_leaves_no_message(world: World, p3: str) -> None:
    thread_id = occupied(world, p3)
    document = world.run("instant", "me too", thread_id=thread_id, if_thread_busy="fail")
    assert (document["status"], document["error"]["code"]) == ("Failed", "thread_busy")
    assert texts_of_user(world, thread_id) == ["a long story"]


@pytest.mark.parametrize("says", ["bad_request", "agent_disabled", "prompt_filtered"])
def test_a_run_that_is_refused_leaves_no_message(world: World, says: str) -> None:
    thread_id = world.run("instant", "before")["thread_id"]
    world.emulator.faults.add("status", operation="create_response", says=says)
    document = world.run("instant", "refused", thread_id=thread_id)
    assert document["status"] == "Failed"
    assert texts_of_user(world, thread_id) == ["before"]
    following = world.run("instant", "after", thread_id=thread_id)
    assert 'You wrote: "after".' in following["response"]
    assert 'holds 2 user messages. The one before this was: "before"' in following["response"]


def test_a_first_message_that_no_run_will_answer_is_taken_back_and_posted_by_a_repetition(world: World) -> None:
    world.emulator.faults.add("status", operation="create_response", says="bad_request")
    refused = world.run("instant", "first")
    assert (refused["status"], refused["customStatus"]["message_posted"]) == ("Failed", False)
    assert texts_of_user(world, refused["thread_id"]) == []
    following = world.run("instant", "another", thread_id=refused["thread_id"])
    assert 'You wrote: "another".' in following["response"]
    assert "holds 1 user message" in following["response"]
    repetition = world.post(f"/api/runs/{refused['instanceId']}/retry", None)
    assert world.end(repetition.json["id"])["status"] == "Success"
    assert texts_of_user(world, refused["thread_id"]) == ["another", "first"]


def test_a_message_whose_post_got_no_answer_is_taken_back(world: World) -> None:
    thread_id = world.run("instant", "before")["thread_id"]
    world.emulator.faults.add("reset", operation="add_items", effect="first")
    down = world.emulator.faults.add("status", status=503, operation="list_responses", times=None, skip=1)
    instance = world.start("instant", "lost", thread_id=thread_id)
    world.until(instance, lambda d: (d["customStatus"] or {}).get("retrying") == "service_unavailable")
    assert texts_of_user(world, thread_id) == ["before", "lost"]
    assert world.post(f"/api/runs/{instance}/cancel", None).status == 202
    assert world.end(instance)["status"] == "Cancelled"
    assert world.emulator.faults.remove(down.id)
    assert texts_of_user(world, thread_id) == ["before"]


# --- questions ---


def test_a_consent_is_asked_for_with_its_link_and_approved(world: World) -> None:
    instance = world.start("consents")
    [call] = question_of(world, instance)["calls"]
    assert (call["kind"], call["link"], call["server_label"]) == ("consent", "https://example.com/consent", "github")
    path = f"/api/runs/{instance}/tool_outputs"
    declined = world.post(path, {"approvals": [{"tool_call_id": call["id"], "approve": False}]})
    assert (declined.status, declined.json["error"]["code"]) == (400, "answer_refused")
    assert "cancel" in declined.json["error"]["message"]
    given = world.post(path, {"approvals": [{"tool_call_id": call["id"], "approve": True}]})
    assert given.status == 202, given.text
    document = world.end(instance)
    assert document["status"] == "Success", document["error"]
    one_message_one_run(world, document)


def test_many_rounds_are_one_run(world: World) -> None:
    instance = world.start("insists")
    for number in range(1, ROUNDS + 1):
        question = question_of(world, instance, f"tool_outputs_{number}")
        assert answer(world, instance, question, f"round {number}").status == 202
    document = world.end(instance)
    assert document["status"] == "Success", document["error"]
    assert document["response"].endswith(f"round {ROUNDS}")
    one_message_one_run(world, document)
    responses = [one["id"] for one in world.thread(document["thread_id"])["responses"]]
    assert len(responses) == ROUNDS + 1
    assert document["run_id"] == responses[-1], "the newest"
    assert document["composite_run_id"] == f"agent#{document['thread_id']}#{responses[-1]}"
    used = [asked(world, "GET", f"/openai/v1/responses/{one}").json()["usage"] for one in responses]
    for name in ("input_tokens", "output_tokens", "total_tokens"):
        assert document["output"]["usage"][name] == sum(usage[name] for usage in used)


def test_an_approval_takes_no_headers(world: World) -> None:
    instance = world.start("mcpApproval")
    [call] = question_of(world, instance)["calls"]
    approval = {"tool_call_id": call["id"], "approve": True}
    path = f"/api/runs/{instance}/tool_outputs"
    refused = world.post(path, {"approvals": [{**approval, "headers_ref": "GITHUB"}]})
    assert (refused.status, refused.json["error"]["code"]) == (400, "answer_refused")
    assert world.post(path, {"approvals": [approval]}).status == 202
    assert world.end(instance)["status"] == "Success"


# --- agents ---


def test_a_workflow_may_end_without_a_text(world: World) -> None:
    document = world.run("silentWorkflow")
    assert (document["status"], document["response"], document["output"]["message_id"]) == ("Success", "", None)
    one_message_one_run(world, document)


def test_a_run_keeps_its_version_when_another_one_is_published(world: World) -> None:
    instance = world.start("pinned")
    question = question_of(world, instance)
    made = asked(world, "POST", "/agents/pinned/versions?api-version=v1", {"definition": {"kind": "prompt"}})
    assert made.json()["version"] == "2", made.text
    assert answer(world, instance, question).status == 202
    document = world.end(instance)
    assert (document["status"], document["agent_version"]) == ("Success", "1")
    responses = world.thread(document["thread_id"])["responses"]
    assert [one["agent"] for one in responses] == ["pinned:1", "pinned:1"]
    for version in ("2", "1"):
        named = world.start(f"pinned:{version}", thread_id=document["thread_id"])
        question = question_of(world, named)
        assert answer(world, named, question).status == 202
        told = world.end(named)
        assert (told["status"], told["agent_id"], told["agent_version"]) == ("Success", f"pinned:{version}", version)
        assert world.thread(document["thread_id"])["responses"][-1]["agent"] == f"pinned:{version}"
    unknown = world.post("/api/run_agent", {"agent_id": "pinned:3", "user_message": "hi"})
    assert (unknown.status, unknown.json["error"]["code"]) == (404, "not_found")


def test_a_disabled_agent_is_refused_before_anything_is_created(world: World) -> None:
    before = len(world.emulator.ledger().of("create_conversation"))
    refused = world.post("/api/run_agent", {"agent_id": "disabled", "user_message": "hi"})
    assert (refused.status, refused.json["error"]["target"]) == (400, "agent_id")
    assert "disabled" in refused.json["error"]["message"]
    assert len(world.emulator.ledger().of("create_conversation")) == before


def test_files_lie_in_containers_which_is_told(world: World) -> None:
    document = world.run("rich")
    files = [one["id"] for one in document["output"]["attachments"]]
    assert files
    for file_id in files:
        got = world.get(f"/api/runs/{document['instanceId']}/files/{file_id}")
        assert (got.status, got.json["error"]["code"]) == (404, "not_found")
        assert "container" in got.json["error"]["message"]


# --- agents that refuse `background` ---


def backgrounds_of(world: World, document: dict[str, Any]) -> list[tuple[bool, int]]:
    """Of every request for a response: whether it was asked for in the background, and what the answer was."""
    entries = world.emulator.ledger().of("create_response")
    mine = [e for e in entries if e.body["conversation"] == document["thread_id"]]
    return [(e.body.get("background", False), e.service_status) for e in mine]


@pytest.mark.parametrize(("p16", "name"), [("all", "history"), ("hosted", "hosted"), ("workflow", "workflow")])
def test_an_agent_that_refuses_background_is_asked_while_the_request_waits(p16: str, name: str) -> None:
    with World(emulator={"unknowns": {"p16": p16}}) as own:
        first, second = own.run(name), own.run(name)
        for document in (first, second):
            assert document["status"] == "Success", document["error"]
            one_message_one_run(own, document)
        assert backgrounds_of(own, first) == [(True, 400), (False, 200)]
        assert backgrounds_of(own, second) == [(False, 200)], "the worker remembers that"


def test_tools_of_an_agent_that_refuses_background_are_answered_and_closed(world: World) -> None:
    world.emulator.set_unknowns(p16="all")
    instance = world.start("tool")
    assert answer(world, instance, question_of(world, instance)).status == 202
    document = world.end(instance)
    assert document["status"] == "Success", document["error"]
    one_message_one_run(world, document)
    ended = world.end(cancelled(world, "tool"))
    assert world.run("instant", thread_id=ended["thread_id"])["status"] == "Success"


@pytest.mark.slow
@pytest.mark.parametrize("p15", values_of("p15"))
def test_what_the_gateway_cuts_after_two_minutes_is_found_where_it_goes_on(p15: str) -> None:
    """Where neither a list nor a lock shows that it goes on."""
    unknowns = {"p16": "all", "p15": p15, "p2": "hidden", "p3": "allowed"}
    with World(emulator={"agents": AGENTS, "unknowns": unknowns}) as own:
        document = own.run("threeMinutes", timeout_seconds=240)
        conversation = own.thread(document["thread_id"])
        statuses = [one["status"] for one in conversation["responses"]]
        if p15 == "goes_on":
            assert document["status"] == "Success", document["error"]
            assert statuses == ["completed"]
            one_message_one_run(own, document)
        else:
            assert document["error"]["code"] == "timeout", document
            assert set(statuses) == {"cut"}
        following = own.run("instant", "and now?", thread_id=document["thread_id"])
        assert following["status"] == "Success", following["error"]


# --- lost answers, where the service shows no metadata ---


@pytest.mark.parametrize("p2", values_of("p2"))
def test_lost_answers_double_nothing_where_no_metadata_are_shown(world: World, p2: str) -> None:
    world.emulator.set_unknowns(p2=p2, **METADATA_IS_HIDDEN)
    thread_id = world.run("instant", "before")["thread_id"]
    for operation in ("add_items", "create_response"):
        world.emulator.faults.add("reset", operation=operation, effect="first")
    instance = world.start("tool", "how warm is it?", thread_id=thread_id)
    question = question_of(world, instance)
    world.emulator.faults.add("reset", operation="create_response", effect="first")
    assert answer(world, instance, question).status in (202, 503)
    document = world.end(instance)
    assert document["status"] == "Success", document["error"]
    assert "18 degrees" in document["response"]
    assert texts_of_user(world, thread_id) == ["before", "how warm is it?"]
    responses = world.thread(thread_id)["responses"]
    assert [one["status"] for one in responses] == ["completed"] * 3


def test_a_new_conversation_whose_answer_is_lost_is_left_empty_where_no_metadata_are_shown(world: World) -> None:
    world.emulator.set_unknowns(**METADATA_IS_HIDDEN)
    before = set(world.emulator.ledger().conversations)
    world.emulator.faults.add("reset", operation="create_conversation", effect="first")
    document = world.run("history")
    assert document["status"] == "Success", document["error"]
    one_message_one_run(world, document)
    left = set(world.emulator.ledger().conversations) - before - {document["thread_id"]}
    assert [world.thread(one)["responses"] for one in left] == [[]], "a first one, in which nothing runs"


# --- one generation alone ---


def test_without_the_second_generation_its_agents_are_not_asked_for() -> None:
    with World(env={"FOUNDRY_GENERATIONS": "classic"}) as own:
        document = own.end(own.post("/api/run_agent", {"agent_id": "instant", "user_message": "hi"}).json["id"])
        assert (document["status"], document["generation"]) == ("Success", "classic")
        found = own.get("/api/agents").json
        assert ({one["generation"] for one in found["agents"]}, found["warnings"]) == ({"classic"}, [])
        assert [check["name"] for check in own.get("/api/health/ready").json["checks"]] == [
            "settings", "token", "classic", "storage",
        ]  # fmt: skip
        for refused in ({"agent_id": "hosted"}, {"agent_id": "instant", "thread_id": NOWHERE["responses"]}):
            assert own.post("/api/run_agent", {"user_message": "hi", **refused}).status in (400, 404)
        assert not [e for e in own.emulator.ledger().requests if e.path.startswith(("/agents", "/openai"))]


def test_without_classic_agents_nothing_of_them_is_asked_for() -> None:
    with World(env={"FOUNDRY_GENERATIONS": "responses"}) as own:
        document = own.run("instant")
        assert (document["status"], document["generation"]) == ("Success", "responses")
        found = own.get("/api/agents").json
        assert ({one["generation"] for one in found["agents"]}, found["warnings"]) == ({"responses"}, [])
        assert [check["name"] for check in own.get("/api/health/ready").json["checks"]] == [
            "settings", "token", "responses", "storage",
        ]  # fmt: skip
        refused = own.post("/api/run_agent", {"agent_id": classic_agent("instant"), "user_message": "hi"})
        assert refused.status == 400
        assert "FOUNDRY_GENERATIONS" in refused.json["error"]["message"]
        assert not [e for e in own.emulator.ledger().requests if e.path.startswith(("/assistants", "/threads"))]


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_where_classic_agents_are_retired_the_others_go_on(world: World, status: int) -> None:
    world.emulator.faults.add("status", path="/(assistants|threads).*", status=status, times=None)
    document = world.run("tool", timeout_seconds=10)
    assert document["error"]["code"] == "timeout", "it has asked"
    document = world.run("history", thread_id=document["thread_id"])
    assert document["status"] == "Success", document["error"]
    found = world.get("/api/agents")
    assert found.status == 200
    assert {one["generation"] for one in found.json["agents"]} == {"responses"}
    assert [one["generation"] for one in found.json["warnings"]] == ["classic"]
    ready = world.get("/api/health/ready")
    assert ready.status == 503
    [bad] = [check for check in ready.json["checks"] if not check["ok"]]
    assert bad["name"] == "classic"
    assert "FOUNDRY_GENERATIONS=responses" in bad["message"]
