"""What runs write and do: several messages, content of any shape, and the steps of tools that the service runs."""

import pytest

from local.foundry_emulator import Agent
from local.foundry_emulator.scripts import Answer, Call, End, Phase, Script, Written
from local.foundry_emulator.service import summary
from tests.foundry_emulator.conftest import Conversation

RESULTS = "step_details.tool_calls[*].file_search.results[*].content"
PYTHON = {
    "type": "code_interpreter",
    "code_interpreter": {"input": "plot()", "outputs": [{"type": "image", "image": {"file_id": "assistant-1"}}]},
}
BING = {"type": "bing_grounding", "bing_grounding": {"requesturl": "https://api.bing.microsoft.com/v7.0/search?q=sky"}}
SEARCH = {
    "type": "file_search",
    "file_search": {"results": [{"file_id": "a", "score": 0.9, "content": [{"type": "text", "text": "Blue."}]}]},
}


def talk_with(*phases, **script):
    return Conversation(Agent(name="talker", script=Script(phases=phases, **script)))


def written(talk, run):
    page = talk("GET", f"/threads/{talk.thread_id}/messages", run_id=run["id"], order="asc")
    return [(message["content"], message["attachments"]) for message in page["data"]]


def steps(talk, run, **query):
    return talk("GET", f"/threads/{talk.thread_id}/runs/{run['id']}/steps", order="asc", **query)["data"]


SHAPES = (
    [{"type": "text", "text": "a bare text"}],
    [{"type": "refusal", "refusal": "I can't help with that."}],
    [{"type": "hologram", "hologram": {"id": "h"}}, {"no": "type"}, "bare", None, 7],
    [{"type": "text", "text": {"value": "Seen【4:0†source】", "annotations": [{"type": "file_path", "text": "x"}]}}],
    [{"type": "text"}, {"type": "text", "text": None}, {"type": "text", "text": {"value": None}}],
    [],
    "all of it",
    None,
    {"value": "an object"},
)


@pytest.mark.parametrize("content", SHAPES)
def test_content_goes_out_as_it_is_written(content):
    talk = talk_with(answer=Answer(kind="messages", messages=(Written(content=content),)))
    run = talk.ask()
    assert written(talk, run) == [(content, [])]
    assert [step["type"] for step in steps(talk, run)] == ["message_creation"]
    assert talk.ask()["status"] == "completed"  # nor does the next run stumble over it, or the ledger
    assert len(summary(talk.service.state)[talk.thread_id]["messages"]) == 4


def test_several_messages_in_their_order_each_with_its_step():
    chart = {"type": "image_file", "image_file": {"file_id": "assistant-1"}}
    file = {"file_id": "assistant-2", "tools": [{"type": "code_interpreter"}]}
    talk = talk_with(
        Phase(seconds=1, says="Wait.", writes=(Written(content="I draw."),)),
        answer=Answer(
            kind="messages",
            messages=(Written(content=[chart], attachments=(file,)), Written(content=[]), Written(content="And now?")),
        ),
    )
    run = talk.ask()
    assert [content for content, _ in written(talk, run)][1:] == ["I draw."]
    talk.at(1, run)
    assert written(talk, run)[2:] == [([chart], [file]), ([], []), ("And now?", [])]
    made = [step["step_details"]["message_creation"]["message_id"] for step in steps(talk, run)]
    page = talk("GET", f"/threads/{talk.thread_id}/messages", run_id=run["id"], order="asc")["data"]
    assert made == [message["id"] for message in page]
    assert len(set(made)) == 5


def test_tools_of_the_service_are_steps_that_end_with_their_phase():
    talk = talk_with(Phase(seconds=2, does=(PYTHON, BING)), Phase(seconds=1, does=({**SEARCH, "id": "call_mine"},)))
    run = talk.ask()
    [first] = steps(talk, run)
    assert (first["type"], first["status"], first["completed_at"]) == ("tool_calls", "in_progress", None)
    calls = first["step_details"]["tool_calls"]
    assert [{key: value for key, value in call.items() if key != "id"} for call in calls] == [PYTHON, BING]
    assert len({call["id"] for call in calls}) == 2
    talk.at(3, run)
    first, second, message = steps(talk, run)
    assert [one["status"] for one in (first, second, message)] == ["completed"] * 3
    assert (first["completed_at"] - first["created_at"], second["created_at"] - first["created_at"]) == (2, 2)
    assert second["step_details"]["tool_calls"][0]["id"] == "call_mine"


def test_what_a_file_search_found_is_shown_where_it_is_asked_for():
    talk = talk_with(Phase(seconds=0, does=(SEARCH,)))
    run = talk.ask()
    [without, _] = steps(talk, run)
    [found] = without["step_details"]["tool_calls"][0]["file_search"]["results"]
    assert found == {"file_id": "a", "score": 0.9}
    query = {"include[]": RESULTS}
    [whole, _] = steps(talk, run, **query)
    results = whole["step_details"]["tool_calls"][0]["file_search"]["results"]
    assert results == SEARCH["file_search"]["results"]
    one = f"/threads/{talk.thread_id}/runs/{run['id']}/steps/{whole['id']}"
    assert talk("GET", one, **query) == whole
    assert talk("GET", one) == without
    refused = talk("GET", one, expect=400, **{"include[]": "everything"})
    assert refused["error"]["param"] == "include[]"


def test_the_step_in_which_a_run_failed_says_why():
    end = End(status="failed", code="tool_user_error", message="The query is empty.")
    talk = talk_with(Phase(seconds=1, does=(PYTHON,)), Phase(seconds=1, does=(BING,)), end=end)
    run = talk.ask()
    talk.at(2, run)
    first, last = steps(talk, run)
    assert (first["status"], first["last_error"]) == ("completed", None)
    assert (last["status"], last["last_error"]) == (
        "failed",
        {"code": "tool_user_error", "message": "The query is empty."},
    )
    assert last["failed_at"] == run["created_at"] + 2


def test_a_cancelled_run_leaves_a_cancelled_step():
    talk = talk_with(Phase(seconds=None, does=(PYTHON,)))
    run = talk.ask()
    talk.at(1, run)
    talk.post(run, "cancel")
    talk.at(5, run)
    [step] = steps(talk, run)
    assert (step["status"], step["cancelled_at"]) == ("cancelled", run["created_at"] + 1)


def test_an_mcp_call_names_its_server_and_may_have_an_output():
    call = Call(name="search", type="mcp", server_label="shop", fields={"output": "nothing found"})
    talk = talk_with(Phase(calls=(call,)))
    run = talk.ask()
    [shown] = steps(talk, run)[0]["step_details"]["tool_calls"]
    assert {k: shown[k] for k in ("type", "name", "server_label", "output")} == {
        "type": "mcp",
        "name": "search",
        "server_label": "shop",
        "output": "nothing found",
    }
