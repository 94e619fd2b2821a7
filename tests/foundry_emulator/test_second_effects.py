"""Second generation over HTTP: faults before and after the effect, late effects, ledger, control API, file."""

import asyncio
import threading
import time

import pytest
import requests

from local.foundry_emulator import Agents, FoundryEmulator, ManualClock
from local.foundry_emulator.ledger import masked
from local.foundry_emulator.scripts import Agent, Call, Phase, Quota, Script
from tests.foundry_emulator.conftest import Http, output, text_in

MESSAGE = {"type": "message", "role": "user", "content": "hi"}


class Second(Http):
    """Raw requests of the second generation, which wants no api-version."""

    def __call__(self, method, path, body=None, *, query=None, **options):
        agents = path.startswith("/agents")
        return self.session.request(
            method,
            self.emulator.endpoint + path,
            params={**({"api-version": "v1"} if agents else {}), **(query or {})},
            headers={"Authorization": "Bearer t"},
            json=body,
            timeout=10,
            **options,
        )

    def conversation(self, *items, **fields):
        return self.ok("POST", "/openai/v1/conversations", {"items": list(items), **fields})["id"]

    def respond(self, conversation_id, agent="history", **fields):
        body = {"conversation": conversation_id, "agent_reference": {"type": "agent_reference", "name": agent}}
        return self("POST", "/openai/v1/responses", {**body, "background": True, **fields})


@pytest.fixture
def second(emulator):
    with requests.Session() as session:
        yield Second(emulator, session)


@pytest.fixture
def still():
    """An emulator whose clock stands still, and requests to it."""
    clock = ManualClock()
    with FoundryEmulator(clock=clock) as emulator, requests.Session() as session:
        yield Second(emulator, session), clock


# --- faults -----------------------------------------------------------------------------------------------------------

POSTS = (
    ("create_conversation", lambda second, _: second("POST", "/openai/v1/conversations", {"items": [MESSAGE]})),
    ("add_items", lambda second, one: second("POST", f"/openai/v1/conversations/{one}/items", {"items": [MESSAGE]})),
    ("create_response", lambda second, one: second.respond(one)),
)


def effects(emulator):
    """How many conversations, items and responses there are."""
    conversations = emulator.ledger().conversations.values()
    return (len(conversations), sum(len(one["items"]) for one in conversations), len(emulator.ledger().responses))


@pytest.mark.parametrize("effect", ["none", "first"])
@pytest.mark.parametrize(("operation", "post"), POSTS, ids=[name for name, _ in POSTS])
def test_an_answer_is_lost_before_and_after_the_effect(still, operation, post, effect):
    second, _ = still
    second.emulator.set_unknowns(p3="allowed")
    conversation_id = second.conversation()
    before = effects(second.emulator)
    second.emulator.faults.add("reset", operation=operation, effect=effect)
    with pytest.raises(requests.ConnectionError):
        post(second, conversation_id)
    [entry] = [one for one in second.emulator.ledger().requests if one.fault]
    assert (entry.operation, entry.status, entry.took_effect) == (operation, None, effect == "first")
    assert (effects(second.emulator) != before) is (effect == "first")
    if effect == "first":
        assert entry.conversation_id
        assert bool(entry.response_id) is (operation == "create_response")
        assert bool(entry.item_ids) is (operation != "create_response")
    assert post(second, conversation_id).status_code == 200  # once only


@pytest.mark.parametrize("kind", ["reset", "status", "html"])
def test_a_lost_post_takes_effect_later(still, kind):
    second, clock = still
    second.emulator.set_unknowns(late_effect=30)
    conversation_id = second.conversation(MESSAGE)
    second.emulator.faults.add(kind, operation="create_response", effect="first")
    if kind == "reset":
        with pytest.raises(requests.ConnectionError):
            second.respond(conversation_id)
    else:
        assert second.respond(conversation_id).status_code in {502, 503}
    assert second.emulator.ledger().responses == []
    [entry] = second.emulator.ledger().of("create_response")
    assert entry.took_effect is False
    clock.advance(29)
    assert second.ok("GET", "/openai/v1/responses")["data"] == []
    clock.advance(2)
    [response] = second.ok("GET", "/openai/v1/responses")["data"]
    assert (response["created_at"], response["status"]) == (1_700_000_030, "in_progress")
    [entry] = second.emulator.ledger().of("create_response")
    assert (entry.took_effect, entry.response_id, entry.service_status) == (True, response["id"], 200)
    clock.advance(1)
    assert second.emulator.ledger().responses[0]["status"] == "completed"


def test_what_comes_late_finds_the_service_as_it_is_then(still):
    second, clock = still
    second.emulator.set_unknowns(late_effect=10)
    conversation_id = second.conversation(MESSAGE)
    second.emulator.faults.add("reset", operation="create_response", effect="first")
    with pytest.raises(requests.ConnectionError):
        second.respond(conversation_id)
    clock.advance(9)
    assert second.respond(conversation_id, "slow").status_code == 200  # meanwhile somebody else
    clock.advance(60)
    assert [one["agent"] for one in second.emulator.ledger().responses] == ["slow:1"]
    late = second.emulator.ledger().of("create_response")[0]
    assert (late.service_status, late.took_effect) == (400, False)  # the conversation was locked


def test_late_effects_are_posts_of_the_second_generation_only(still):
    second, _ = still
    second.emulator.set_unknowns(late_effect=10)
    classic = Http(second.emulator, second.session)
    second.emulator.faults.add("reset", operation="create_thread", effect="first")
    with pytest.raises(requests.ConnectionError):
        classic("POST", "/threads", {})
    assert len(second.emulator.ledger().threads) == 1
    conversation_id = second.conversation()
    second.emulator.faults.add("reset", operation="delete_conversation", effect="first")
    with pytest.raises(requests.ConnectionError):
        second("DELETE", f"/openai/v1/conversations/{conversation_id}")
    assert second.emulator.ledger().conversations[conversation_id]["deleted"]


def test_a_reset_forgets_what_is_still_to_come(still):
    second, clock = still
    second.emulator.set_unknowns(late_effect=10)
    second.emulator.faults.add("reset", operation="create_conversation", effect="first")
    with pytest.raises(requests.ConnectionError):
        second("POST", "/openai/v1/conversations", {})
    second.emulator.reset()
    clock.advance(20)
    assert second.emulator.ledger().conversations == {}


# --- synchronous responses --------------------------------------------------------------------------------------------


def waited_for(second, clock, seconds, **fields):
    """Post a synchronous response, let the time pass once it has arrived, and return the answer."""
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(second.respond(background=False, **fields)))
    waiting.start()
    while not second.emulator.ledger().responses:
        assert waiting.is_alive()
    clock.advance(seconds)
    waiting.join(timeout=10)
    return answers[0]


def test_a_synchronous_response_is_waited_for(still):
    second, clock = still
    answer = waited_for(second, clock, 2, conversation_id=second.conversation(MESSAGE))
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")


@pytest.mark.parametrize(("kind", "effect"), [("truncated_json", "first"), ("delay", "last")])
def test_its_answer_can_be_spoiled_too(still, kind, effect):
    second, clock = still
    conversation_id = second.conversation(MESSAGE)
    second.emulator.faults.add(kind, operation="create_response", effect=effect, seconds=0)
    answer = waited_for(second, clock, 2, conversation_id=conversation_id)
    assert answer.status_code == 200
    assert ("completed" in answer.text) is True
    assert answer.text.endswith("}") is (kind == "delay")


def test_a_client_that_goes_leaves_its_response_running_and_nobody_waiting(still):
    second, clock = still
    conversation_id = second.conversation(MESSAGE)
    served = len(asyncio.all_tasks(second.emulator._loop))
    with pytest.raises(requests.ReadTimeout), requests.Session() as session:
        session.post(
            second.emulator.endpoint + "/openai/v1/responses",
            json={"conversation": conversation_id, "agent_reference": {"type": "agent_reference", "name": "slow"}},
            headers={"Authorization": "Bearer t"},
            timeout=0.3,
        )
    until = time.monotonic() + 10
    while len(asyncio.all_tasks(second.emulator._loop)) > served:
        assert time.monotonic() < until
    clock.advance(20)
    assert [one["status"] for one in second.emulator.ledger().responses] == ["completed"]


# --- ledger and control -----------------------------------------------------------------------------------------------


def test_the_ledger_tells_items_open_calls_and_responses(still):
    second, clock = still
    conversation_id = second.conversation(MESSAGE, metadata={"op": "1"})
    response = second.respond(conversation_id, "tool", metadata={"op": "2"}).json()
    clock.advance(10)
    [told] = second.emulator.ledger().conversations.values()
    asked, call = told["items"]
    assert (asked["type"], asked["role"], asked["text"], asked["response_id"]) == ("message", "user", "hi", None)
    assert (call["type"], call["response_id"]) == ("function_call", response["id"])
    assert told["open_calls"] == [call["call"]]
    assert (told["metadata"], told["user_messages"], told["broken"], told["deleted"]) == ({"op": "1"}, 1, False, False)
    assert told["responses"] == [
        {
            "id": response["id"],
            "agent": "tool:1",
            "status": "completed",
            "background": True,
            "deleted": False,
            "cancel_requested": False,
            "continues": None,
            "metadata": {"op": "2"},
        }
    ]
    second.respond(
        conversation_id, "tool", input=[{"type": "function_call_output", "call_id": call["call"], "output": "x"}]
    )
    [told] = second.emulator.ledger().conversations.values()
    assert told["responses"][1]["continues"] == response["id"]
    clock.advance(10)
    assert second.emulator.ledger().conversations[conversation_id]["open_calls"] == []
    alone = second.respond(None, input="hi").json()
    assert second.emulator.ledger().responses[-1]["id"] == alone["id"]
    assert second.emulator.ledger().user_messages == 1


def test_the_ledger_can_be_narrowed_down_to_one_conversation(second):
    first, _ = second.conversation(MESSAGE), second.conversation(MESSAGE)
    second.respond(first)
    ledger = second.control("GET", f"/ledger?thread_id={first}").json()
    assert list(ledger["conversations"]) == [first]
    assert [one["operation"] for one in ledger["requests"]] == ["create_conversation", "create_response"]
    assert len(second.control("GET", "/ledger?operation=create_conversation").json()["requests"]) == 2


def test_the_ledger_masks_secrets_here_too(second):
    body = {"name": "mine", "definition": {"kind": "prompt", "tools": [{"type": "mcp", "headers": {"key": "planted"}}]}}
    made = second.ok("POST", "/agents", body)
    assert "planted" not in second.control("GET", "/ledger").text
    assert made["versions"]["latest"]["definition"]["tools"][0]["headers"] == {"key": masked("planted")}


def test_somebody_else_cancels_ends_and_breaks(still):
    second, _ = still
    for control, status in (("cancel", "cancelled"), ("end", "cancelled")):
        conversation_id = second.conversation(MESSAGE)
        response = second.respond(conversation_id, "forever").json()
        assert second.control("POST", f"/responses/{response['id']}/{control}").json()["status"] == status
        assert second.control("POST", f"/responses/{response['id']}/{control}").status_code == 409
    response = second.respond(conversation_id, "forever").json()
    end = {"status": "failed", "code": "server_error", "message": "gone"}
    assert second.control("POST", f"/responses/{response['id']}/end", end).json()["error"]["message"] == "gone"
    assert second.control("POST", f"/responses/{response['id']}/end", {"status": "lost"}).status_code == 400
    assert second.control("POST", "/responses/resp_x/cancel").status_code == 404
    response = second.respond(conversation_id, "forever").json()
    assert (
        second.control("POST", f"/responses/{response['id']}/end", {"status": "expired"}).json()["status"] == "failed"
    )
    assert second.control("POST", f"/conversations/{conversation_id}/break").status_code == 200
    assert second.control("POST", "/conversations/conv_x/break").status_code == 404
    assert second.respond(conversation_id).json()["status"] == "failed"
    assert second.emulator.ledger().conversations[conversation_id]["broken"]


def test_switches_over_http(second):
    assert second.control("GET", "/unknowns").json()["p2"] == "listed"
    turned = second.control("POST", "/unknowns", {"p2": "hidden", "list_lag": 3}).json()
    assert (turned["p2"], turned["list_lag"], turned["p3"]) == ("hidden", 3, "locked")
    for body in ({"p2": "maybe"}, {"p99": 1}, {"list_lag": -1}):
        answer = second.control("POST", "/unknowns", body)
        assert (answer.status_code, next(iter(body)) in answer.text) == (400, True)
    assert second.control("GET", "/unknowns").json() == turned
    assert second.control("DELETE", "/unknowns").status_code == 404
    second.control("POST", "/reset")
    assert second.control("GET", "/unknowns").json()["p2"] == "listed"


def test_agents_of_both_generations_are_told(second):
    told = second.control("GET", "/agents").json()
    assert {one["id"] for one in told["agents"]} == set(Agents)
    named = {one["name"]: one for one in told["named"]}
    assert {one["name"] for one in told["agents"]} < set(named)
    assert named["workflow"] == {
        "name": "workflow",
        "version": "1",
        "kind": "workflow",
        "state": "enabled",
        "does": "A workflow of 2.5 s that answers as history.",
    }
    assert named["disabled"]["state"] == "disabled"


def test_a_quota_of_the_project_counts_both_generations():
    with (
        FoundryEmulator(clock=ManualClock(), quota=Quota(runs=2, seconds=60)) as emulator,
        requests.Session() as session,
    ):
        classic, second = Http(emulator, session), Second(emulator, session)
        classic.run(classic.thread("hi"), Agents.FOREVER)
        second.respond(second.conversation(MESSAGE), "forever")
        emulator.clock.advance(1)
        run = classic.run(classic.thread("hi"), Agents.FOREVER)
        response = second.respond(second.conversation(MESSAGE), "forever").json()
        emulator.clock.advance(1)
        assert classic.get_run(run)["status"] == "failed"
        assert second.ok("GET", f"/openai/v1/responses/{response['id']}")["error"]["code"] == "rate_limit_exceeded"


# --- the file ---------------------------------------------------------------------------------------------------------


def everything(second):
    conversations = second.emulator.ledger().conversations
    alive = [key for key, one in conversations.items() if not one["deleted"]]
    read = {key: second.ok("GET", f"/openai/v1/conversations/{key}") for key in alive}
    items = {key: second.ok("GET", f"/openai/v1/conversations/{key}/items") for key in alive}
    responses = second.ok("GET", "/openai/v1/responses", query={"limit": "100"})
    return conversations, read, items, responses, second.ok("GET", "/agents", query={"limit": "100"})


def test_all_of_it_is_there_after_a_restart(tmp_path):
    options = {"db": tmp_path / "foundry.db", "clock": ManualClock()}
    with FoundryEmulator(**options) as emulator, requests.Session() as session:
        second = Second(emulator, session)
        second.ok("POST", "/agents/mine/versions", {"definition": {"kind": "prompt"}})
        second.ok("POST", "/agents/gone/versions", {"definition": {"kind": "prompt"}})
        second.ok("DELETE", "/agents/gone")
        switched = second("POST", "/agents/mine:disable")
        assert (switched.status_code, switched.content) == (204, b"")
        talk = second.conversation(MESSAGE, {**MESSAGE, "content": "two"}, metadata={"a": "b"})
        second.ok("POST", f"/openai/v1/conversations/{talk}", {"metadata": {"a": "c"}})
        removed = second.ok("GET", f"/openai/v1/conversations/{talk}/items")["first_id"]
        second.ok("DELETE", f"/openai/v1/conversations/{talk}/items/{removed}")
        asking = second.conversation(MESSAGE)
        second.respond(asking, "tool", metadata={"op": "1"})
        emulator.clock.advance(5)
        [call] = emulator.ledger().conversations[asking]["open_calls"]
        answer = {"type": "function_call_output", "call_id": call, "output": "rain"}
        continued = second.respond(asking, "tool", input=[answer]).json()
        approving = second.conversation(MESSAGE)
        second.respond(approving, "mcpApproval")
        stopped = second.respond(second.conversation(MESSAGE), "forever").json()
        second.ok("POST", f"/openai/v1/responses/{stopped['id']}/cancel")
        ended = second.respond(second.conversation(MESSAGE), "forever").json()
        second.control("POST", f"/responses/{ended['id']}/end")
        broken = second.conversation(MESSAGE)
        second.control("POST", f"/conversations/{broken}/break")
        second.ok("DELETE", f"/openai/v1/conversations/{second.conversation()}")
        second.ok("DELETE", f"/openai/v1/responses/{second.respond(None, 'instant', input='hi').json()['id']}")
        before = everything(second)
    with FoundryEmulator(**options) as emulator, requests.Session() as session:
        second = Second(emulator, session)
        assert everything(second) == before
        emulator.clock.advance(10)
        assert text_in(second.ok("GET", f"/openai/v1/responses/{continued['id']}")) == "The tools said: rain"
        [call] = emulator.ledger().conversations[approving]["open_calls"]
        approval = output({"type": "mcp_approval_request", "id": call})
        done = second.respond(approving, "mcpApproval", input=[approval]).json()
        emulator.clock.advance(5)
        assert text_in(second.ok("GET", f"/openai/v1/responses/{done['id']}")) == "The tools said: approved"
        assert second.respond(broken).json()["status"] == "failed"
        assert second("GET", "/agents/gone").status_code == 404


def test_a_response_keeps_the_script_that_it_began_with(tmp_path):
    db, clock = tmp_path / "foundry.db", ManualClock()
    old = Agent(name="mine", script=Script(phases=(Phase(calls=(Call(name="old"),)),)))
    with FoundryEmulator(db=db, clock=clock, agents=[old]) as emulator, requests.Session() as session:
        second = Second(emulator, session)
        response = second.respond(second.conversation(MESSAGE), "mine").json()
    with FoundryEmulator(db=db, clock=clock, agents=[Agent(name="mine")]) as emulator, requests.Session() as session:
        second = Second(emulator, session)
        assert second.ok("GET", f"/openai/v1/responses/{response['id']}")["output"] == response["output"]
        assert response["output"][0]["name"] == "old"


def test_an_answer_that_changes_nothing_writes_nothing(tmp_path):
    db = tmp_path / "foundry.db"
    with FoundryEmulator(db=db, clock=ManualClock()) as emulator, requests.Session() as session:
        second = Second(emulator, session)
        conversation_id = second.conversation(MESSAGE)
        second.respond(conversation_id, "instant")
        second("POST", "/agents/history:disable")  # the agents of the start are what they are at each start
        kinds = [row.kind for row in emulator._journal.rows()]
        second.ok("GET", f"/openai/v1/conversations/{conversation_id}/items")
        assert [row.kind for row in emulator._journal.rows()] == kinds == ["conversation", "item", "response"]
