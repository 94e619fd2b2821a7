"""Second generation: scripts mean what they mean in classic, and what has no counterpart is told."""

import pytest

from local.foundry_emulator import Agent
from local.foundry_emulator.agents import builtin_agents
from local.foundry_emulator.scripts import (
    Answer,
    Call,
    End,
    FirstRuns,
    OnCancel,
    Phase,
    Quota,
    Refusal,
    Script,
    Written,
)
from local.foundry_emulator.second.agents import name_of
from tests.foundry_emulator.conftest import Talk, output, text_in


def scripted(*phases, **fields):
    return Agent(name="mine", script=Script(phases=phases, **fields))


def test_every_scripted_agent_is_there_by_its_name():
    talk = Talk()
    names = {one["id"] for one in talk("GET", "/agents", limit="100")["data"]}
    assert {agent.name for agent in builtin_agents()} <= names
    assert names - {agent.name for agent in builtin_agents()} == {"workflow", "silentWorkflow", "hosted", "disabled"}


@pytest.mark.parametrize(
    ("given", "shown"),
    [("a b", "a-b"), ("-x-", "x"), ("ä", "agent"), ("n" * 100, "n" * 63), ("two__three", "two-three")],
)
def test_names_are_made_such_as_the_service_takes(given, shown):
    assert name_of(Agent(name=given, id=f"asst_{'a' * 24}")) == shown


# --- rounds -----------------------------------------------------------------------------------------------------------


def test_two_rounds_of_calls():
    talk = Talk()
    first, second = talk.asked("twoToolRounds")
    assert (first["name"], first["arguments"], first["status"]) == ("get_weather", '{"city": "Oslo"}', "completed")
    assert first["id"].startswith("fc_")
    assert first["call_id"].startswith("call_")
    asking = talk.after(5, talk.respond("twoToolRounds", input=[output(first, "rain"), output(second, "noon")]))
    remark, third = asking["output"]
    assert remark["content"][0]["text"].startswith("I know the weather")
    assert third["name"] == "book_table"
    done = talk.after(5, talk.respond("twoToolRounds", input=[output(third, "booked")]))
    assert text_in(done) == "The tools said: rain; noon; booked"
    assert talk.kinds() == [
        "message", "function_call", "function_call", "function_call_output", "function_call_output",
        "message", "function_call", "function_call_output", "message",
    ]  # fmt: skip


def test_answers_count_by_their_calls_not_by_their_order():
    talk = Talk()
    first, second = talk.asked("twoToolRounds")
    [_, third] = talk.after(5, talk.respond("twoToolRounds", input=[output(second, "b"), output(first, "a")]))["output"]
    done = talk.after(5, talk.respond("twoToolRounds", input=[output(third, "c")]))
    assert text_in(done) == "The tools said: a; b; c"


def test_all_calls_of_a_response_are_answered_together():
    talk = Talk()
    first, second = talk.asked("twoToolRounds")
    refused = talk.respond("twoToolRounds", input=[output(first)], expect=400)
    assert second["call_id"] in refused["error"]["message"]
    assert "function_call_output" not in talk.kinds()
    talk.add(output(first, "rain"))  # or some as items, and the rest with the response
    talk.respond("twoToolRounds", input=[output(second, "noon")])


@pytest.mark.parametrize(("answer", "said"), [("yes", "approved"), ("no", "denied")])
def test_an_approval(answer, said):
    talk = Talk()
    [asked] = talk.asked("mcpApproval")
    assert (asked["type"], asked["server_label"], asked["name"]) == ("mcp_approval_request", "github", "search_issues")
    assert asked["id"].startswith("mcpr_")
    done = talk.after(5, talk.respond("mcpApproval", input=[output(asked, answer)]))
    assert text_in(done) == f"The tools said: {said}"
    calls = [one for one in done["output"] if one["type"] == "mcp_call"]
    assert [one["approval_request_id"] for one in calls] == ([asked["id"]] if said == "approved" else [])


@pytest.mark.parametrize("mentioned", [False, True])
def test_a_consent_is_given_elsewhere_and_keeps_nothing_waiting(mentioned):
    agent = scripted(Phase(calls=(Call(type="oauth_consent_request"),)), answer=Answer(kind="tools"))
    talk = Talk(agent)
    [asked] = talk.asked("mine")
    assert (asked["type"], asked["consent_link"]) == ("oauth_consent_request", "https://example.com/consent")
    fields = {"input": [output(asked, "yes")]} if mentioned else {}
    assert text_in(talk.respond("mine", **fields)) == "The tools said: approved"


def test_the_consent_of_classic_becomes_one_here():
    [asked] = Talk().asked("consent")
    assert (asked["type"], asked["consent_link"]) == ("oauth_consent_request", "https://example.com")


def test_a_call_of_a_type_that_nobody_knows():
    talk = Talk()
    [asked] = talk.asked("computer")
    assert asked["type"] == "computer_use_preview"
    answer = {"type": "computer_use_preview_output", "call_id": asked["call_id"], "output": "seen"}
    assert text_in(talk.after(5, talk.respond("computer", input=[answer]))) == "The tools said: seen"


def test_the_service_answers_its_own_calls():
    talk = Talk()
    talk.say()
    done = talk.after(5, talk.respond("azureFunction"))
    assert [one["type"] for one in done["output"]] == ["azure_function_call", "message"]
    done = talk.after(5, talk.respond("searches"))
    assert [one["type"] for one in done["output"]] == ["bing_grounding_call", "file_search_call", "message"]


def test_an_action_that_is_null_asks_for_nothing():
    talk = Talk(scripted(Phase(action=None)))
    talk.say()
    assert talk.after(10_000, talk.respond("mine"))["status"] == "in_progress"


@pytest.mark.parametrize("as_items", [False, True])
def test_the_first_answers_can_be_refused(as_items):
    refusal = Refusal(message="Not now.", times=2, status=422, param="x", code="y")
    talk = Talk(scripted(Phase(calls=(Call(name="f"),), refuses=refusal), answer=Answer(kind="tools")))
    [call] = talk.asked("mine")
    for expect in (422, 422, 200):
        answer = (
            talk.add(output(call), expect=expect)
            if as_items
            else talk.respond("mine", input=[output(call)], expect=expect)
        )
        if expect == 422:
            assert (answer["error"]["message"], answer["error"]["param"]) == ("Not now.", "x")
    if as_items:
        talk.respond("mine")
    assert text_in({"output": talk("GET", "/openai/v1/responses")["data"][0]["output"]}) == "The tools said: rain"


def test_a_response_beside_a_running_continuation_begins_anew():
    talk = Talk(p3="allowed")
    [call] = talk.asked("tool")
    talk.respond("tool", input=[output(call)])
    beside = talk.after(5, talk.respond("tool"))
    assert [one["type"] for one in beside["output"]] == ["function_call"]


def test_a_call_that_somebody_has_deleted_is_asked_again():
    talk = Talk()
    [call] = talk.asked("tool")
    talk("DELETE", f"/openai/v1/conversations/{talk.id}/items/{call['id']}")
    again = talk.after(5, talk.respond("tool"))
    assert [one["type"] for one in again["output"]] == ["function_call"]


def test_another_agent_begins_its_own_script_behind_answered_calls():
    talk = Talk()
    [call] = talk.asked("tool")
    assert "Rayleigh" in text_in(talk.respond("instant", input=[output(call)]))


def test_a_failed_continuation_can_be_tried_again():
    talk = Talk(p11="kept")
    [call] = talk.asked("tool")
    response = talk.respond("tool", input=[output(call)])
    talk.service.second.responses.end(response["id"], End(status="failed", code="server_error", message="gone"))
    assert talk.get(response)["error"]["message"] == "gone"
    assert text_in(talk.after(5, talk.respond("tool"))) == "The tools said: rain"


# --- times, first runs, quota -----------------------------------------------------------------------------------------


def test_statuses_that_nobody_knows_are_shown():
    talk = Talk()
    talk.say()
    response = talk.respond("unknownStatus")
    assert talk.after(1, response)["status"] == "weird_new"
    assert talk.after(3, response)["status"] == "completed"


def test_no_response_expires():
    talk = Talk()
    talk.say()
    assert talk.after(100_000, talk.respond("expires"))["status"] == "in_progress"


def test_a_cancel_is_immediate_whatever_a_script_says():
    for on_cancel in (OnCancel(seconds=None), OnCancel(seconds=60)):
        talk = Talk(scripted(Phase(seconds=None), on_cancel=on_cancel))
        talk.say()
        response = talk.respond("mine")
        assert talk("POST", f"/openai/v1/responses/{response['id']}/cancel")["status"] == "cancelled"


def test_a_cancelled_response_has_said_nothing():
    talk = Talk(scripted(Phase(seconds=1, says="Let me think."), Phase(seconds=None)))
    talk.say()
    response = talk.respond("mine")
    talk.clock.advance(5)
    assert talk("POST", f"/openai/v1/responses/{response['id']}/cancel")["output"] == []
    assert talk.kinds() == ["message"]


def test_the_answer_can_lag_behind_its_response():
    talk = Talk(scripted(answer_lag_seconds=3))
    talk.say()
    assert text_in(talk.respond("mine"))
    assert talk.kinds() == ["message"]
    talk.clock.advance(3)
    assert talk.kinds() == ["message", "message"]


def test_the_first_responses_of_a_conversation_go_otherwise():
    talk = Talk()
    talk.say()
    assert [talk.after(5, talk.respond("failsOnce"))["status"] for _ in range(3)] == [
        "failed",
        "completed",
        "completed",
    ]


def test_a_continuation_is_no_new_beginning():
    script = Script(phases=(Phase(calls=(Call(name="f"),)),), answer=Answer(kind="tools"))
    talk = Talk(Agent(name="mine", script=script))
    for round_ in "ab":
        [call] = talk.asked("mine")
        assert text_in(talk.respond("mine", input=[output(call, round_)])) == f"The tools said: {round_}"


def test_a_continuation_does_not_count_as_a_first_response():
    asks = (Phase(calls=(Call(name="f"),)),)
    talk = Talk(
        scripted(answer=Answer(kind="text", text="later"), first_runs=FirstRuns(count=2, phases=asks, end=End()))
    )
    for _ in range(2):
        [call] = talk.asked("mine")
        talk.respond("mine", input=[output(call)])
    assert text_in(talk.respond("mine", input="hi")) == "later"


def test_a_continuation_can_be_over_quota_and_its_calls_are_open_again():
    agent = scripted(Phase(calls=(Call(name="f"),)), answer=Answer(kind="tools"), quota=Quota(runs=1, seconds=60))
    talk = Talk(agent)
    talk.say()
    [call] = talk.respond("mine")["output"]
    refused = talk.respond("mine", input=[output(call)])
    assert refused["status"] == "queued"
    assert talk.after(1, refused)["error"]["code"] == "rate_limit_exceeded"
    talk.clock.advance(60)
    assert text_in(talk.respond("mine", input=[output(call)])) == "The tools said: rain"


def test_a_quota_is_shared_by_name_and_says_when_there_is_room():
    talk = Talk(scripted(quota=Quota(runs=2, seconds=10)))
    talk.say()
    assert [talk.after(1, talk.respond("mine"))["status"] for _ in range(3)] == ["completed", "completed", "failed"]
    refused = talk.after(1, talk.respond("mine"))
    assert refused["error"] == {
        "code": "rate_limit_exceeded",
        "message": "Rate limit is exceeded. Try again in 7 seconds.",
    }
    assert talk.after(7, talk.respond("mine"))["status"] == "failed"
    assert talk.respond("mine")["status"] == "completed"


# --- what is said -----------------------------------------------------------------------------------------------------


def test_texts_with_their_citations():
    talk = Talk()
    talk.say()
    [message] = talk.after(5, talk.respond("rich"))["output"]
    picture, cited, linked = message["content"]
    assert (picture["type"], picture["annotations"][0]["type"]) == ("output_text", "container_file_citation")
    assert cited["annotations"] == [
        {
            "type": "file_citation",
            "file_id": "assistant-OpticsPrimer0000000000000",
            "index": 28,
            "filename": "assistant-OpticsPrimer0000000000000.txt",
        }
    ]
    url, path = linked["annotations"]
    assert (url["type"], url["url"], url["title"]) == (
        "url_citation",
        "https://example.com/rayleigh",
        "Rayleigh scattering",
    )
    assert (path["type"], path["file_id"]) == ("container_file_citation", "assistant-TableOfWavelengths0000000")


def test_refusals_several_messages_and_content_that_is_none():
    talk = Talk(scripted(answer=Answer(kind="messages", messages=(Written(content="a text"), Written(content=[7])))))
    talk.say()
    [refusal] = talk.after(5, talk.respond("refuses"))["output"]
    assert refusal["content"] == [{"type": "refusal", "refusal": "I'm sorry, I can't help with that."}]
    assert [one["content"] for one in talk.respond("mine")["output"]] == ["a text", [7]]


def test_an_answer_counts_and_quotes_the_conversation():
    talk = Talk()
    for text in ("one", "two", "three"):
        talk.say(text)
    said = text_in(talk.respond("instant"))
    assert "3 user messages" in said
    assert 'The one before this was: "two"' in said
