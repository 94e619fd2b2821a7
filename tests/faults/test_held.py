"""Conversations in the words of threads."""

from __future__ import annotations

from typing import Any

from contracts.runs import METADATA_INSTANCE, METADATA_OPERATION
from local.foundry_emulator.ledger import Ledger
from tests.faults.checks import doubled
from tests.faults.held import Held, held, poisoned

RUNS_ONCE = "pure"


def response(number: int, operation: str, status: str = "completed", continues: int | None = None) -> dict[str, Any]:
    stamp = {METADATA_INSTANCE: "i", METADATA_OPERATION: operation}
    before = None if continues is None else f"resp_{continues}"
    return {"id": f"resp_{number}", "agent": "tool:1", "status": status, "continues": before, "metadata": stamp}


def told(*responses: dict[str, Any], texts: tuple[str, ...] = ("hi",), **more: Any) -> Held:
    items = [{"id": f"msg_{n}", "role": "user", "text": text} for n, text in enumerate(texts)]
    conversation = {"metadata": {}, "items": items, "responses": list(responses), **more}
    return held(Ledger([], {"thread_1": {"runs": [], "messages": []}}, 0, {"conv_1": conversation}), {"hi": "i"})


def test_responses_behind_each_others_calls_are_one_run() -> None:
    threads = told(
        response(0, "run-0"), response(1, "answer-0", "failed", 0), response(2, "answer-1", "in_progress", 0)
    )
    [run] = threads["conv_1"]["runs"]
    assert (run["id"], run["agent_id"], run["status"], run["tool_rounds_answered"]) == (
        "resp_0",
        "tool",
        "in_progress",
        1,
    )
    assert set(threads) == {"thread_1", "conv_1"}
    assert not [*doubled(threads)]


def test_a_second_response_behind_the_same_calls_is_another_run() -> None:
    threads = told(response(0, "run-0"), response(1, "answer-0", continues=0), response(2, "answer-0", continues=0))
    assert [run["id"] for run in threads["conv_1"]["runs"]] == ["resp_0", "resp_2"]


def test_what_was_done_twice_is_found() -> None:
    assert len([*doubled(told(response(0, "run-0"), response(1, "run-0")))]) == 1
    assert len([*doubled(told(texts=("hi", "hi", "another's")))]) == 1


def test_what_closes_calls_is_no_run() -> None:
    assert len(told(response(0, "run-0"), response(1, "close:resp_0", continues=0))["conv_1"]["runs"]) == 1


def test_a_conversation_that_does_not_work_is_found() -> None:
    assert not [*poisoned(told())]
    assert not [*poisoned(told(broken=False, open_calls=[]))]
    assert len([*poisoned(told(broken=True, open_calls=["call_1"]))]) == 2
