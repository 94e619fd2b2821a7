"""A run of many generations: what each is told of those before, and what its timeline shows."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest
from azure.durable_functions.models.history import HistoryEvent

from contracts.past import Past
from contracts.wire import from_wire
from orchestrators.past import happened
from tests.orchestrator.conversations import POLICY, Conversations
from tests.orchestrator.scripted_foundry import ScriptedFoundry, call, failure
from tests.orchestrator.simulation import Ended
from tests.orchestrator.test_agent_run import LEFT
from tests.unit.timelines import events_of, payload_of

RECORDED = json.loads((Path(__file__).resolve().parents[1] / "recordings" / "episodes.json").read_text("utf-8"))
ROUND_SECONDS = 130
LOST = failure("connection_failed", message="of the caller", retryable=True)


def asks(number: int) -> dict[str, Any]:
    return {"state": "requires_action", "pending_calls": [call(f"call_{number}")]}


def answer_to(number: int) -> dict[str, Any]:
    return {"tool_outputs": [{"tool_call_id": f"call_{number}", "output": "of the caller"}], "approvals": []}


@functools.cache
def asking(rounds: int) -> Ended:
    """Run an agent that asks for the output of a tool so many times, each after a while."""
    foundry = Conversations(
        *({0: "active", 3: asks(n)} for n in range(1, rounds + 1)), {0: "completed"}, submit_tool_outputs=[LOST]
    )
    events = [(ROUND_SECONDS * n, f"tool_outputs_{n}", answer_to(n)) for n in range(1, rounds + 1)]
    return foundry.run({"user_message": "of the caller"}, policy=POLICY, events=events, timeout=36_000)


def progress_of(ended: Ended) -> list[dict[str, Any]]:
    """What each generation but the first was given."""
    return [json.loads(history["input"])["progress"] for history in ended.histories[1:]]


def shown_at_its_end(ended: Ended) -> dict[str, Any]:
    return payload_of({"context": ended.histories[-1], "answer": {"actions": [[]]}, "error": None})


def test_a_long_run_tells_all_its_steps() -> None:
    ended = ScriptedFoundry({0: "active", 1500: "completed"}).run(timeout=3600)
    assert ended.generations > 3
    sizes = [len(json.dumps(progress["past"])) for progress in progress_of(ended)]
    assert max(sizes) < 420, "looks are one entry, however many they are"
    events = events_of(shown_at_its_end(ended))
    assert [event.step if event.kind == "step" else event.kind for event in events] == [
        "create_thread",
        "create_message",
        "create_run",
        "looks",
    ]
    assert events[-1].looks == ended.custom_status["polls"]


def test_rounds_of_tools_are_told_one_by_one_and_beyond_as_a_sum() -> None:
    for rounds, has_sum in ((6, False), (30, True)):
        ended = asking(rounds)
        assert (ended.status, ended.generations > 3) == ("Completed", True)
        events = events_of(shown_at_its_end(ended))
        sums = [event for event in events if event.kind == "earlier"]
        questions = [event for event in events if event.kind == "question"]
        assert bool(sums) == has_sum
        assert sum(e.questions for e in sums) + len(questions) == rounds
        assert [q.event for q in questions] == [f"tool_outputs_{n + 1}" for n in range(rounds - len(questions), rounds)]
        assert all(q.ended and q.continued is not True for q in questions)
        first = events[0]
        assert (first.step, first.started) == ("create_thread", "2026-11-21T10:00:00.000Z")
        assert max(len(json.dumps(progress["past"])) for progress in progress_of(ended)) < 4500


def test_nothing_that_a_model_or_a_caller_said_is_handed_on() -> None:
    ended = asking(6)
    pasts = [json.dumps(progress["past"]) for progress in progress_of(ended)]
    assert any("connection_failed" in past for past in pasts)
    assert not [past for past in pasts if "of the caller" in past or "call_" in past]


def test_an_instance_of_before_goes_on_without_a_past() -> None:
    ended = ScriptedFoundry({0: "active", 90: "completed"}).simulate().run({"progress": LEFT})
    assert (ended.status, ended.generations > 1) == ("Completed", True)
    assert [progress["past"] for progress in progress_of(ended)] == [None] * (ended.generations - 1)


@pytest.mark.parametrize("kind", [5, 6], ids=["completed", "failed"])
def test_activities_begin_and_end_when_the_platform_says(kind: int) -> None:
    """As the real host sent it: an activity is scheduled after its episode began, and the status API says when."""
    found = 0
    for context in (episode["context"] for episode in RECORDED):
        history = context["history"]
        calls = {c.started: c for c in happened([HistoryEvent(**event) for event in history]).calls}
        for end in (event for event in history if event["EventType"] == kind):
            [begun] = [e for e in history if e["EventType"] == 4 and e["EventId"] == end["TaskScheduledId"]]
            [scheduled, ended] = [HistoryEvent(**event).timestamp for event in (begun, end)]
            told = calls[scheduled]
            assert (told.activity, told.ended) == (begun["Name"], ended)
            assert told.error or kind == 5
            found += 1
    assert found


def test_suspensions_and_rewinds_are_read_as_the_platform_tells_them() -> None:
    kinds: list[tuple[int, dict[str, Any]]] = [
        (19, {}), (20, {}), (17, {"Data": "Rewound: TaskFailed"}), (17, {"Data": "its worker died"}),
        (19, {}), (20, {}),
    ]  # fmt: skip
    moments = [f"2026-11-21T10:00:0{n}.5Z" for n in range(len(kinds))]
    history = [
        HistoryEvent(EventType=kind, EventId=-1, IsPlayed=False, Timestamp=at, **more)
        for (kind, more), at in zip(kinds, moments, strict=True)
    ]
    told = happened(history)
    at = [event.timestamp for event in history]
    assert (told.pauses, told.rewinds) == ([(at[0], at[1]), (at[4], at[5])], [at[3]])


def test_a_question_is_handed_on_with_its_number() -> None:
    foundry = ScriptedFoundry({0: asks(1)})
    ended = foundry.run(events=[(4, "tool_outputs_1", {})], timeout=60)
    [first, second] = progress_of(ended)[0]["past"]["questions"]
    assert (first["number"], second["number"], "took" in second) == (1, 2, False)


def test_the_past_is_no_more_than_a_contract_allows() -> None:
    for progress in progress_of(asking(30)):
        from_wire(Past, progress["past"])
