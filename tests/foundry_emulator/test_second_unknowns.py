"""Each switch of the second generation in each of its values: what no source says about the service."""

import itertools
import re
from pathlib import Path
from typing import Literal, get_args, get_origin

import msgspec
import pytest

from local.foundry_emulator import Agent, FoundryEmulator
from local.foundry_emulator.scripts import Call, Phase, Script
from local.foundry_emulator.second.summary import responses_summary
from local.foundry_emulator.second.unknowns import Unknowns, parse
from tests.foundry_emulator.conftest import Talk, output, text_in


def code_of(refused):
    return refused["error"]["code"]


# --- P2, lags, metadata -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "shown"), [("listed", True), ("hidden", False)])
def test_p2_running_responses_in_lists(value, shown):
    talk = Talk(p2=value)
    talk.say()
    response = talk.respond("history")
    assert (talk.listed() == [response["id"]]) is shown  # queued
    talk.clock.advance(1)
    assert (talk.listed() == [response["id"]]) is shown  # in progress
    talk.clock.advance(1)
    assert talk.listed() == [response["id"]]


def test_list_lag_hides_new_responses_for_so_long():
    talk = Talk(list_lag=3)
    talk.say()
    response = talk.respond("instant")
    assert (talk.listed(), talk.get(response)["status"]) == ([], "completed")
    talk.clock.advance(2.9)
    assert talk.listed() == []
    talk.clock.advance(0.1)
    assert talk.listed() == [response["id"]]


def test_item_lag_hides_items_for_so_long_and_the_model_reads_them_all_the_same():
    talk = Talk(item_lag=3)
    [said] = talk.say("hello")["data"]
    assert talk.items() == []
    assert talk("GET", f"/openai/v1/conversations/{talk.id}/items/{said['id']}") == said
    talk.clock.advance(1)
    assert '"hello"' in text_in(talk.respond("instant"))
    talk.clock.advance(2)
    assert talk.kinds() == ["message"]
    talk.clock.advance(1)
    assert talk.kinds() == ["message", "message"]


@pytest.mark.parametrize(("value", "found"), [("echoed", {"op": "1"}), ("empty", {})])
@pytest.mark.parametrize("where", ["get", "list"])
def test_metadata_come_back_or_not(value, found, where):
    talk = Talk(**{f"response_metadata_{where}": value, f"conversation_metadata_{where}": value})
    made = talk("POST", "/openai/v1/conversations", {"metadata": {"op": "1"}})
    talk.id = made["id"]
    talk.say()
    response = talk.respond("instant", metadata={"op": "1"})
    expected = {"get": {"op": "1"}, "list": {"op": "1"}, where: found}
    assert talk.get(response)["metadata"] == response["metadata"] == made["metadata"] == expected["get"]
    assert talk("GET", f"/openai/v1/conversations/{talk.id}")["metadata"] == expected["get"]
    assert talk("GET", "/openai/v1/responses")["data"][0]["metadata"] == expected["list"]
    assert talk("GET", "/openai/v1/conversations")["data"][0]["metadata"] == expected["list"]


# --- P3, P4: two at once ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "agent", "status", "code", "words"),
    [
        ("locked", "history", 400, "conversation_locked", "Another process is currently operating on this"),
        ("in_progress", "history", 400, "bad_request", "in-progress response exsits for agent history"),
        ("conflict", "history", 409, "conversation_locked", "Conversation is locked - task is in_progress"),
        ("allowed", "hosted", 409, "conversation_locked", "Conversation is locked - task is in_progress"),
        ("allowed", "workflow", 400, "bad_request", "in-progress response exsits for agent workflow"),
    ],
)
def test_p3_a_second_response_is_refused(value, agent, status, code, words):
    talk = Talk(p3=value)
    talk.say()
    first = talk.respond("slow")
    refused = talk.respond(agent, expect=status)
    assert code_of(refused) == code
    assert words in refused["error"]["message"]
    assert talk.listed() == [first["id"]]
    talk.clock.advance(20)
    talk.respond(agent)


def test_p3_allowed_lets_two_answer_one_message():
    talk = Talk(p3="allowed")
    talk.say("hello")
    both = [talk.respond("history") for _ in "ab"]
    talk.clock.advance(2)
    assert all('"hello"' in text_in(talk.get(one)) for one in both)
    assert [one["role"] for one in talk.items()] == ["user", "assistant", "assistant"]


def test_p4_items_while_a_response_runs():
    for value, status in (("allowed", 200), ("refused", 400)):
        talk = Talk(p4=value)
        talk.say("first")
        response = talk.respond("slow")
        answer = talk.say("second", expect=status)
        assert status == 200 or code_of(answer) == "conversation_locked"
        assert '"first"' in text_in(talk.after(20, response))  # it reads what was there when it began
        talk.say("third")


# --- P5, P7, P12: calls -----------------------------------------------------------------------------------------------


def test_p5_refused_changes_nothing():
    talk = Talk(p5="refused")
    [call] = talk.asked()
    for fields in ({}, {"input": "never mind"}):
        error = talk.respond("tool", **fields, expect=400)["error"]
        assert error["message"] == f"No tool output found for function call {call['call_id']}."
        assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", "input", None)
    done = talk.after(5, talk.respond("tool", input=[output(call)]))
    assert text_in(done) == "The tools said: rain"


def test_p5_failed_fails_and_the_conversation_goes_on_with_its_answers():
    talk = Talk(p5="failed")
    [call] = talk.asked()
    failed = talk.respond("tool")
    assert failed["status"] == "failed"
    assert failed["error"]["message"] == f"No tool output found for function call {call['call_id']}."
    done = talk.after(5, talk.respond("tool", input=[output(call)]))
    assert text_in(done) == "The tools said: rain"


def test_p5_broken_is_for_good():
    talk = Talk(p5="broken")
    [call] = talk.asked()
    assert talk.respond("tool")["status"] == "failed"
    for fields in ({"input": [output(call)]}, {"input": "hi"}):
        again = talk.respond("tool", **fields)
        assert again["error"]["message"] == f"No tool output found for function call {call['call_id']}."
    talk.turn(p5="refused")  # that does not mend it
    assert talk.respond("history", input="hi")["status"] == "failed"


def test_hosted_agents_break_a_conversation_and_keep_what_failed():
    talk = Talk(Agent(name="mine", kind="hosted", script=Script(phases=(Phase(calls=(Call(name="f"),)),))))
    [call] = talk.asked("mine")
    assert talk.respond("mine", input="never mind")["status"] == "failed"
    assert talk.kinds() == ["message", "function_call", "message"]
    assert talk.respond("mine", input=[output(call)])["status"] == "failed"


def test_p5_ignored_answers_as_if_there_were_no_call():
    talk = Talk(p5="ignored")
    talk.asked()
    [call] = talk.after(5, talk.respond("tool"))["output"]  # it begins anew
    talk("DELETE", f"/openai/v1/conversations/{talk.id}/items/{call['id']}")
    assert text_in(talk.respond("instant", input="never mind"))
    assert talk.kinds() == ["message", "function_call", "message", "message"]


@pytest.mark.parametrize("agent", ["tool", "mcpApproval"])
def test_p7_accepted_takes_answers_as_items_and_goes_on_without_input(agent):
    talk = Talk(p7="accepted")
    [call] = talk.asked(agent)
    [stored] = talk.add(output(call))["data"]
    assert stored["id"].startswith("fco_" if agent == "tool" else "mcpa_")
    done = talk.after(5, talk.respond(agent))
    assert text_in(done) == ("The tools said: rain" if agent == "tool" else "The tools said: approved")


def test_p7_refused_takes_them_as_input_only():
    talk = Talk(p7="refused")
    [call] = talk.asked()
    assert code_of(talk.add(output(call), expect=400)) == "invalid_payload"
    talk.say("this is no answer")
    assert text_in(talk.after(5, talk.respond("tool", input=[output(call)]))) == "The tools said: rain"


@pytest.mark.parametrize("as_items", [False, True])
@pytest.mark.parametrize(("value", "outputs"), [("refused", 1), ("ignored", 1), ("appended", 2)])
def test_p12_a_second_answer(value, outputs, as_items):
    talk = Talk(p12=value)
    [call] = talk.asked()
    talk.clock.advance(5)
    talk.respond("tool", input=[output(call)])
    talk.clock.advance(5)
    status = 400 if value == "refused" else 200
    if as_items:
        answer = talk.add(output(call, "snow"), expect=status)
    else:
        answer = talk.respond("instant", input=[output(call, "snow")], expect=status)
    if value == "refused":
        words = f"No tool call found for function call output with call_id {call['call_id']}."
        assert (answer["error"]["message"], answer["error"]["param"]) == (words, "input")
    else:
        assert "error" not in answer or answer["error"] is None
    assert talk.kinds().count("function_call_output") == outputs


def test_an_answer_that_a_running_response_was_given_counts_before_it_is_among_the_items():
    talk = Talk(p3="allowed", p8="at_end")
    [call] = talk.asked()
    talk.respond("tool", input=[output(call)])
    assert "function_call_output" not in talk.kinds()
    refused = talk.respond("tool", input=[output(call, "snow")], expect=400)
    assert "No tool call found" in refused["error"]["message"]
    assert "No tool call found" in talk.add(output(call, "snow"), expect=400)["error"]["message"]


def test_of_two_answers_the_first_counts():
    talk = Talk(p12="appended")
    [call] = talk.asked()
    talk.add(output(call, "first"), output(call, "second"))
    assert text_in(talk.after(5, talk.respond("tool"))) == "The tools said: first"


@pytest.mark.parametrize(("value", "kept"), [("refused", 0), ("ignored", 1), ("appended", 2)])
def test_p12_holds_for_two_answers_that_come_together(value, kept):
    talk = Talk(p12=value)
    [call] = talk.asked()
    talk.add(output(call), output(call), expect=200 if kept else 400)
    assert talk.kinds().count("function_call_output") == kept


def test_an_answer_to_no_call_is_refused_whatever_p12_says():
    for value in ("refused", "ignored", "appended"):
        talk = Talk(p12=value)
        talk.say()
        lost = {"type": "function_call_output", "call_id": "call_x", "output": ""}
        assert "call_x" in talk.respond("tool", input=[lost], expect=400)["error"]["message"]
        assert "call_x" in talk.add(lost, expect=400)["error"]["message"]
        approval = {"type": "mcp_approval_response", "approval_request_id": "mcpr_x", "approve": True}
        assert "mcpr_x" in talk.add(approval, expect=400)["error"]["message"]


# --- P8, P11: input and items -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "meanwhile"), [("at_end", []), ("at_once", ["message"])])
def test_p8_input_of_a_running_response(value, meanwhile):
    talk = Talk(p8=value)
    talk.respond("history", input="hello")
    assert talk.kinds() == meanwhile
    talk.clock.advance(2)
    assert [one["role"] for one in talk.items()] == ["user", "assistant"]


def test_p8_at_end_lets_a_message_that_came_meanwhile_stand_before_it():
    for value, order in (("at_end", ["second", "first"]), ("at_once", ["first", "second"])):
        talk = Talk(p8=value)
        talk.respond("history", input="first")
        talk.clock.advance(1)
        talk.say("second")
        talk.clock.advance(1)
        found = [one["content"][0]["text"] for one in talk.items() if one["role"] == "user"]
        assert found == order


@pytest.mark.parametrize("p8", ["at_end", "at_once"])
@pytest.mark.parametrize(("p11", "kept"), [("dropped", []), ("kept", ["message"])])
def test_p11_input_of_what_failed_or_was_cancelled(p8, p11, kept):
    talk = Talk(p8=p8, p11=p11)
    talk.respond("fails", input="hello")
    talk.clock.advance(2)
    assert talk.kinds() == kept
    response = talk.respond("forever", input="stop")
    talk("POST", f"/openai/v1/responses/{response['id']}/cancel")
    assert talk.kinds() == kept * 2


@pytest.mark.parametrize(("p11", "status"), [("dropped", 200), ("kept", 400)])
def test_p11_decides_whether_the_calls_of_a_cancelled_answer_are_open_again(p11, status):
    talk = Talk(p11=p11)
    [call] = talk.asked()
    response = talk.respond("tool", input=[output(call, "sun")])
    talk("POST", f"/openai/v1/responses/{response['id']}/cancel")
    talk.respond("tool", input=[output(call, "rain")], expect=status)
    if p11 == "kept":
        response = talk.respond("tool")  # goes on with the answer that stayed
    [response] = talk.listed(limit="1")
    assert text_in(talk.after(5, {"id": response})) == f"The tools said: {'rain' if p11 == 'dropped' else 'sun'}"


# --- P9, P15, P16 -----------------------------------------------------------------------------------------------------


def test_p9_cancel_of_what_has_ended():
    for agent, status in (("instant", "completed"), ("fails", "failed"), ("incomplete", "incomplete")):
        talk = Talk(p9="refused")
        talk.say()
        response = talk.after(5, talk.respond(agent))
        path = f"/openai/v1/responses/{response['id']}/cancel"
        refused = talk("POST", path, expect=400)
        assert refused["error"]["message"] == f"Cannot cancel a {status} response."
        talk.turn(p9="returned")
        assert talk("POST", path) == response


def held(talk, agent, **fields):
    body = {"conversation": talk.id, "agent_reference": {"type": "agent_reference", "name": agent}, **fields}
    return talk.reply("POST", "/openai/v1/responses", body)


@pytest.mark.parametrize("value", ["goes_on", "ends"])
def test_p15_a_synchronous_response_is_cut_after_120_seconds(value):
    talk = Talk(p15=value)
    talk.say()
    reply = held(talk, "forever")
    talk.clock.advance(119.9)
    assert reply.held() is None
    talk.clock.advance(0.1)
    cut = reply.held()
    assert (cut.status, cut.body) == (408, {"error": {"code": "Timeout", "message": "The operation was timeout."}})
    if value == "goes_on":
        assert talk.get({"id": reply.response_id})["status"] == "in_progress"
        talk.respond("instant", expect=400)  # it holds the conversation
    else:
        assert talk.get({"id": reply.response_id}, expect=404)
        assert talk.listed() == []
        talk.respond("instant")


def test_p15_ends_asks_for_nothing_later():
    consent = Phase(calls=(Call(type="oauth_consent_request"),))
    talk = Talk(Agent(name="mine", script=Script(phases=(Phase(seconds=200), consent))), p15="ends")
    held(talk, "mine", input="hello")
    talk.clock.advance(500)
    assert talk.respond("mine", input="hi")["status"] == "in_progress"  # it begins anew


def test_p15_ends_leaves_no_items_behind():
    talk = Talk(Agent(name="mine", script=Script(phases=(Phase(seconds=200),))), p15="ends", p8="at_once")
    reply = held(talk, "mine", input="hello")
    talk.clock.advance(119)
    assert talk.kinds() == ["message"]
    talk.clock.advance(1)
    assert reply.held().status == 408
    assert talk.kinds() == []
    talk.clock.advance(100)
    assert talk.kinds() == []
    assert [one["status"] for one in responses_summary(talk.service.state.responses.values(), talk.clock.now())] == [
        "cut"
    ]


def test_p15_ends_leaves_what_was_quick_enough_alone():
    talk = Talk(p15="ends")
    talk.say()
    reply = held(talk, "history")
    talk.clock.advance(500)
    assert reply.held().status == 200
    assert talk.kinds() == ["message", "message"]


@pytest.mark.parametrize(
    ("value", "refusing"),
    [
        ("accepted", set()),
        ("hosted", {"hosted"}),
        ("workflow", {"workflow"}),
        ("both", {"hosted", "workflow"}),
        ("all", {"hosted", "workflow", "instant"}),
    ],
)
def test_p16_background_is_refused_by_kind(value, refusing):
    for agent in ("hosted", "workflow", "instant"):
        talk = Talk(p16=value)
        talk.say()
        status = 400 if agent in refusing else 200
        answer = talk.respond(agent, expect=status)
        assert status == 200 or answer["error"]["param"] == "background"
        if status == 400:
            assert held(talk, agent).status == 200


# --- the switches themselves ------------------------------------------------------------------------------------------


def test_a_switch_holds_for_what_comes_after_it():
    talk = Talk()
    talk.respond("history", input="hello")
    talk.turn(p8="at_once", p11="kept", item_lag=5)
    assert talk.items() == []
    talk.clock.advance(2)
    assert len(talk.items()) == 2


@pytest.mark.parametrize("text", ["p2", "p2=maybe", "p99=x", "list_lag=-1", "list_lag=x"])
def test_wrong_switches_are_refused(text):
    with pytest.raises(ValueError, match=r"p2|p99|list_lag|could not convert"):
        parse([text])


def test_switches_as_text():
    found = parse(["p2=hidden", "list_lag=2.5", "response_metadata_get=empty"])
    assert (found.p2, found.list_lag, found.response_metadata_get) == ("hidden", 2.5, "empty")
    assert parse([]) == Unknowns()


CHOICES = {
    field.name: get_args(field.type) for field in msgspec.structs.fields(Unknowns) if get_origin(field.type) is Literal
}


def pairs():
    for first, second in itertools.combinations(CHOICES, 2):
        for one, other in itertools.product(CHOICES[first], CHOICES[second]):
            yield {first: one, second: other}


def test_a_round_of_calls_ends_whatever_two_switches_say():
    assert len(list(pairs())) > 500
    for pair in pairs():
        talk = Talk(**pair)
        background = pair.get("p16") != "all"
        talk.say()
        asking = answered(talk, "tool", background=background)
        [call] = asking["output"]
        done = answered(talk, "tool", background=background, input=[output(call)])
        assert text_in(done) == "The tools said: rain", pair
        assert text_in(answered(talk, "history", background=background, input="and now?")), pair


def answered(talk, agent, *, background, **fields):
    if background:
        return talk.after(5, talk.respond(agent, **fields))
    reply = held(talk, agent, **fields)
    talk.clock.advance(5)
    return reply.held().body


def test_the_page_tells_every_switch_with_its_values_and_its_default_first():
    page = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text("utf-8")
    section = page.split("### What no source says")[1].split("\n## ")[0]
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| `")]
    told = {name: row[1] for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    assert list(told) == list(Unknowns.__struct_fields__)
    for name, values in CHOICES.items():
        shown = [one for one in re.findall(r"`(\w+)`", told[name]) if one in values]
        assert list(dict.fromkeys(shown)) == list(values), name
        assert getattr(Unknowns(), name) == values[0]
    assert all(told[name].endswith(": 0 |") for name in set(told) - set(CHOICES))


def test_switches_of_an_emulator():
    with FoundryEmulator(unknowns={"p2": "hidden"}) as emulator:
        assert emulator.unknowns == Unknowns(p2="hidden")
        assert emulator.set_unknowns(p3="allowed").p2 == "hidden"
        emulator.reset()
        assert emulator.unknowns == Unknowns(p2="hidden")
    with pytest.raises(ValueError, match="p2"):
        FoundryEmulator(unknowns={"p2": "maybe"})
