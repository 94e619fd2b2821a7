"""What runs may ask: calls of any number, size and type, actions that nobody knows, and answers that are refused."""

import json

import pytest

from local.foundry_emulator import Agent, Agents
from local.foundry_emulator.bodies import MAX_OUTPUTS_BYTES
from local.foundry_emulator.ledger import masked
from local.foundry_emulator.scripts import Answer, Call, Phase, Refusal, Script
from tests.foundry_emulator.conftest import Conversation


def asking(*phases):
    """A conversation with an agent that asks this at once."""
    return Conversation(Agent(name="asking", script=Script(phases=phases, answer=Answer(kind="tools"))))


def outputs(calls, *texts):
    return {"tool_outputs": [{"tool_call_id": c["id"], "output": t} for c, t in zip(calls, texts, strict=True)]}


def calls_of(run):
    action = run["required_action"]
    return action[action["type"]]["tool_calls"]


def test_any_number_of_calls_with_any_arguments():
    long = {"query": "select 语 " * 40_000}
    talk = asking(Phase(calls=(*(Call(name=f"f{n}", arguments=long) for n in range(30)), Call(arguments="{not json"))))
    run = talk.ask()
    calls = calls_of(run)
    assert len({call["id"] for call in calls}) == 31
    assert [call["function"]["name"] for call in calls] == [*(f"f{n}" for n in range(30)), ""]
    assert json.loads(calls[29]["function"]["arguments"]) == long
    assert calls[30]["function"]["arguments"] == "{not json"
    assert talk.post(run, "submit_tool_outputs", outputs(calls, *"x" * 31))["status"] == "completed"


def test_fields_are_shown_as_given():
    bare = {"id": None, "function": None, "safety_checks": [1]}
    talk = asking(Phase(calls=(Call(name="f", fields=bare), Call(type="computer_use_preview", fields={"id": "c1"}))))
    run = talk.ask()
    assert calls_of(run) == [
        {"id": None, "type": "function", "function": None, "safety_checks": [1]},
        {"id": "c1", "type": "computer_use_preview"},
    ]


@pytest.mark.parametrize(
    "action",
    [None, {}, {"type": "submit_consent", "submit_consent": {"url": "https://example.com"}}, {"type": "weird"}],
)
def test_an_action_that_nobody_knows_takes_no_answer(action):
    talk = asking(Phase(action=action))
    run = talk.ask()
    assert (run["status"], run["required_action"]) == ("requires_action", action)
    body = {"tool_outputs": []}
    refused = talk.post(run, "submit_tool_outputs", body, expect=400)
    assert "do not accept tool outputs" in refused["error"]["message"]
    assert talk.at(600, run)["status"] == "expired"


def test_the_service_may_answer_such_an_action_itself():
    talk = asking(Phase(action={"type": "submit_consent"}, seconds=5), Phase(seconds=1))
    run = talk.ask()
    assert talk.at(4, run)["required_action"] == {"type": "submit_consent"}
    assert talk.at(5, run)["status"] == "in_progress"
    assert talk.at(6, run)["status"] == "completed"


def test_calls_of_an_action_given_whole_are_answered_by_their_ids():
    calls = [{"id": "call_a", "type": "function", "function": {"name": 7}}, {"id": "call_b", "type": "local_shell"}]
    talk = asking(Phase(action={"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}))
    run = talk.ask()
    assert calls_of(run) == calls
    talk.post(run, "submit_tool_outputs", outputs(calls[:1], "x"), expect=400)
    assert talk.post(run, "submit_tool_outputs", outputs(calls, "x", "y"))["status"] == "completed"
    assert talk.texts(run) == ["The tools said: x; y"]


def test_beside_a_function_an_azure_function_call_needs_no_answer():
    talk = asking(Phase(calls=(Call(name="lookup", type="azure_function"), Call(name="f"))))
    run = talk.ask()
    theirs, ours = calls_of(run)
    talk.post(run, "submit_tool_outputs", outputs([theirs, ours], "x", "y"), expect=400)
    assert talk.post(run, "submit_tool_outputs", outputs([ours], "y"))["status"] == "completed"


def test_several_questions_in_a_row():
    mcp = Call(name="search", type="mcp", server_label="shop")
    talk = asking(Phase(calls=(Call(name="f"),)), Phase(calls=(mcp, mcp)), Phase(calls=(Call(name="f"),)))
    run = talk.ask()
    first = calls_of(run)
    run = talk.post(run, "submit_tool_outputs", outputs(first, "1"))
    second = calls_of(run)
    assert [call["server_label"] for call in second] == ["shop", "shop"]
    approvals = [{"tool_call_id": call["id"], "approve": True} for call in second]
    run = talk.post(run, "submit_tool_outputs", {"tool_approvals": approvals})
    third = calls_of(run)
    assert len({call["id"] for call in first + second + third}) == 4
    assert talk.post(run, "submit_tool_outputs", outputs(third, "3"))["status"] == "completed"
    assert talk.texts(run) == ["The tools said: 1; approved; approved; 3"]


def test_outputs_of_more_than_512_kb_are_refused_and_the_run_waits_on():
    talk = asking(Phase(calls=(Call(name="f"), Call(name="g"))))
    run = talk.ask()
    calls = calls_of(run)
    half = "é" * (MAX_OUTPUTS_BYTES // 4)  # two bytes each
    refused = talk.post(run, "submit_tool_outputs", outputs(calls, half, half + "x"), expect=400)
    assert refused["error"] == {
        "message": "'tool_outputs' too large: the combined tool outputs must be less than 512kb.",
        "type": "invalid_request_error",
        "param": "tool_outputs",
        "code": "invalid_value",
    }
    assert talk.at(1, run)["status"] == "requires_action"
    assert talk.post(run, "submit_tool_outputs", outputs(calls, half, half))["status"] == "completed"


def test_a_script_refuses_answers_so_many_times():
    words = "The tool output does not fit the model's context."
    phase = Phase(calls=(Call(name="f"),), refuses=Refusal(message=words, times=2, code="context_length_exceeded"))
    talk = asking(phase, phase)
    run = talk.ask()
    for _ in range(2):
        for _ in range(2):
            error = talk.post(run, "submit_tool_outputs", outputs(calls_of(run), "x"), expect=400)["error"]
            assert (error["message"], error["code"]) == (words, "context_length_exceeded")
            assert talk.at(0, run)["status"] == "requires_action"
        run = talk.post(run, "submit_tool_outputs", outputs(calls_of(run), "x"))
    assert run["status"] == "completed"


def test_headers_of_an_approval_are_taken_and_never_shown(http, emulator, tmp_path):
    run = http.run(http.thread("hi"), Agents.MCP_APPROVAL)
    path = f"/threads/{run['thread_id']}/runs/{run['id']}"
    while (shown := http.ok("GET", path))["status"] != "requires_action":
        pass
    [call] = calls_of(shown)
    one = {"tool_call_id": call["id"], "approve": True, "headers": {"Authorization": "Bearer planted-secret"}}
    http.ok("POST", f"{path}/submit_tool_outputs", {"tool_approvals": [one]})
    [entry] = emulator.ledger().of("submit_tool_outputs")
    assert entry.body["tool_approvals"][0]["headers"] == {"Authorization": masked("Bearer planted-secret")}
    assert "planted-secret" not in http.control("GET", "/ledger").text
    assert "planted-secret" not in repr(emulator.state.runs)


def test_headers_are_texts():
    talk = asking(Phase(calls=(Call(name="f", type="mcp"),)))
    run = talk.ask()
    one = {"tool_call_id": calls_of(run)[0]["id"], "approve": True, "headers": {"X": 1}}
    error = talk.post(run, "submit_tool_outputs", {"tool_approvals": [one]}, expect=400)["error"]
    assert error["param"] == "tool_approvals[0].headers.X"
