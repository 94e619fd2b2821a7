"""Every built-in agent does what its description says."""

import json

import pytest

from local.foundry_emulator import Agent, Agents, FoundryEmulator
from local.foundry_emulator.agents import builtin_agents
from local.foundry_emulator.scripts import Phase, Script
from tests.foundry_emulator.conftest import Conversation

QUEUED_FOR_EVER = Phase(status="queued", seconds=None)


@pytest.mark.parametrize(
    ("agent", "timeline"),
    [
        (Agents.HISTORY, [(0, "queued"), (0.5, "in_progress"), (2, "completed")]),
        (Agents.INSTANT, [(0, "completed")]),
        (Agents.SLOW, [(0.4, "queued"), (19.9, "in_progress"), (20, "completed")]),
        (Agents.FAILS, [(1, "in_progress"), (2, "failed")]),
        (Agents.FAILS_ONCE, [(1.5, "failed")]),
        (Agents.RATE_LIMITED_ONCE, [(1.5, "failed")]),
        (Agents.RATE_LIMITED_TWICE, [(1.5, "failed")]),
        (Agents.RATE_LIMITED_ALWAYS, [(2, "failed")]),
        (Agents.RATE_LIMITED_FOR_A_DAY, [(2, "failed")]),
        (Agents.EXPIRES, [(3.9, "in_progress"), (4, "expired")]),
        (Agents.INCOMPLETE, [(2, "incomplete")]),
        (Agents.CONTENT_FILTER, [(2, "incomplete")]),
        (Agents.TOOL, [(1.5, "requires_action"), (599, "requires_action"), (600, "expired")]),
        (Agents.TWO_TOOL_ROUNDS, [(1.5, "requires_action"), (600, "expired")]),
        (Agents.MCP_APPROVAL, [(1.5, "requires_action"), (600, "expired")]),
        (Agents.AZURE_FUNCTION, [(1, "requires_action"), (2.5, "in_progress"), (3.5, "completed")]),
        (Agents.RICH, [(2, "completed")]),
        (Agents.IMAGE_ONLY, [(2, "completed")]),
        (Agents.SILENT, [(2, "completed")]),
        (Agents.LAGGING_LIST, [(2, "completed")]),
        (Agents.CANCELLED_OUTSIDE, [(1.9, "in_progress"), (2, "cancelling"), (2.5, "cancelled")]),
        (Agents.FOREVER, [(0, "queued"), (599, "in_progress"), (600, "expired")]),
        (Agents.QUEUED_FOREVER, [(599, "queued"), (600, "expired")]),
        (Agents.STUCK_CANCELLING, [(599, "in_progress"), (600, "expired")]),
        (Agents.SLOW_CANCEL, [(599, "in_progress"), (600, "expired")]),
        (Agents.COMPLETES_ANYWAY, [(599, "in_progress"), (600, "expired")]),
        (Agents.MANY_CALLS, [(0.5, "requires_action"), (600, "expired")]),
        (Agents.PICKY, [(0.5, "requires_action"), (600, "expired")]),
        (Agents.CONSENT, [(0.5, "requires_action"), (600, "expired")]),
        (Agents.COMPUTER, [(0.5, "requires_action"), (600, "expired")]),
        (Agents.CHART, [(1.9, "in_progress"), (2, "completed")]),
        (Agents.SEARCHES, [(1.9, "in_progress"), (2, "completed")]),
        (Agents.REFUSES, [(2, "completed")]),
        (Agents.BUSY, [(0, "completed")]),
        (Agents.UNKNOWN_STATUS, [(0.5, "weird_new"), (3.4, "weird_new"), (3.5, "completed")]),
    ],
)
def test_statuses_over_time(agent, timeline):
    talk = Conversation(agent)
    run = talk.ask()
    assert [(at, talk.at(at, run)["status"]) for at, _ in timeline] == timeline


def test_every_agent_is_covered_above_and_described():
    covered = {agent for agent, _ in test_statuses_over_time.pytestmark[0].args[1]}
    assert covered == set(Agents) == {agent.id for agent in builtin_agents()}
    assert all(agent.description for agent in builtin_agents())


def test_times_and_details_by_status():
    talk = Conversation(Agents.FAILS)
    run = talk.ask()
    assert run["expires_at"] == run["created_at"] + 600
    failed = talk.at(2, run)
    assert failed["last_error"] == {"code": "server_error", "message": "Sorry, something went wrong."}
    assert failed["failed_at"] == run["created_at"] + 2
    assert (failed["expires_at"], failed["completed_at"], failed["cancelled_at"]) == (None, None, None)
    assert talk.texts(run) == []
    talk = Conversation(Agents.EXPIRES)
    run = talk.ask()
    expired = talk.at(5, run)
    assert run["expires_at"] == run["created_at"] + 4
    ends = ("last_error", "expires_at", "completed_at", "failed_at", "cancelled_at")
    assert [expired[name] for name in ends] == [None] * 5
    talk = Conversation(Agent(name="a", script=Script(phases=(), expires_after_seconds=9, keeps_expires_at=True)))
    assert talk.ask()["expires_at"] is None  # completed
    talk = Conversation(
        Agent(name="a", script=Script(phases=(QUEUED_FOR_EVER,), expires_after_seconds=1800, keeps_expires_at=True))
    )
    run = talk.ask()
    assert talk.at(1799, run)["status"] == "queued"
    expired = talk.at(1800, run)
    assert (expired["status"], expired["expires_at"]) == ("expired", run["created_at"] + 1800)
    talk = Conversation(Agents.CANCELLED_OUTSIDE)
    run = talk.ask()
    assert talk.at(3, run)["cancelled_at"] == run["created_at"] + 2


def test_rate_limited_runs_say_how_long_to_wait_then_answer():
    talk = Conversation(Agents.RATE_LIMITED_TWICE)
    for _ in range(2):
        run = talk.at(2, talk.ask())
        assert run["last_error"] == {
            "code": "rate_limit_exceeded",
            "message": "Rate limit is exceeded. Try again in 7 seconds.",
        }
        assert talk.texts(run) == []
    assert talk.at(2, talk.ask())["status"] == "completed"


def test_the_rate_limit_counts_runs_per_thread():
    talk = Conversation(Agents.RATE_LIMITED_ONCE)
    talk.at(2, talk.ask())
    talk.thread_id = talk("POST", "/threads", {})["id"]
    assert talk.at(2, talk.ask())["status"] == "failed"


def test_incomplete_has_a_reason_and_the_beginning_of_an_answer():
    talk = Conversation(Agents.INCOMPLETE)
    run = talk.at(2, talk.ask())
    assert run["incomplete_details"] == {"reason": "max_completion_tokens"}
    assert talk.texts(run) == ["The sky is blue because"]
    assert run["usage"]["completion_tokens"] > 0


def test_the_answer_counts_and_quotes():
    talk = Conversation(Agents.INSTANT)
    assert "1 user message" in talk.texts(talk.ask())[0]
    [answer] = talk.texts(talk.ask("And then?"))
    assert 'You wrote: "And then?"' in answer
    assert '2 user messages. The one before this was: "Why is the sky blue?"' in answer


def test_rich_content_has_markers_and_matching_annotations():
    talk = Conversation(Agents.RICH)
    run = talk.at(2, talk.ask())
    [message] = talk("GET", f"/threads/{talk.thread_id}/messages", run_id=run["id"])["data"]
    assert [part["type"] for part in message["content"]] == ["image_file", "text", "text"]
    kinds = []
    for part in message["content"][1:]:
        for note in part["text"]["annotations"]:
            kinds.append(note["type"])
            assert part["text"]["value"][note["start_index"] : note["end_index"]] == note["text"]
    assert kinds == ["file_citation", "url_citation", "file_path"]


def test_the_chart_has_files_and_links_that_fit():
    talk = Conversation(Agents.CHART)
    run = talk.at(2, talk.ask())
    page = talk("GET", f"/threads/{talk.thread_id}/messages", run_id=run["id"], order="asc")["data"]
    (picture, text), [question] = (message["content"] for message in page)
    [link] = text["text"]["annotations"]
    assert text["text"]["value"][link["start_index"] : link["end_index"]] == link["text"]
    [attached] = page[0]["attachments"]
    assert attached["file_id"] == link["file_path"]["file_id"]
    assert talk("GET", f"/files/{attached['file_id']}")["filename"] == "table.csv"
    assert talk("GET", f"/files/{picture['image_file']['file_id']}")["filename"] == "chart.png"
    assert question["text"]["value"] == "Shall I add violet?"


def test_calls_that_few_can_answer():
    talk = Conversation(Agents.MANY_CALLS)
    calls = talk.at(0.5, talk.ask())["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert (len(calls), len(json.loads(calls[11]["function"]["arguments"])["query"])) == (12, 294)
    talk = Conversation(Agents.COMPUTER)
    [call] = talk.at(0.5, talk.ask())["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert call["type"] == "computer_use_preview"


def test_the_picky_one_refuses_the_first_answer():
    talk = Conversation(Agents.PICKY)
    run = talk.at(0.5, talk.ask())
    [call] = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    body = {"tool_outputs": [{"tool_call_id": call["id"], "output": "rain"}]}
    assert "shorter" in talk.post(run, "submit_tool_outputs", body, expect=400)["error"]["message"]
    talk.post(run, "submit_tool_outputs", body)
    assert talk.at(2, run)["status"] == "completed"


def test_no_message_and_no_text_are_different_things():
    for agent, count in ((Agents.SILENT, 0), (Agents.IMAGE_ONLY, 1)):
        talk = Conversation(agent)
        run = talk.at(2, talk.ask())
        messages = talk("GET", f"/threads/{talk.thread_id}/messages", run_id=run["id"])["data"]
        assert len(messages) == count
        assert talk.texts(run) == []


def test_the_list_lags_behind_the_run():
    talk = Conversation(Agents.LAGGING_LIST)
    run = talk.at(2, talk.ask())
    assert run["status"] == "completed"
    assert talk.texts(run) == []
    talk.at(4, run)
    assert len(talk.texts(run)) == 1


def test_cancel_variants():
    for agent, after, status in (
        (Agents.FOREVER, 0.5, "cancelled"),
        (Agents.SLOW_CANCEL, 4.9, "cancelling"),
        (Agents.SLOW_CANCEL, 5, "cancelled"),
        (Agents.STUCK_CANCELLING, 500, "cancelling"),
        (Agents.STUCK_CANCELLING, 599, "expired"),
        (Agents.COMPLETES_ANYWAY, 1, "completed"),
    ):
        talk = Conversation(agent)
        run = talk.ask()
        talk.at(1, run)
        assert talk.post(run, "cancel")["status"] == "cancelling"
        talk.post(run, "cancel", expect=400)
        assert talk.at(1 + after, run)["status"] == status, (agent, after)


def test_denied_approval_is_told():
    talk = Conversation(Agents.MCP_APPROVAL)
    run = talk.at(1.5, talk.ask())
    [call] = run["required_action"]["submit_tool_approval"]["tool_calls"]
    assert talk.post(run, "submit_tool_outputs", {"tool_outputs": []}, expect=400)
    talk.post(run, "submit_tool_outputs", {"tool_approvals": [{"tool_call_id": call["id"], "approve": False}]})
    assert talk.at(2.5, run)["status"] == "completed"
    assert talk.texts(run) == ["The tools said: denied"]


def test_an_azure_function_call_takes_no_answer():
    talk = Conversation(Agents.AZURE_FUNCTION)
    run = talk.at(1, talk.ask())
    [call] = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert call["type"] == "azure_function"
    body = {"tool_outputs": [{"tool_call_id": call["id"], "output": "x"}]}
    talk.post(run, "submit_tool_outputs", body, expect=400)


def test_steps_of_a_run_that_expired_while_it_waited():
    talk = Conversation(Agents.TOOL)
    run = talk.at(600, talk.ask())
    [step] = talk("GET", f"/threads/{talk.thread_id}/runs/{run['id']}/steps")["data"]
    assert (step["type"], step["status"], step["expired_at"]) == (
        "tool_calls",
        "expired",
        run["created_at"] + 600,
    )


def test_filler_agents_answer_too():
    with FoundryEmulator(filler_agents=3) as emulator:
        assert [one["name"] for one in emulator.agents()][-3:] == ["filler0001", "filler0002", "filler0003"]
