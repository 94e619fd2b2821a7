"""The protocol module against the episodes that the real extension handed to the SDK."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.functions_host import protocol
from local.functions_host.protocol import Kind
from local.functions_host.replay import Replay
from tests.functions_host.conformance import RECORDINGS
from tests.functions_host.recorded import ACTIVITIES, orchestrators, run_episode

EPISODES: list[dict[str, Any]] = json.loads((RECORDINGS / "episodes.json").read_text(encoding="utf-8"))


def _label(number: int) -> str:
    return f"{number}-{EPISODES[number]['orchestrator']}"


@pytest.mark.parametrize("number", range(len(EPISODES)), ids=_label)
def test_an_episode_built_here_gets_the_recorded_answer(number: int) -> None:
    episode = EPISODES[number]
    recorded = episode["context"]
    events = [protocol.event_from_wire(wire) for wire in recorded["history"]]
    started = next(e for e in events if e.kind is Kind.EXECUTION_STARTED)
    context = protocol.episode_context(
        [protocol.event_to_text(e) for e in events], started=started, replaying=recorded["isReplaying"]
    )
    rebuilt = json.loads(context)
    assert {k: v for k, v in rebuilt.items() if k != "history"} == {k: v for k, v in recorded.items() if k != "history"}
    answer, raised = run_episode(episode["orchestrator"], context)
    if episode["raises"] is None:
        assert answer is not None
        assert json.loads(answer) == episode["answer"]
    else:
        assert raised is not None
        message, _, state = raised.partition(protocol.ERROR_LABEL)
        assert message == episode["raises"]["message"]
        assert (json.loads(state) if state else None) == episode["raises"].get("state")


@pytest.mark.parametrize("number", range(len(EPISODES)), ids=_label)
def test_events_survive_reading_and_writing(number: int) -> None:
    for wire in EPISODES[number]["context"]["history"]:
        event = protocol.event_from_wire(wire)
        assert protocol.event_from_text(protocol.event_to_text(event)) == event
        written = protocol.event_to_wire(event)
        assert written == {k: wire[k] for k in written}
        assert all(wire[k] is None or k == "GenerateNewTrace" for k in wire.keys() - written.keys())


@pytest.mark.parametrize("number", range(len(EPISODES)), ids=_label)
def test_the_replay_schedules_what_the_extension_recorded_next(number: int) -> None:
    """Where a later episode of the same generation was recorded, its history says what the extension scheduled."""
    episode = EPISODES[number]
    history = episode["context"]["history"]
    later = [
        e["context"]["history"]
        for e in EPISODES
        if len(e["context"]["history"]) > len(history) and _same(e["context"]["history"], history)
    ]
    if not later:
        return
    following = min(later, key=len)[len(history) :]
    scheduled = []
    for wire in following:
        if wire["EventType"] in (Kind.ORCHESTRATOR_COMPLETED, Kind.ORCHESTRATOR_STARTED):
            break
        scheduled.append((Kind(wire["EventType"]), wire["EventId"], wire.get("Name"), wire.get("FireAt")))
    answer = _recorded_answer(episode)
    outcome = Replay(answer, activities=ACTIVITIES, orchestrators=orchestrators()).run(
        [protocol.event_from_wire(wire) for wire in history]
    )
    mine = []
    for item in outcome.scheduled:
        match item.action:
            case protocol.CallActivity(name=name):
                mine.append((Kind.TASK_SCHEDULED, item.id, name, None))
            case protocol.CallSubOrchestrator(name=name):
                mine.append((Kind.SUB_CREATED, item.id, name, None))
            case protocol.CreateTimer(fire_at=fire_at):
                mine.append((Kind.TIMER_CREATED, item.id, None, fire_at))
    assert [m[:3] for m in mine] == [s[:3] for s in scheduled]
    for (*_, ours), (*_, theirs) in zip(mine, scheduled, strict=True):
        # Retry timers are computed here, with microseconds where .NET has one digit more.
        assert ours is None or (theirs is not None and ours[:25] == theirs[:25])


def _same(longer: list[dict[str, Any]], shorter: list[dict[str, Any]]) -> bool:
    pairs = zip(longer, shorter, strict=False)
    return all({**a, "IsPlayed": 0} == {**b, "IsPlayed": 0} for a, b in pairs)


def _recorded_answer(episode: dict[str, Any]) -> protocol.Answer:
    if episode["answer"] is not None:
        return protocol.parse_answer(json.dumps(episode["answer"]))
    state = episode["raises"].get("state")
    return protocol.parse_answer(json.dumps(state)) if state else protocol.Answer(error="")


def test_an_unreadable_answer_is_refused_with_its_reason() -> None:
    for text in ("", "[]", "{}", '{"isDone": true, "actions": [[{"actionType": 99}]]}'):
        with pytest.raises(protocol.ProtocolError, match="the orchestrator's answer"):
            protocol.parse_answer(text)


def test_half_a_surrogate_pair_is_replaced() -> None:
    assert protocol.normalise_text('["\\ud83d", "\\ud83d\\ude00"]') == '["\ufffd","\U0001f600"]'


def test_values_are_written_as_dotnet_leaves_them() -> None:
    value = {"$type": "gone", "a": [float("nan"), float("inf"), -float("inf"), 1.5, "å", {"$type": 1}]}
    assert protocol.dumps(protocol.normalise(value)) == '{"a":["NaN","Infinity","-Infinity",1.5,"å",{}]}'
