"""Histories that the host wrote once replay on today's code, every prefix of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local.functions_host import protocol
from local.functions_host.lint import lint_answers
from local.functions_host.protocol import SCHEDULED, Answer, Event, Kind
from local.functions_host.replay import NonDeterministicError, Outcome, Replay
from tests.functions_host.golden import FOLDER, ORCHESTRATORS
from tests.functions_host.recorded import ACTIVITIES, orchestrators, run_episode

FILES = sorted(FOLDER.glob("*.json"))


def episodes(history: list[Event]) -> list[int]:
    """Where each episode's new events end: what the extension adds to them comes after."""
    starts = [i for i, e in enumerate(history) if e.kind is Kind.ORCHESTRATOR_STARTED]
    ends = []
    for start in starts:
        end = start + 1
        while end < len(history) and not _added(history[end]):
            end += 1
        ends.append(end)
    return ends


def _added(event: Event) -> bool:
    return event.kind in SCHEDULED or event.kind in (Kind.ORCHESTRATOR_COMPLETED, Kind.EXECUTION_COMPLETED)


def replay(history: list[Event]) -> tuple[Answer, Outcome]:
    started = next(e for e in history if e.kind is Kind.EXECUTION_STARTED)
    texts = [protocol.event_to_text(e) for e in history]
    text, raised = run_episode(str(started.name), protocol.episode_context(texts, started=started, replaying=True))
    answer = protocol.parse_answer(text) if text is not None else protocol.parse_failure(raised or "")
    assert answer is not None
    try:
        return answer, Replay(answer, activities=ACTIVITIES, orchestrators=orchestrators()).run(history)
    except NonDeterministicError:
        if answer.read:
            raise
        return answer, Outcome(status="Failed")  # as o_not_json does since extension 3.19


def test_every_orchestration_has_its_file() -> None:
    assert {path.stem for path in FILES} == set(ORCHESTRATORS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_prefix_leads_to_what_the_history_says(path: Path) -> None:
    history = [protocol.event_from_wire(wire) for wire in json.loads(path.read_text(encoding="utf-8"))]
    before: Answer | None = None
    outcome = Outcome()
    for end in episodes(history):
        answer, outcome = replay(history[:end])
        next_start = next((i for i, e in enumerate(history) if i >= end and e.kind is Kind.ORCHESTRATOR_STARTED), None)
        recorded = [e.event_id for e in history[end:next_start] if e.kind in SCHEDULED]
        assert [s.id for s in outcome.scheduled] == recorded
        if before is not None and answer.read:
            assert lint_answers(before.actions, answer.actions, raised=answer.error is not None) == []
        before = answer
    ended = [e.status for e in history if e.kind is Kind.EXECUTION_COMPLETED]
    assert [outcome.status] == ended


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_stored_text_is_read_and_written_unchanged(path: Path) -> None:
    for wire in json.loads(path.read_text(encoding="utf-8")):
        assert protocol.event_to_wire(protocol.event_from_wire(wire)) == wire
